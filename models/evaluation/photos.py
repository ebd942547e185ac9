"""One picture of an evaluation set. Knows its name and its bytes' digest; refuses to know what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Photo:
    """A file below its label's folder.

    Attributes:
        label: whose it is, by its folder.
        file: its name in there.
        path: where it lies.
        sha256: of its bytes; empty where it cannot be read.
    """

    label: str
    file: str
    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """LABEL/FILE, as errata name it."""
        return f"{self.label}/{self.file}"

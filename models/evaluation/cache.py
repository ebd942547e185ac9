"""Keep what was seen in photographs, so that a cut run goes on. Knows files and digests; not what a template means.

Templates are biometric data of those who agreed to be measured: the folder is its owner's alone, and whoever deletes it
loses nothing but time. A row is found by the networks, the runner, the code that leads a picture through them, and the
picture's own bytes: whatever of these changes, the old row is not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import msgspec
import PIL

from models import align, closeup, decode, detector, embedder, faces, portrait, quality, sharpness
from models.durable import replace_durably
from models.evaluation.report import EvaluationError
from models.vision import Vision

_CODE: tuple[ModuleType, ...] = (align, closeup, decode, detector, embedder, faces, portrait, quality, sharpness)
"""What stands between a file's bytes and its template, besides the networks."""
_ENDING = ".rows"


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a photograph.

    Attributes:
        sha256: of its bytes; empty where they cannot be read.
        kind, fault: why there is no face, and its name in :class:`models.evaluation.faults.Kind`.
        figures, both, single: f32, as :mod:`models.evaluation.templates` packs them.
    """

    sha256: str
    kind: str = ""
    fault: str = ""
    figures: bytes = b""
    both: bytes = b""
    single: bytes = b""


class Cache:
    """Rows by the digest of the photograph.

    Args:
        folder: of one set of networks; none keeps nothing.
        rows: that lie in it.
        damaged: files in it that were not what they are called, and are not used.
    """

    def __init__(self, folder: Path | None, rows: Iterable[Row] = (), damaged: int = 0) -> None:
        self.damaged = damaged
        self._folder = folder
        self._rows = {row.sha256: row for row in rows}

    def __len__(self) -> int:
        """Photographs that are known."""
        return len(self._rows)

    def get(self, sha256: str) -> Row | None:
        """What is known of a photograph."""
        return self._rows.get(sha256)

    def keep(self, rows: list[Row]) -> None:
        """Write rows so that they are there as a whole or not at all.

        Raises:
            EvaluationError: they cannot be written.
        """
        known = [row for row in rows if row.sha256]
        self._rows.update((row.sha256, row) for row in known)
        if self._folder is None or not known:
            return
        content = msgspec.msgpack.encode(known)
        name = hashlib.sha256(content).hexdigest() + _ENDING
        try:
            replace_durably(self._folder / name, content, 0o600)
        except OSError as error:
            raise EvaluationError(f"{self._folder}: templates cannot be kept: {error.strerror}") from error


def no_cache() -> Cache:
    """One that forgets at the end of the run."""
    return Cache(None)


def open_cache(folder: Path, vision: Vision) -> Cache:
    """The rows of these networks; a file that was cut or changed is not used.

    Args:
        folder: is made where it does not exist, its owner's alone.
        vision: the networks.

    Raises:
        EvaluationError: the folder cannot be used.
    """
    own = folder / key_of(vision)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own.mkdir(mode=0o700, exist_ok=True)
        contents = {path.stem: path.read_bytes() for path in sorted(own.glob(f"*{_ENDING}"))}
    except OSError as error:
        raise EvaluationError(f"{own}: cannot be used as a cache: {error.strerror}") from error
    good = [content for name, content in contents.items() if hashlib.sha256(content).hexdigest() == name]
    rows = (row for content in good for row in msgspec.msgpack.decode(content, type=list[Row]))
    return Cache(own, rows, len(contents) - len(good))


def key_of(vision: Vision) -> str:
    """Of networks, runner, and the code around them."""
    digest = hashlib.sha256(f"{vision.digest}\0{vision.runner}\0{PIL.__version__}".encode())
    for module in _CODE:
        digest.update(hashlib.sha256(Path(str(module.__file__)).read_bytes()).digest())
    return digest.hexdigest()[:32]

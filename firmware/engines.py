"""Have a van's engines in order before it looks. Knows when to build; a failure is an alarm, and the van looks without.

The match process never builds: it takes minutes, and a process that sees faces has one task.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from board.board import Board
from board.device_key import DeviceKeyError
from firmware.log import Log
from firmware.match.kept import Kept, KeptError
from models.backend_tensorrt import OpenTensorRt, open_tensorrt
from models.bars import bar
from models.built import FILES
from models.manifest import MANIFEST, ModelError, load_manifest
from models.runner_openvino import OpenVinoBackend
from models.vision import Graphs
from models.workshop import tend
from ota.archive import digest


def kept_model(state: Path, log: Log) -> Path | None:
    """The folder of the model that came over the air and that the match process will open; ``None``: the shipped one.

    Args:
        state: the match process's folder.
        log: why it is the shipped one after all.
    """
    try:
        return Kept(state, digest).model_folder()
    except KeptError as error:
        log.alarm("engines", reason=str(error))
        return None


def tend_engines(
    board: Board,
    sizes_px: tuple[tuple[int, int], ...],
    console: Console,
    log: Log,
    tensorrt: OpenTensorRt = open_tensorrt,
    folder: Path | None = None,
) -> None:
    """Build the engines that this machine needs and does not have.

    Args:
        board: a host needs none.
        sizes_px: (width, height) of the cameras' pictures.
        console: shows the progress.
        log: what was refused and what was built.
        tensorrt: opens the GPU.
        folder: of a model that came over the air; the shipped one if absent.
    """
    if board.networks != "tensorrt":
        return
    mode = board.power_mode()
    if mode.fault:  # every engine would be refused for it, and good ones be written over
        log.alarm("engines", reason=f"power mode: {mode.fault}")
        return
    try:
        backend = tensorrt(board.engines, board.device_key, mode.name, "fp16")
        manifest = load_manifest(MANIFEST if folder is None else folder / MANIFEST.name)
        uses = Graphs.load(manifest, folder or FILES).profiles(sizes_px)
    except (ModelError, DeviceKeyError) as error:
        log.alarm("engines", reason=str(error))
        return
    reference = OpenVinoBackend("f32")
    for graph, profile in uses:
        with bar(console, f"{graph.name} {profile}") as progress:
            state = tend(backend, graph, profile, reference, progress)
        if state.refused:
            log.info("engine refused", reason=state.refused)
        if not state.usable:
            log.alarm("engine not built", graph=state.graph, pictures=state.pictures, reason=state.words)
        elif state.built:
            log.info("engine built", graph=state.graph, pictures=state.pictures, agreement=state.words)

"""Open the networks on what the machine is made for, or, with an alarm, on what is left. Knows backends and what is
kept; no camera.

A van without TensorRT, or whose engines are not to be trusted, still looks: on its processor, at a reduced rate, and it
says so in every status until it is mended. A pre-filter that cannot be had only costs time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from board.board import Board
from board.device_key import DeviceKeyError
from firmware.log import Log
from firmware.match.kept import Kept, KeptError
from firmware.match.settings import MatchSettings
from models.backend_tensorrt import OpenTensorRt, open_tensorrt
from models.detector import Detector
from models.manifest import ModelError
from models.prefilter import Gate
from models.prefilter_detectnet import Preset, open_detectnet
from models.runner_openvino import OpenVinoBackend
from models.vision import Canvas, Vision, open_folder

_TENSORRT = "TensorRT "
Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Networks:
    """Proven networks.

    Attributes:
        vision: detector, close-up and embedder.
        fault: why they run on the fallback runner; empty where they do not.
        gate: spares the detector empty frames.
        gate_fault: why there is none although one was asked for.
    """

    vision: Vision
    fault: str = ""
    gate: Gate[Any] | None = None
    gate_fault: str = ""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What a person has to know, now."""
        words = []
        if self.fault:
            words.append(f"networks on the processor, at a reduced rate: {self.fault}")
        if self.vision.in_place and self.vision.runner.endswith("fp32"):
            words.append("networks in fp32, slower: fp16 strayed too far when the engines were built")
        gate_fault = self.gate_fault or (self.gate.fault if self.gate else "")
        if gate_fault:
            words.append(f"no pre-filter: {gate_fault}")
        return tuple(words)


def proven_networks(settings: MatchSettings, board: Board, kept: Kept, log: Log) -> Networks:
    """The networks of this machine, each proven: those that came over the air, or, with an alarm, the shipped ones.

    A list is made for one model: one that came for a model that cannot be used is refused when it is released.

    Raises:
        ModelError: a shipped network is not here or not right.
    """
    try:
        networks = open_networks(board, settings.prefilter, settings.sizes_px, folder=kept.model_folder())
    except (KeptError, ModelError) as error:
        if not kept.model:
            raise
        log.alarm("the model that came over the air cannot be used; the shipped one is", reason=str(error))
        kept.forget_model()
        networks = open_networks(board, settings.prefilter, settings.sizes_px)
    for alarm in networks.alarms:
        log.alarm("networks", reason=alarm)
    return networks


def open_networks(
    board: Board,
    prefilter: Preset | None = None,
    sizes_px: Sizes = (),
    tensorrt: OpenTensorRt = open_tensorrt,
    folder: Path | None = None,
) -> Networks:
    """The networks of this machine.

    Args:
        board: says what it is made for, and vouches for its engines.
        prefilter: that is wanted.
        sizes_px: (width, height) of the cameras' pictures: their engines are loaded now and not when it is hot.
        tensorrt: opens the GPU.
        folder: of a model that came over the air; the shipped one if absent.

    Raises:
        ModelError: not even the processor can run them.
    """
    vision, fault = _vision(board, sizes_px, tensorrt, folder)
    gate, gate_fault = (None, "") if prefilter is None else _gate(prefilter, vision)
    return Networks(vision, fault, gate, gate_fault)


def _vision(board: Board, sizes_px: Sizes, tensorrt: OpenTensorRt, folder: Path | None) -> tuple[Vision, str]:
    if board.networks == "openvino":
        return open_folder(OpenVinoBackend(), folder), ""
    try:
        backend = tensorrt(board.engines, board.device_key, board.power_mode().name, "fp16")
        return _with_detectors(open_folder(backend, folder), sizes_px), ""
    except (ModelError, DeviceKeyError) as error:
        return open_folder(OpenVinoBackend(), folder), str(error)


def _with_detectors(vision: Vision, sizes_px: Sizes) -> Vision:
    """The same, with every detector that will be asked for opened already."""
    keys = [(height, width, canvas) for width, height in sizes_px for canvas in vision.canvases_px]
    ready = {key: vision.detector_for(*key) for key in keys}

    def detector_for(height_px: int, width_px: int, canvas: Canvas) -> Detector:
        return ready.get((height_px, width_px, canvas)) or vision.detector_for(height_px, width_px, canvas)

    return replace(vision, detector_for=detector_for)


def _gate(prefilter: Preset, vision: Vision) -> tuple[Gate[Any] | None, str]:
    """It is shown what the detector is shown, on the GPU, and so it needs the networks there."""
    try:
        return Gate(open_detectnet(prefilter, vision.runner.removeprefix(_TENSORRT).split()[0])), ""
    except ModelError as error:
        return None, str(error)

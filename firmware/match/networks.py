"""Open the networks on what the machine is made for, or, with an alarm, on what is left. Knows backends; no camera.

A van without TensorRT, or whose engines are not to be trusted, still looks: on its processor, at a reduced rate, and it
says so in every status until it is mended.
"""

from __future__ import annotations

from dataclasses import dataclass

from board.board import Board
from board.device_key import DeviceKeyError
from models.backend_tensorrt import OpenTensorRt, open_tensorrt
from models.manifest import ModelError
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision


@dataclass(frozen=True)
class Networks:
    """Proven networks; ``fault`` says why they run on the fallback runner, and is empty when they do not."""

    vision: Vision
    fault: str = ""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What a person has to know."""
        return (f"networks on the processor, at a reduced rate: {self.fault}",) if self.fault else ()


def open_networks(board: Board, tensorrt: OpenTensorRt = open_tensorrt) -> Networks:
    """The networks of this machine.

    Args:
        board: says what it is made for, and vouches for its engines.
        tensorrt: opens the GPU.

    Raises:
        ModelError: not even the processor can run them.
    """
    if board.networks == "openvino":
        return Networks(open_vision(OpenVinoBackend()))
    try:
        backend = tensorrt(board.engines, board.device_key, board.power_mode().name, "fp16")
        return Networks(open_vision(backend))
    except (ModelError, DeviceKeyError) as error:
        return Networks(open_vision(OpenVinoBackend()), str(error))

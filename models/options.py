"""What all commands of ``kerbside-models`` share: which machine this is, exit codes, how a fault is told.

Knows the terminal and the board's kind; refuses to know what a command does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer

from board.board import Board, open_board
from models.backend_tensorrt import OpenTensorRt, Precision, TensorRtBackend, open_tensorrt
from models.runner import Backend
from models.runner_openvino import OpenVinoBackend

FAILED, ASKED_WRONGLY = 1, 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class Entrance:
    """What the commands ask which machine this is; a test may stand in for one (typer's ``obj``)."""

    board: Callable[[], Board] = open_board
    tensorrt: OpenTensorRt = open_tensorrt

    def backend(self, board: Board, precision: Precision = "fp16") -> TensorRtBackend:
        """The GPU of this machine; raises ModelError or DeviceKeyError."""
        return self.tensorrt(board.engines, board.device_key, board.power_mode().name, precision)

    def usual(self) -> Backend:
        """What runs networks on this machine; raises as :meth:`backend`."""
        board = self.board()
        return self.backend(board) if board.networks == "tensorrt" else OpenVinoBackend()


def entrance(context: typer.Context) -> Entrance:
    """The command's; the real one unless a test brought another."""
    return context.obj if isinstance(context.obj, Entrance) else Entrance()


def fail(error: Exception | str, code: int = FAILED) -> NoReturn:
    """End with words and an exit code."""
    typer.echo(f"kerbside-models: {error}", err=True)
    raise typer.Exit(code)

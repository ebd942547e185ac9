"""The agent's real process, a real repository, and match's end of the handover socket."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware import framing
from firmware.handover import FromAgent, FromMatch, Offer, Report, Verdict, Withdrawn
from ota.archive import LIMITS, unpack
from tests.link.stage import PATIENCE_S, VAN, wait_until
from tests.ota.throwaway import VAN as KEY_ID
from tests.process import Process

_M = TypeVar("_M")
_decoder = msgspec.msgpack.Decoder(FromAgent)
DAY_S = 86_400


def now() -> int:
    """The process lives by the real clock, so its papers have to."""
    return int(time.time())


def write_config(folder: Path, url: str, root: bytes, *more: str) -> Path:
    """A van's configuration with an agent; ``more`` lines go into its table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.json").write_bytes(root)
    path = folder / "van.toml"
    lines = [
        f'van = "{VAN}"',
        f'handover = "{folder}/handover.sock"',
        "[agent]",
        f'url = "{url}"',
        f'root = "{folder}/root.json"',
        f'state = "{folder}/state"',
        f'key_id = "{KEY_ID}"',
        *more,
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


class Agent(Process):
    """``python -m firmware.agent``."""

    def __init__(self, config: Path) -> None:
        super().__init__("firmware.agent", str(config))
        self.socket = config.parent / "handover.sock"


class Match:
    """Match's end: what it was told is in ``told``; it answers offers of a kind with what ``answers`` says."""

    def __init__(self, path: Path) -> None:
        self.told: list[FromAgent] = []
        self.answers: dict[str, str] = {}
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wait_until(lambda: self._connects(path), f"a listener at {path}")
        self.peer.settimeout(PATIENCE_S)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, message: FromMatch) -> None:
        framing.send(self.peer, message)

    def answer(self, offer: Offer, answer: str, why: str = "") -> None:
        self.send(Verdict(kind=offer.kind, sha256=offer.sha256, answer=answer, why=why))  # type: ignore[arg-type]

    def all(self, kind: type[_M]) -> list[_M]:
        return [one for one in list(self.told) if isinstance(one, kind)]

    def wait_for(self, kind: type[_M], count: int = 1) -> _M:
        wait_until(lambda: len(self.all(kind)) >= count, f"{count} of {kind} in {self.told}")
        return self.all(kind)[-1]

    def offered(self, words: str) -> Offer:
        """Wait until something is offered whose content is ``words``; its offer."""
        wait_until(lambda: any(content_of(one) == words for one in self.all(Offer)), f"offer of {words}: {self.told}")
        return next(one for one in self.all(Offer) if content_of(one) == words)

    def phase(self, kind: str) -> str:
        """Of the newest report."""
        return next((one.phase for one in self.all(Report)[-1].fitted if one.kind == kind), "none")

    def withdrawn(self) -> list[str]:
        return [one.sha256 for one in self.all(Withdrawn)]

    def die(self) -> None:
        with contextlib.suppress(OSError):
            self.peer.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self.peer.close()

    def _connects(self, path: Path) -> bool:
        return self.peer.connect_ex(str(path)) == 0

    def _read(self) -> None:
        with contextlib.suppress(OSError, framing.WireError):
            while (message := framing.receive(self.peer, _decoder)) is not None:
                self.told.append(message)


def content_of(offer: Offer) -> str:
    """What is offered, as text; empty when it is gone meanwhile."""
    path = Path(offer.path)
    try:
        return text_of(offer) if offer.kind in LIMITS else path.read_text()
    except OSError:
        return ""


def text_of(offer: Offer) -> str:
    """All files of the offered archive."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(offer.path), Path(folder) / "made", LIMITS[offer.kind])
        files = sorted(one for one in (Path(folder) / "made").rglob("*") if one.is_file())
        return "".join(one.read_text() for one in files)

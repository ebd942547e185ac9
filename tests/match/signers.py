"""Those who sign what an agent offers: a whole repository with real keys, and its metadata as an agent keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from firmware.handover import Offer
from ota.content import ROLE, Custom, Kind
from tests.match.lists import NOW, VAN_KEY, SealedList
from tests.ota.throwaway import Repository


def said(kind: Kind, counter: int = 1) -> Custom:
    """What may be said of anything but a list."""
    return Custom(kind=kind, vans=(VAN_KEY,), counter=counter)


class Signers:
    """``root`` is the file that came with the release, ``metadata`` the agent's folder."""

    def __init__(self, folder: Path, now: int = NOW) -> None:
        self.repository = Repository(now)
        self.root, self.metadata = folder / "trusted-root.json", folder / "metadata"
        self.root.write_bytes(self.repository.trusted_root)
        self.write()

    def offer(self, kind: Kind, path: Path, custom: Custom | None = None) -> Offer:
        """Have a file signed, and offer it."""
        custom = custom or said(kind)
        content = path.read_bytes()
        self.repository.add(kind, f"n{custom.counter}-{path.name}", content, custom)
        self.repository.publish(ROLE[kind])
        self.write()
        return self.unsigned(kind, path, custom)

    def offer_list(self, listed: SealedList, **changed: object) -> Offer:
        """Have a list signed, and offer it."""
        return self.offer("watchlist", listed.path, listed.custom(**changed))

    def unsigned(self, kind: Kind, path: Path, custom: Custom | None = None) -> Offer:
        """Offer a file that nobody signed, with the metadata that there is."""
        custom = custom or said(kind)
        return Offer(
            kind=kind,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            path=str(path),
            metadata=str(self.metadata),
            counter=custom.counter,
            not_before=custom.not_before,
            not_after=custom.not_after,
        )

    def write(self) -> None:
        """The agent keeps what is newest, and every root."""
        files = self.repository.files
        (self.metadata / "root_history").mkdir(parents=True, exist_ok=True)
        for version in range(1, self.repository.root.version + 1):
            name = f"{version}.root.json"
            (self.metadata / "root_history" / name).write_bytes(files[f"metadata/{name}"])
        for role in ("targets", *self.repository.delegated):
            version = self.repository.targets(role).version
            (self.metadata / f"{role}.json").write_bytes(files[f"metadata/{version}.{role}.json"])

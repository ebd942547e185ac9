"""A fleet with real keys on disk, its signers, and python-tuf's own client as the witness of what was published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from ota.content import Custom, Kind
from ota.repository import ceremony, draft, signing
from ota.repository.edition import edition, send
from ota.repository.folder import Folder, Published
from ota.repository.keys import generate, open_signer, public_key
from ota.repository.publishing import Press, Seen, look
from ota.repository.signing import seats_for
from ota.repository.stores import DirectoryStore, Sent, Store

NOW = 1_800_000_000
HOUR, DAY = 3_600, 86_400
VAN = "ab" * 32
ALL = ("root", "targets", "watchlists", "models", "policies", "software", "os")
HOLDERS = ("officer-a", "officer-b", "officer-c")


def no_passphrase() -> str:
    raise AssertionError("no key here is encrypted")


def open_plain(uri: str, keys: Iterable[Key]) -> Signer:
    return open_signer(uri, keys, no_passphrase)


class FileFetcher(FetcherInterface):
    """file:// for python-tuf's client: a missing file is a 404, as with a web server."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(url.removeprefix("file://"))
        if not path.is_file():
            raise DownloadHTTPError(f"{path}: not found", 404)
        return iter([path.read_bytes()])


class Cut(Exception):
    """The power went."""


class CutStore(DirectoryStore):
    """A place whose line is cut before its nth file."""

    def __init__(self, root: Path, after: int) -> None:
        super().__init__(root)
        self.left = after

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut

    def put(self, name: str, data: bytes) -> None:
        self._count()
        super().put(name, data)

    def put_file(self, name: str, path: Path, sent: Sent) -> None:
        self._count()
        super().put_file(name, path, sent)

    def remove(self, name: str) -> None:
        self._count()
        super().remove(name)


@dataclass
class Keys:
    """Key files by holder."""

    folder: Path
    public: dict[str, str] = field(default_factory=dict)

    def make(self, *names: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.public.update({name: generate(self.path(name)) for name in names})

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str, holder: str = "") -> Key:
        return public_key(self.public[name], holder)


def holder_block(name: str, public: str, roles: Iterable[str]) -> str:
    return f'[[holder]]\nname = "{name}"\npublic = "{public}"\nroles = {sorted(roles)}\n'.replace("'", '"')


def online_block(role: str, public: str, path: Path) -> str:
    return f'[[online]]\nrole = "{role}"\npublic = "{public}"\nuri = "file2:{path}"\n'


def usual_people(keys: Keys) -> str:
    """Three holders of everything; revocations are signed by one of two."""
    roles = {name: {*ALL, "revocations"} if name != "officer-c" else {*ALL} for name in HOLDERS}
    blocks = [holder_block(name, keys.public[name], mine) for name, mine in roles.items()]
    blocks += [online_block(role, keys.public[role], keys.path(role)) for role in ("snapshot", "timestamp")]
    return "\n".join(blocks)


class Stage:
    """A fleet whose first draft lies there unsigned, and a place that it publishes to."""

    def __init__(self, tmp: Path, people: str = "") -> None:
        self.tmp = tmp
        self.keys = Keys(tmp / "keys")
        self.keys.make(*HOLDERS, "snapshot", "timestamp")
        self.people = tmp / "people.toml"
        self.people.write_text(people or usual_people(self.keys))
        self.path = tmp / "fleet"
        self.first = ceremony.found(self.path, self.people, now=NOW)
        self.folder = Folder(self.path)

    def sign(self, path: Path, *holders: str, now: int = NOW) -> list[Path]:
        """Each signs on a machine of their own."""
        made = []
        for holder in holders:
            one = draft.load(path)
            published = self.folder.published()
            keys = [
                key for seats in seats_for(one.metadata, published).values() for s in seats for key in s.keys.values()
            ]
            signer = open_plain(str(self.keys.path(holder)), keys)
            made.append(signing.sign(one, published, signer, now=now))
        return made

    def publish(self, *paths: Path, files: Iterable[Path] = (), now: int = NOW, seen: Seen | None = None) -> Published:
        return Press(self.folder, open_plain).publish(paths, list(files), seen or Seen(), now)

    def refresh(self, now: int) -> Published:
        return Press(self.folder, open_plain).refresh(Seen(), now)

    def ceremony(self) -> Published:
        self.sign(self.first, "officer-a", "officer-b")
        return self.publish(self.first)

    def send_to(self, store: Store) -> int:
        published = self.folder.need_published()
        look(store, published)
        return send(edition(published, self.path, {}), store, lambda done, total: None)

    def propose(self, name: str, kind: Kind = "model", now: int = NOW, **facts: int | str) -> Path:
        content = self.tmp / f"{name}.bin"
        content.write_bytes(name.encode() * 100)
        counter = draft.next_counter(self.path, kind)
        fields: dict[str, object] = {"kind": kind, "vans": [VAN], "counter": counter, **facts}
        return draft.propose(self.path, kind, name, content, convert(fields), now=now)

    def propose_list(self, name: str, deployment: str, now: int = NOW) -> Path:
        window = {"not_before": now, "not_after": now + DAY}
        return self.propose(name, "watchlist", now, deployment=deployment, max_faces=500, **window)

    def release(self, path: Path, *holders: str, now: int = NOW) -> Published:
        """Signed by two and published."""
        self.sign(path, *(holders or HOLDERS[:2]), now=now)
        return self.publish(path, now=now)


def convert(fields: dict[str, object]) -> Custom:
    return msgspec.convert(fields, Custom)


class Van:
    """python-tuf's client with the root that was burnt in, over a folder that was published to."""

    def __init__(self, tmp: Path, place: Path, root: bytes) -> None:
        self._cache = tmp
        self._place = place
        self._root = root

    def sees(self, path: str, now: int = NOW) -> str | None:
        """The SHA-256 of a target that it has downloaded and verified, or None where there is no such target."""
        self._cache.mkdir(exist_ok=True)
        base = f"file://{self._place}"
        updater = Updater(
            *(str(self._cache), f"{base}/metadata/", str(self._cache), f"{base}/targets/", FileFetcher()),
            bootstrap=self._root,
        )
        updater._trusted_set.reference_time = datetime.fromtimestamp(now, timezone.utc)
        updater.refresh()
        target = updater.get_targetinfo(path)
        if target is None:
            return None
        updater.download_target(target, str(self._cache / "download"))
        return target.hashes["sha256"]


def van_of(stage: Stage, place: Path | None = None, name: str = "van") -> Van:
    """A van with the fleet's first root, reading ``place`` or the fleet's own folder."""
    return Van(stage.tmp / name, place or stage.path, (stage.path / "metadata/1.root.json").read_bytes())

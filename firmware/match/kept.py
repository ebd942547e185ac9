"""What this van has taken of what came over the air, and starts with again: its own copies, and how new all of it was.

Knows one pointer file, folders and digests; refuses to know whether a model or a policy is any good. A pointer that
cannot be read stops the van: the policy that it would fall back to may name keys that were taken back since.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.durable import replace_durably
from ota.archive import LIMITS, ArchiveError, unpack
from ota.content import NO_END, Kind, Moment, Sha256
from ota.disk import Disk

Copied = Literal["model", "policy"]
_SWEPT = ("model", "policy", "calibration")
_POINTER = "kept.json"
_Name = Annotated[str, msgspec.Meta(pattern=r"^(model|policy)-[0-9a-f]{16}\Z")]
_Version = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class KeptError(Exception):
    """What was kept cannot be used; the text names the file and the fault."""


class KeptFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model or a policy: the target's digest, its folder's name, and the digest of all in it when it was taken."""

    sha256: Sha256
    folder: _Name
    tree: str


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest of a kind that was taken."""

    sha256: Sha256
    counter: _Version


class Newest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest that was ever believed: versions of root and targets, and what was taken of each kind."""

    root: _Version = 0
    targets: _Version = 0
    taken: dict[Kind, Taken] = {}


class _Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1] = 1
    model: KeptFolder | None = None
    policy: KeptFolder | None = None
    calibration: Sha256 | None = None
    calibration_until: Moment = NO_END
    newest: Newest = Newest()


class Kept:
    """One van's; one thread changes it.

    Args:
        state: the folder of what outlives a restart.
        tree: digest of all that lies in a folder.
        disk: for the copies.

    Raises:
        KeptError: there is a pointer, and it cannot be read.
    """

    def __init__(self, state: Path, tree: Callable[[Path], str], disk: Disk | None = None) -> None:
        self._state = state
        self._tree = tree
        self._disk = disk or Disk()
        self._pointer = self._read()
        self.sweep()

    @property
    def model(self) -> str:
        """The digest of the model that was taken; empty for the shipped one."""
        return "" if self._pointer.model is None else self._pointer.model.sha256

    @property
    def policy(self) -> str:
        """The digest of the policy that was taken; empty for the one that the van was provisioned with."""
        return "" if self._pointer.policy is None else self._pointer.policy.sha256

    @property
    def calibration(self) -> str:
        """The digest of the calibration that was taken; empty for none."""
        return self._pointer.calibration or ""

    @property
    def calibration_until(self) -> int:
        """Until when its signers let it be used, in seconds since the epoch."""
        return self._pointer.calibration_until

    @property
    def newest(self) -> Newest:
        """Nothing older is taken."""
        return self._pointer.newest

    def model_folder(self) -> Path | None:
        """The folder of the model that was taken; ``None`` for the shipped one.

        Raises:
            KeptError: something in it is not what it was when it was proven.
        """
        return self._sound(self._pointer.model)

    def policy_folder(self) -> Path | None:
        """The folder of the policy that was taken; ``None`` for the one that the van was provisioned with.

        Raises:
            KeptError: something in it is not what it was when it was taken.
        """
        return self._sound(self._pointer.policy)

    def calibration_content(self) -> bytes:
        """The calibration that was taken; empty for none.

        Raises:
            KeptError: it is not what it was when it was taken.
        """
        if not self.calibration:
            return b""
        path = self._file(self.calibration)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise KeptError(f"{path}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.calibration:
            raise KeptError(f"{path}: is not what it was when it was taken")
        return content

    def keep_calibration(self, content: bytes, until: int) -> None:
        """Start with this one from now on; ``until`` as :attr:`calibration_until`.

        Raises:
            KeptError: it cannot be written down; what was kept stays.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        try:
            replace_durably(self._file(sha256), content, 0o600)
            self._write(msgspec.structs.replace(self._pointer, calibration=sha256, calibration_until=until))
        except OSError as error:
            raise KeptError(f"{self._state}: {error}") from error
        finally:
            self.sweep()

    def forget_calibration(self) -> None:
        """Start with none; the same may be taken again."""
        pointer = msgspec.structs.replace(self._pointer, calibration=None)
        self._pointer = pointer
        with contextlib.suppress(OSError):
            self._write(pointer)

    def spare(self, kind: Copied, sha256: str) -> Path:
        """Where an archive may lie until it is unpacked; :meth:`sweep` removes it."""
        return self._state / f"{kind}-{sha256[:16]}.archive"

    def unpack(self, kind: Copied, sha256: str, archive: Path) -> Path:
        """Have this van's own copy, on disk; nothing starts with it before :meth:`keep`.

        Raises:
            ArchiveError: damaged, or over a limit.
            OSError: the disk refused.
        """
        own = self._state / f"{kind}-{sha256[:16]}"
        unpack(archive, own, LIMITS[kind], self._disk)
        return own

    def keep(self, kind: Copied, sha256: str, own: Path) -> None:
        """Start with this copy from now on; an older one is removed after that is written down.

        Raises:
            KeptError: it cannot be written down; what was kept stays.
        """
        try:
            kept = KeptFolder(sha256, own.name, self._tree(own))
            self._write(msgspec.structs.replace(self._pointer, **{kind: kept}))
        except (OSError, ArchiveError) as error:
            raise KeptError(f"{self._state}: {error}") from error
        self.sweep()

    def forget_model(self) -> None:
        """Start with the shipped one; what cannot be written down is tried again, and found wanting again."""
        pointer = msgspec.structs.replace(self._pointer, model=None)
        self._pointer = pointer
        with contextlib.suppress(OSError):
            self._write(pointer)

    def raise_newest(self, newest: Newest) -> None:
        """Nothing older than this any more.

        Raises:
            KeptError: it cannot be written down; what was known stays.
        """
        if newest == self.newest:
            return
        try:
            self._write(msgspec.structs.replace(self._pointer, newest=newest))
        except OSError as error:
            raise KeptError(f"{self._state}: {error.strerror}") from error

    def sweep(self) -> None:
        """Remove every copy that nothing starts with."""
        used = {one.folder for one in (self._pointer.model, self._pointer.policy) if one is not None}
        used |= {self._file(self.calibration).name} if self.calibration else set()
        for kind in _SWEPT:
            for path in self._state.glob(f"{kind}-*"):
                if path.name in used:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    with contextlib.suppress(OSError):
                        path.unlink()

    def _sound(self, kept: KeptFolder | None) -> Path | None:
        if kept is None:
            return None
        folder = self._state / kept.folder
        try:
            tree = self._tree(folder)
        except (OSError, ArchiveError) as error:
            raise KeptError(f"{folder}: {error}") from error
        if tree != kept.tree:
            raise KeptError(f"{folder}: holds {tree[:16]}, was {kept.tree[:16]} when it was taken")
        return folder

    def _file(self, sha256: str) -> Path:
        return self._state / f"calibration-{sha256[:16]}.json"

    def _read(self) -> _Pointer:
        path = self._state / _POINTER
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Pointer)
        except FileNotFoundError:
            return _Pointer()
        except OSError as error:
            raise KeptError(f"{path}: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise KeptError(f"{path}: {error}") from error

    def _write(self, pointer: _Pointer) -> None:
        replace_durably(self._state / _POINTER, msgspec.json.encode(pointer), 0o600)
        self._pointer = pointer

"""A console put together from its configuration file. Knows which part needs which key; refuses to know any command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from firmware.config import ConfigError, load
from firmware.control.exchange import Exchange
from firmware.control.fleet import Fleet
from firmware.control.inbox import Inbox, read_items
from firmware.control.keys import load_reading_keys
from firmware.control.place import filters
from firmware.control.receipts import Desk
from firmware.control.seen import load_seen, save_seen
from firmware.control.session import Address, Session
from firmware.control.settings import CtlFile
from firmware.control.unseal import Unsealer
from firmware.envelope import load_signer, public_key
from firmware.log import Log
from firmware.messages import MatchEvent
from firmware.wire import OutChannel


@dataclass(frozen=True)
class Times:
    """``clock`` tells monotonic seconds, ``now`` seconds since the epoch."""

    clock: Callable[[], float]
    now: Callable[[], float]


@dataclass(frozen=True)
class Room:
    """One console.

    Attributes:
        path: its configuration file.
        file: what that says.
        unsealer: whom it believes and what it opens.
        name: under which it comes to the broker, unless the file names one.
        times: what time it is.
        jitter: a number in [0, 1), new at each call.
    """

    path: Path
    file: CtlFile
    unsealer: Unsealer
    name: str
    times: Times
    jitter: Callable[[], float]

    def address(self) -> Address:
        """Where the broker is.

        Raises:
            ConfigError: the TLS files cannot be used.
        """
        broker = self.file.broker
        tls = None if broker.tls is None else broker.tls.context("broker.tls")
        return Address(broker.host, broker.port, broker.client_id or self.name, tls)

    def about(self, van: str | None) -> Room:
        """The room that knows this one van only, or all of them.

        Raises:
            ConfigError: the file has no key of that van.
        """
        if van is None:
            return self
        if van not in self.unsealer.vans:
            known = ", ".join(sorted(self.unsealer.vans)) or "none"
            raise ConfigError(f"{self.path}: no key of van '{van}' under [vans]; known: {known}")
        return replace(self, unsealer=replace(self.unsealer, vans={van: self.unsealer.vans[van]}))

    @contextmanager
    def session(self, channels: tuple[OutChannel, ...], van: str | None) -> Iterator[Session]:
        """Subscriptions of the moment.

        Raises:
            ConfigError: the TLS files cannot be used.
        """
        session = Session(self.address(), filters(channels, van), self.times.clock, self.jitter)
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def fleet(self) -> Iterator[Fleet]:
        """The vans, with what is remembered of them; at the end that is remembered for the next time.

        Raises:
            SeenError: the file of what was seen cannot be used.
        """
        remembered = {} if self.file.seen is None else load_seen(self.file.seen)
        fleet = Fleet(self.unsealer, remembered)
        yield fleet
        if self.file.seen is not None and fleet.memory() != remembered:
            save_seen(self.file.seen, fleet.memory())

    @contextmanager
    def exchange(self, van: str) -> Iterator[Exchange]:
        """For one command to one van.

        Raises:
            ConfigError: no key of that van, or the TLS files cannot be used.
            SeenError: the file of what was seen cannot be used.
        """
        room = self.about(van)
        with room.fleet() as fleet, room.session(("state", "rsp"), van) as session:
            yield Exchange(session, fleet, van, self.times.clock)

    def held(self) -> Iterator[MatchEvent]:
        """The possible matches that the receipt daemon holds, of the vans that this room knows.

        Raises:
            ConfigError: the file has no ``[receipt]``.
            InboxError: the store cannot be read.
            UnsealError: one cannot be opened.
        """
        if self.file.receipt is None:
            raise ConfigError(f"{self.path}: has no [receipt] table, so no store of what was receipted")
        for item in read_items(self.file.receipt.store):
            if item.kind == "match" and item.van in self.unsealer.vans:
                yield self.unsealer.match(item.van, item.envelope)

    @contextmanager
    def desk(self, log: Log) -> Iterator[Desk]:
        """What the receipt daemon works with.

        Raises:
            ConfigError: the file has no ``[receipt]``, no identity or no van, or the TLS files cannot be used.
            KeyFileError: the control room's key cannot be used.
            InboxError: the store cannot be used.
        """
        settings = self.file.receipt
        if settings is None:
            raise ConfigError(f"{self.path}: the daemon needs a [receipt] table with 'key' and 'store'")
        if not self.unsealer.reading_keys:
            raise ConfigError(f"{self.path}: the daemon needs 'reading_keys': what it cannot open it does not receipt")
        signer = load_signer(settings.key)
        address = replace(self.address(), client_id=settings.client_id)
        session = Session(address, filters(("match", "audit"), None), self.times.clock, self.jitter, settings.session_s)
        inbox = Inbox(settings.store, settings.max_mb)
        try:
            yield Desk(session, self.unsealer, inbox, signer, settings.keep_s, log)
        finally:
            session.close()
            inbox.close()


def open_room(path: Path, name: str, times: Times, jitter: Callable[[], float]) -> Room:
    """Read the configuration and the identities that it names.

    Raises:
        ConfigError: the file cannot be used.
        KeyFileError: an identity or a public key cannot be used.
    """
    file = load(path, CtlFile)
    vans = {van: public_key(public) for van, public in file.vans.items()}
    return Room(path, file, Unsealer(vans, load_reading_keys(file.reading_keys)), name, times, jitter)

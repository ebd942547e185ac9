"""The receipt daemon: hold what vans say, durably, then tell them that they may delete it.

Knows the order that makes this safe; refuses to know what an event means. A receipt is signed only after the commit,
and only for what the van signed, what opens and what decodes. The broker's copy is acknowledged last, so that whatever
was in hand when the daemon died is delivered again. A disk that refuses means: no receipt, an alarm, and the same batch
again later; meanwhile the van keeps its rows.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.control.inbox import Fate, Inbox, InboxError, Item
from firmware.control.place import place_of
from firmware.control.session import Received, Session, Unavailable
from firmware.control.unseal import Malformed, NotSigned, Unsealer, UnsealError
from firmware.log import Log
from firmware.messages import Receipt
from firmware.topics import topic

MAX_BATCH = 100
COLLECT_S = 0.005
POLL_S = 0.2
DISK_RETRY_S = 2.0
EXPIRE_EVERY_S = 60.0


@dataclass(frozen=True)
class Desk:
    """What the daemon works with.

    Attributes:
        session: subscribed to ``evt/match`` and ``evt/audit``, kept by the broker.
        unsealer: whom to believe, and what opens.
        inbox: where it is held.
        signer: the control room's key.
        keep_s: seconds after which a held message is deleted.
        log: one line for what a person may want to know; never what a message says.
    """

    session: Session
    unsealer: Unsealer
    inbox: Inbox
    signer: CryptoSigner
    keep_s: float
    log: Log


@dataclass
class Receiver:
    """The daemon's loop.

    Args:
        desk: its parts.
        clock: monotonic seconds.
        now: seconds since the epoch.

    Attributes:
        counts: messages by what became of them: ``new``, ``duplicate``, ``conflict`` and the reasons of disbelief.
    """

    desk: Desk
    clock: Callable[[], float]
    now: Callable[[], float]
    counts: Counter[str] = field(default_factory=Counter)
    _missing: dict[tuple[str, str], int] = field(default_factory=dict)
    _expire_due_s: float = 0.0
    _was_ready: bool = False

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``."""
        while not stop.is_set():
            self.step(stop)
        self.desk.log.info("ended", **dict(self.counts))

    def step(self, stop: threading.Event) -> None:
        """Take what is waiting, at most one batch, and receipt it."""
        self._expire()
        batch = self._collect()
        self._say_connection()
        items = [(message, item) for message in batch if (item := self._believed(message)) is not None]
        if items and not self._hold_and_receipt([item for _, item in items], stop):
            return  # stopped while the disk refused: nothing is acknowledged, all of it will come again
        for message in batch:
            self.desk.session.done(message)

    def _collect(self) -> list[Received]:
        first = self.desk.session.next(POLL_S)
        if first is None:
            return []
        batch, until_s = [first], self.clock() + COLLECT_S
        while len(batch) < MAX_BATCH:
            message = self.desk.session.next(max(0.0, until_s - self.clock()))
            if message is None:
                break
            batch.append(message)
        return batch

    def _believed(self, message: Received) -> Item | None:
        """The item of a message, or ``None`` when it is not to be believed: the van keeps its row then."""
        place = place_of(message.topic)
        try:
            if place is None:
                raise NotSigned("a topic of no van")
            return self._opened(place.van, place.channel, message.payload)
        except UnsealError as error:
            self.counts[error.reason] += 1
            van = place.van if place is not None and place.van in self.desk.unsealer.vans else ""
            self.desk.log.alarm("not believed", reason=error.reason, van=van, error=str(error)[:200])
            return None

    def _opened(self, van: str, channel: str, payload: bytes) -> Item:
        if channel == "match":
            event = self.desk.unsealer.match(van, payload)
            return Item(van, event.id, "match", event.boot, event.sequence, payload)
        if channel == "audit":
            record = self.desk.unsealer.audit(van, payload)
            return Item(van, record.id, "audit", record.boot, record.sequence, payload)
        raise Malformed(f"nothing on '{channel}' is receipted")

    def _hold_and_receipt(self, items: Sequence[Item], stop: threading.Event) -> bool:
        """Hold a batch, in one piece or else one by one, until the disk has taken all of it. False when stopped."""
        waiting, piece = list(items), len(items)
        while waiting:
            try:
                fates = self.desk.inbox.hold(waiting[:piece], self.now())
            except InboxError as error:
                if piece > 1:  # all of it together may be more than there is room for
                    piece = 1
                    continue
                self.desk.log.alarm("cannot hold", error=str(error), messages=len(waiting))
                if stop.wait(DISK_RETRY_S):
                    return False
                self._expire_due_s = 0.0  # what is out of time makes room
                self._expire()
                continue
            self._receipt_all(waiting[:piece], fates)
            waiting = waiting[piece:]
        return True

    def _receipt_all(self, items: Sequence[Item], fates: Sequence[Fate]) -> None:
        """One receipt for each van in the batch, of what is held."""
        self.counts.update(fates)
        held = [item for item, fate in zip(items, fates, strict=True) if fate != "conflict"]
        for item in (item for item, fate in zip(items, fates, strict=True) if fate == "conflict"):
            self.desk.log.alarm("two messages of one id", van=item.van, id=item.id)
        for van in dict.fromkeys(item.van for item in held):
            self._receipt(van, tuple(dict.fromkeys(item.id for item in held if item.van == van)))
        self._say_gaps(items)

    def _receipt(self, van: str, ids: tuple[str, ...]) -> None:
        receipt = envelope.sign(msgspec.json.encode(Receipt(v=1, van=van, ids=ids)), envelope.RECEIPT, self.desk.signer)
        try:
            self.desk.session.publish(topic(van, "ack", ids[0]), receipt)
        except Unavailable as error:
            # The van will say it again, and get its receipt then.
            self.counts["receipts_not_sent"] += 1
            self.desk.log.info("receipt not sent", van=van, messages=len(ids), reason=str(error))
            return
        self.desk.log.info("receipted", van=van, messages=len(ids))

    def _say_gaps(self, items: Sequence[Item]) -> None:
        """Something to look at, no error: a van that lost its memory, or somebody who keeps messages from us."""
        for van, boot in dict.fromkeys((item.van, item.boot) for item in items):
            missing = self.desk.inbox.missing(van, boot)
            if missing != self._missing.pop((van, boot), 0):
                self.desk.log.info("sequence gap", van=van, boot=boot, missing=missing)
            if missing:
                self._missing[van, boot] = missing

    def _expire(self) -> None:
        if self.clock() < self._expire_due_s:
            return
        self._expire_due_s = self.clock() + EXPIRE_EVERY_S
        now = self.now()
        try:
            deleted = self.desk.inbox.expire(now - self.desk.keep_s, now)
        except InboxError as error:
            self.desk.log.alarm("cannot delete", error=str(error))
            return
        if deleted:
            self.desk.log.info("deleted", messages=deleted, older_than_s=self.desk.keep_s)

    def _say_connection(self) -> None:
        session = self.desk.session
        if session.ready != self._was_ready:
            self._was_ready = session.ready
            self.desk.log.info("connected" if session.ready else "disconnected", reason=session.reason)
        if session.refused_publishing:
            self.desk.log.alarm("receipts refused by the broker", reason=session.refused_publishing)
            session.refused_publishing = ""

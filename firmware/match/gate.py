"""Who may order this van what: the one place where a message from outside becomes a command.

Knows envelopes, policy, epochs and counters; refuses to know how it came here and what a command does. Broker, network
and link process are assumed hostile, so nothing is believed but signatures, and nothing is parsed by hand. There is no
wall clock in it: a command is for one boot, until an uptime of that boot, with a counter that grows for each key
(teslamotors/vehicle-command: pkg/protocol/protocol.md).
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from firmware import envelope
from firmware.arguments import ARGUMENTS, Arguments
from firmware.envelope import EnvelopeError, Signed
from firmware.log import Log
from firmware.messages import MAX_COMMAND_BYTES, MAX_LIFETIME_S, MAX_RECEIPT_BYTES, Command, Receipt
from firmware.policy.table import CommandName
from firmware.policy.trust import Policy
from firmware.wire import Heard

REMEMBERED = 256
"""Answers kept for a command that is sent again; an older id is refused by its counter."""
TOLD_MAX, RECEIPTS_MAX = 10_000, 10_000
"""Refusals that were told, and receipts that were taken: their replay costs a look-up and nothing more."""
MOST_A_SECOND = {"cmd": 50, "ack": 500}
"""Envelopes whose signatures are checked; more are not, so that a flood cannot take the time that looking needs. What
is no envelope at all costs little and does not count."""
MOST_A_MINUTE = 30
"""Commands of one key, and refusals that are told: each leaves a record on the disk."""
_LOG_EVERY_S = 1.0
_T = TypeVar("_T")
_K = TypeVar("_K")
_command = msgspec.json.Decoder(Command)
_receipt = msgspec.json.Decoder(Receipt)
Refusal = Literal[
    "too many", "too large", "retained", "malformed", "wrong type", "unknown command", "signatures", "wrong class",
    "bad arguments", "wrong van", "wrong boot", "expired", "lasts too long", "id used twice", "counter",
    "not the control room",
]  # fmt: skip


@dataclass(frozen=True)
class Order:
    """A command that may be carried out.

    Attributes:
        command: what was signed.
        name: a command that there is.
        arguments: of that command.
        by: ids of the keys whose signatures hold.
    """

    command: Command
    name: CommandName
    arguments: Arguments
    by: frozenset[str]


@dataclass(frozen=True)
class Refused:
    """What was not believed, and why. ``order`` is set when the signatures were good: then somebody is told, once."""

    why: Refusal
    order: Order | None = None


@dataclass(frozen=True)
class Again:
    """A command that was carried out before: here is its answer, or None while it is still being carried out."""

    id: str
    answer: bytes | None


class _Not(Exception):
    def __init__(self, why: Refusal) -> None:
        self.why: Refusal = why


class Gate:
    """The gate of one boot; one thread calls :meth:`hear`, another may call :meth:`answered`.

    Args:
        van: this van's id.
        boot: this boot's epoch.
        policy: whose signatures count.
        log: told of refusals, each reason at most once a second with its count.
        uptime_s: monotonic seconds since this boot's start.

    Attributes:
        policy: may be changed at any moment; what was heard before is held against the new one once more.
    """

    def __init__(self, van: str, boot: str, policy: Policy, log: Log, uptime_s: Callable[[], float]) -> None:
        self.refused: Counter[str] = Counter()
        self._van = van
        self._boot = boot
        self.policy = policy
        self._log = log
        self._uptime_s = uptime_s
        self._counters: dict[str, int] = {}
        self._answers: OrderedDict[str, tuple[bytes, bytes | None]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._receipts: OrderedDict[bytes, None] = OrderedDict()
        self._logged_at_s: dict[str, float] = {}
        self._lately: dict[str, tuple[int, int]] = {}  # what is limited -> the period, and how often it came in it

    def hear(self, heard: Heard, mode: str) -> Order | Refused | Again:
        """Decide on one message of ``cmd/{class}`` while the van is in ``mode``."""
        order: Order | None = None
        try:
            signed = self._envelope(heard, MAX_COMMAND_BYTES, envelope.COMMAND)
            order = self._authentic(signed, heard.tail, mode)
            return self._in_time(order, signed.payload)
        except _Not as refusal:
            self._count(refusal.why)
            return Refused(refusal.why, order if order and self._is_told(order) else None)

    def second_thoughts(self, order: Order, mode: str) -> Refusal | None:
        """Why it must not be carried out any more: a lock may have come since it was heard, or its time be over."""
        if not self.policy.satisfies(self.policy.table.rule(order.name, mode), order.by):
            return "signatures"
        return "expired" if self._uptime_s() > order.command.exp_up else None

    def receipt(self, heard: Heard) -> tuple[str, ...]:
        """The ids that a message of ``ack/{id}`` gives a receipt for: none unless the control room signed it."""
        try:
            return self._receipted(heard)
        except _Not as refusal:
            self._count(refusal.why)
            return ()

    def answered(self, order: Order, answer: bytes) -> None:
        """Keep the answer for the case that the command is sent again."""
        if order.command.id in self._answers:
            payload, _ = self._answers[order.command.id]
            self._answers[order.command.id] = payload, answer

    def _receipted(self, heard: Heard) -> tuple[str, ...]:
        signed = self._envelope(heard, MAX_RECEIPT_BYTES, envelope.RECEIPT)
        digest = hashlib.sha256(heard.payload).digest()
        if digest in self._receipts:
            return ()  # a row does not come back, so its receipt is needed once
        if not self.policy.signed_by_control_room(signed):
            raise _Not("not the control room")
        receipt = _decoded(signed.payload, _receipt)
        if receipt.van != self._van:
            raise _Not("wrong van")
        _is_new(self._receipts, digest, RECEIPTS_MAX)
        return receipt.ids

    def _envelope(self, heard: Heard, limit: int, wanted: str) -> Signed:
        if len(heard.payload) > limit:
            raise _Not("too large")
        if heard.retained:
            raise _Not("retained")
        try:
            signed = envelope.read(heard.payload)
        except EnvelopeError:
            raise _Not("malformed") from None
        if signed.payload_type != wanted:
            raise _Not("wrong type")
        if not self._is_within(heard.channel, 1.0, MOST_A_SECOND[heard.channel]):
            raise _Not("too many")
        return signed

    def _is_within(self, what: str, period_s: float, most: int) -> bool:
        """Whether ``what`` came no more than ``most`` times in this period, this time included."""
        period = int(self._uptime_s() / period_s)
        before, count = self._lately.get(what, (period, 0))
        self._lately[what] = period, count + 1 if before == period else 1
        return self._lately[what][1] <= most

    def _is_told(self, order: Order) -> bool:
        return _is_new(self._told, order.command.id, TOLD_MAX) and self._is_within("told", 60.0, MOST_A_MINUTE)

    def _authentic(self, signed: Signed, tail: str, mode: str) -> Order:
        """Known and signed by whom it takes. What is not yet authentic is looked at only to see whom it would take."""
        command = _decoded(signed.payload, _command)
        if command.cmd not in ARGUMENTS:
            raise _Not("unknown command")
        name: CommandName = command.cmd
        by = self.policy.signed_by(signed)
        table = self.policy.table
        if not self.policy.satisfies(table.rule(name, mode), by):
            raise _Not("signatures")
        if tail != table.class_of(name, mode):
            raise _Not("wrong class")
        try:
            arguments = msgspec.convert(command.args, ARGUMENTS[name])
        except msgspec.ValidationError:
            raise _Not("bad arguments") from None
        return Order(command, name, arguments, by)

    def _in_time(self, order: Order, payload: bytes) -> Order | Again:
        """For this van, this boot and now; once."""
        command = order.command
        if command.van != self._van:
            raise _Not("wrong van")
        if command.boot != self._boot:
            raise _Not("wrong boot")
        uptime_s = self._uptime_s()
        if uptime_s > command.exp_up:
            raise _Not("expired")
        if command.exp_up > uptime_s + MAX_LIFETIME_S:
            raise _Not("lasts too long")
        if command.id in self._answers:
            before, answer = self._answers[command.id]
            if before != payload:
                raise _Not("id used twice")
            return Again(command.id, answer)
        if command.ctr <= self._highest(order.by):
            raise _Not("counter")
        if not all(self._is_within(keyid, 60.0, MOST_A_MINUTE) for keyid in order.by):
            raise _Not("too many")
        self._counters.update(dict.fromkeys(order.by, command.ctr))
        self._answers[command.id] = payload, None
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return order

    def _highest(self, keyids: Collection[str]) -> int:
        return max(self._counters.get(keyid, -1) for keyid in keyids)

    def _count(self, why: Refusal) -> None:
        self.refused[why] += 1
        now_s = self._uptime_s()
        if now_s - self._logged_at_s.get(why, float("-inf")) >= _LOG_EVERY_S:  # a flood must not fill the log
            self._logged_at_s[why] = now_s
            self._log.alarm("not believed", reason=why, count=self.refused[why])


def _is_new(known: OrderedDict[_K, None], key: _K, most: int) -> bool:
    """Whether ``key`` was not there; it is now, and the oldest of too many is not."""
    if key in known:
        return False
    known[key] = None
    if len(known) > most:
        known.popitem(last=False)
    return True


def _decoded(payload: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _Not("malformed") from None

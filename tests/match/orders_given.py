"""Commands as a console would send them, and what a hostile broker makes of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import msgspec

from firmware import envelope
from firmware.messages import Command, Receipt
from firmware.policy.table import load_table
from firmware.wire import Heard
from tests.keyring import Keyring

VAN, BOOT = "van-07", "0123456789abcdef" * 2
TABLE = load_table()


@dataclass
class Console:
    """Writes and signs commands for one van in one boot."""

    keyring: Keyring
    van: str = VAN
    boot: str = BOOT
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def command(self, cmd: str, **changed: object) -> Command:
        number = next(self.counter)
        plain = Command(
            v=1,
            id=f"command-{number:06d}",
            van=self.van,
            boot=self.boot,
            ctr=number,
            exp_up=60.0,
            cmd=cmd,
            args={},
            reason="routine",
        )
        return msgspec.structs.replace(plain, **changed)

    def signed(self, command: Command, *holders: str) -> bytes:
        data = envelope.sign(msgspec.json.encode(command), envelope.COMMAND, self.keyring.people[holders[0]])
        for holder in holders[1:]:
            data = envelope.countersign(data, self.keyring.people[holder])
        return data

    def says(self, cmd: str, *holders: str, mode: str = "seeing", **changed: object) -> Heard:
        """A message on the topic where this command belongs."""
        payload = self.signed(self.command(cmd, **changed), *holders)
        name = cmd if cmd in TABLE.commands else "status"
        return heard(payload, TABLE.class_of(name, mode))

    def receipt(self, *ids: str, by: str = "control-room-1", van: str = VAN) -> Heard:
        receipt = msgspec.json.encode(Receipt(v=1, van=van, ids=ids))
        return heard(envelope.sign(receipt, envelope.RECEIPT, self.keyring.people[by]), ids[0], "ack")


def heard(payload: bytes, tail: str = "narrow", channel: str = "cmd", *, retained: bool = False) -> Heard:
    return msgspec.convert(
        {"type": "heard", "channel": channel, "tail": tail, "payload": payload, "retained": retained}, Heard
    )

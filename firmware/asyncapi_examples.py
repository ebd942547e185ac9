"""Real messages for the wire's document. Knows example values and a signing key that everybody knows; no van's key.

Only what is readable anyway: encryption differs each time, and a document that is made twice must be the same twice.
"""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.arguments import ARGUMENTS
from firmware.envelope import PayloadType
from firmware.messages import Answer, Command, Counters, Hint, Receipt, State, Versions
from firmware.policy.table import CommandName

_VAN = "van-07"
_BOOT = "5f0c" * 8
_UPTIME_S = 4210.5
_EXPIRES_S = 4270.0
_EVENT, _COMMAND = "0192f0c1-77aa-7c3e-9d21", "01JDFW6R3M8Q"
_LIST = "3f" * 32
_ARGUMENTS: dict[CommandName, dict[str, float | str]] = {
    "raise-threshold": {"threshold": 0.5},
    "watchlist.release": {"list": _LIST, "capsule": "YWdl" * 80, "ttl_s": 28_800.0},
    "watchlist.revoke": {"list": _LIST, "entry": "9b" * 32},
}

STATE = State(
    v=1,
    van=_VAN,
    boot=_BOOT,
    n=842,
    uptime_s=_UPTIME_S,
    said_utc="2026-05-04T09:12:30Z",
    clock_trusted=True,
    mode="seeing",
    walled=True,
    alarms=0,
    entries=412,
    threshold=0.46,
    threshold_by="calibration",
    last_sequence=3,
    versions=Versions(kerbside="0.1.0", model="9c" * 32, watchlist="b7" * 32, policy="e1" * 32, calibration="4d" * 32),
    counters=Counters(frames=63157, faces=18204, tracks=1530, embeddings=4120, alerts=2, refused={"replay": 1}),
)
HINT = Hint(boot=_BOOT)
ANSWER = Answer(v=1, id=_COMMAND, van=_VAN, boot=_BOOT, uptime_s=_UPTIME_S, outcome="done", mode="paused")
RECEIPT = Receipt(v=1, van=_VAN, ids=(_EVENT,))


def command(name: CommandName) -> Command:
    """An order of this name that the van could be given."""
    return Command(
        v=1,
        id=_COMMAND,
        van=_VAN,
        boot=_BOOT,
        ctr=17,
        exp_up=_EXPIRES_S,
        cmd=name,
        args=_ARGUMENTS.get(name, {}),
        reason="routine",
        authority="authority-118",
    )


COMMANDS = {name: command(name) for name in ARGUMENTS}


def signed(message: msgspec.Struct, payload_type: PayloadType, signatures: int = 1) -> bytes:
    """The envelope of a message with that many signatures, the same at each call."""
    first, *others = [CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))) for n in range(signatures)]
    data = envelope.sign(msgspec.json.encode(message), payload_type, first)
    for signer in others:
        data = envelope.countersign(data, signer)
    return data

"""Commands as an operator gives them: made, signed by one or more keys, read back and explained in words.

Knows the command's form, the command table and signing; refuses to know MQTT and clocks: time and chance come in. The
van decides whether a command is good; what is refused here is only what no van could take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

import msgspec
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.arguments import ARGUMENTS, RaiseThreshold
from firmware.envelope import EnvelopeError, Signed
from firmware.messages import MAX_COMMAND_BYTES, MAX_LIFETIME_S, Command, Reason, State
from firmware.policy.table import CommandName, CommandTable, Rule

LIFETIME_S = 60


class CommandError(Exception):
    """No van could take this command; the text says what to ask for instead."""


@dataclass(frozen=True)
class Wish:
    """What an operator asks for.

    Attributes:
        cmd: the command's name.
        args: by name, as the command's type in :mod:`firmware.messages` has them.
        reason: a word of the closed list.
        authority: the deployment's authority, opaquely; may be empty.
        lifetime_s: how long the van may still obey, from now.
    """

    cmd: str
    reason: str
    args: Mapping[str, float | str] = field(default_factory=dict)
    authority: str = ""
    lifetime_s: float = LIFETIME_S


@dataclass(frozen=True)
class Stamp:
    """What makes a command one of its kind: a new ``id``, and ``ctr``, higher than any before of the same keys."""

    id: str
    ctr: int


def compose(wish: Wish, state: State, uptime_s: float, stamp: Stamp) -> Command:
    """The command for the van whose newest state this is.

    Args:
        wish: what is asked for.
        state: the van's newest verified state: names its boot.
        uptime_s: the van's uptime now.
        stamp: id and counter.

    Raises:
        CommandError: no such command, argument or reason, or a lifetime above ``MAX_LIFETIME_S``.
    """
    if not 0 < wish.lifetime_s <= MAX_LIFETIME_S:
        raise CommandError(f"a command may live for up to {MAX_LIFETIME_S} s, not {wish.lifetime_s:g} s")
    if wish.reason not in get_args(Reason):
        raise CommandError(f"'{wish.reason}' is no reason; there are {', '.join(get_args(Reason))}")
    arguments = _arguments(wish)
    if isinstance(arguments, RaiseThreshold) and arguments.threshold <= state.threshold:
        raise CommandError(
            f"van '{state.van}' has threshold {state.threshold:.3f}: {arguments.threshold:.3f} would not raise it"
        )
    fields = {
        "v": 1,
        "id": stamp.id,
        "van": state.van,
        "boot": state.boot,
        "ctr": stamp.ctr,
        "exp_up": uptime_s + wish.lifetime_s,
        "cmd": wish.cmd,
        "args": dict(wish.args),
        "reason": wish.reason,
        "authority": wish.authority,
    }
    try:
        return msgspec.convert(fields, Command)
    except msgspec.ValidationError as error:
        raise CommandError(str(error)) from error


def _arguments(wish: Wish) -> object:
    kind = ARGUMENTS.get(cast("CommandName", wish.cmd))
    if kind is None:
        raise CommandError(f"there is no command '{wish.cmd}'; there are {', '.join(ARGUMENTS)}")
    try:
        return msgspec.convert(dict(wish.args), kind)
    except msgspec.ValidationError as error:
        raise CommandError(f"{wish.cmd}: {error}") from error


def sign(command: Command, signers: Sequence[CryptoSigner]) -> bytes:
    """The envelope with the signature of each signer, ready to be sent or to be signed by somebody else.

    Raises:
        CommandError: one key twice, or none.
    """
    ids = [signer.public_key.keyid for signer in signers]
    if not ids or len(set(ids)) < len(ids):
        raise CommandError("name each key once, and at least one: a key's second signature counts for nothing")
    first, *others = signers
    signed = envelope.sign(msgspec.json.encode(command), envelope.COMMAND, first)
    for signer in others:
        signed = envelope.countersign(signed, signer)
    return signed


def countersign(data: bytes, signer: CryptoSigner) -> bytes:
    """The envelope with one more signature. Show :func:`summary` first: who signs has to know what.

    Raises:
        CommandError: it holds no command, or a signature of this key already.
    """
    signed, _ = read(data)
    if signer.public_key.keyid in {found.keyid for found in signed.signatures}:
        raise CommandError("this key has signed it already; the second signature has to be another holder's")
    try:
        return envelope.countersign(data, signer)
    except EnvelopeError as error:
        raise CommandError(str(error)) from error


def read(data: bytes) -> tuple[Signed, Command]:
    """The command in an envelope. Its signatures are not checked: the van does that, by the keys that it was given.

    Raises:
        CommandError: it holds none, or is larger than a van reads.
    """
    if len(data) > MAX_COMMAND_BYTES:
        raise CommandError(f"{len(data)} bytes; a van reads commands of up to {MAX_COMMAND_BYTES}")
    try:
        signed = envelope.read(data)
        command = msgspec.json.decode(signed.payload, type=Command)
    except (EnvelopeError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"not a signed command: {error}") from error
    if signed.payload_type != envelope.COMMAND:
        raise CommandError(f"signed as '{signed.payload_type}', which is no command")
    if command.cmd not in ARGUMENTS:
        raise CommandError(f"there is no command '{command.cmd}'")
    return signed, command


def topic_class(command: Command, table: CommandTable, state: State | None) -> str:
    """The last level of the command's topic: its class, in the mode that the van was in last."""
    return table.class_of(cast("CommandName", command.cmd), _mode(state))


def rule(command: Command, table: CommandTable, state: State | None) -> Rule:
    """Whose signatures the van will want, as far as the shipped table and its last state tell."""
    return table.rule(cast("CommandName", command.cmd), _mode(state))


def wanted(command: Command, table: CommandTable, state: State | None) -> tuple[str, str]:
    """Whose signatures the van will want, in words."""
    asked = rule(command, table, state)
    each = f", each of {' and '.join(asked.each)} among them" if asked.each else ""
    holders = "holder" if asked.signatures == 1 else "different holders"
    return ("wants", f"{asked.signatures} {holders} of {' or '.join(asked.roles)}{each}")


def read_file(path: Path) -> bytes:
    """A signed command as :func:`write_file` wrote it.

    Raises:
        CommandError: it cannot be read, or is larger than a command.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_COMMAND_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    read(data)
    return data


def write_file(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a signed command; a file that is there already is only ever replaced whole, and only when told to.

    Raises:
        CommandError: it cannot be written, or exists.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        if replace:
            beside.write_bytes(data)
            beside.replace(path)
        else:
            with path.open("xb") as file:
                file.write(data)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _shown(value: float | str) -> str:
    """A capsule is long, and nobody can read it."""
    return value[:16] if isinstance(value, str) else f"{value:g}"


def _mode(state: State | None) -> str:
    return "seeing" if state is None else state.mode


def expires_in_s(command: Command, state: State | None, uptime_s: float) -> float | None:
    """How long the van may still obey; ``None`` when no state tells, and below zero also when it has booted since."""
    if state is None:
        return None
    return command.exp_up - uptime_s if state.boot == command.boot else -1.0


def summary(signed: Signed, command: Command, expires_s: float | None) -> list[tuple[str, str]]:
    """What somebody is about to sign or send, in words: a title and a text for each row."""
    args = ", ".join(f"{name} {_shown(value)}" for name, value in command.args.items())
    left = "not known: no state of this van was heard" if expires_s is None else f"in {expires_s:.0f} s"
    return [
        ("command", command.cmd),
        ("van", command.van),
        ("arguments", args or "none"),
        ("reason", command.reason),
        ("authority", command.authority or "none named"),
        ("expires", left if expires_s is None or expires_s > 0 else "EXPIRED: the van will refuse it"),
        ("claims to be signed by", ", ".join(found.keyid[:16] for found in signed.signatures)),
        ("id", command.id),
    ]

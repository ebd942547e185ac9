"""Believe what a van says, or say why not: the counterpart of the van's seal.

Knows signatures, encryption and formats; refuses to know MQTT, clocks and what is done with a message. The order is
fixed: a signature of the van that the topic names, then decryption, then decoding, then whether it speaks of that van.
Nothing is parsed before its signature holds, and nothing but :class:`bytes` comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from pyrage import DecryptError, decrypt
from pyrage.x25519 import Identity
from securesystemslib.signer import SSlibKey

from firmware import envelope
from firmware.envelope import EnvelopeError, PayloadType
from firmware.messages import Answer, AuditRecord, CloudEvent, Details, Health, MatchEvent, State, source

_T = TypeVar("_T")


class UnsealError(Exception):
    """A message that is not to be acted on; ``reason`` is a word for counting."""

    reason = "refused"


class NotSigned(UnsealError):
    """No signature of the van that it claims to be from. Believe nothing; somebody on the way may be lying."""

    reason = "not_signed_by_van"


class NotForUs(UnsealError):
    """The van said it, and none of our identities opens it. Ask whether the console is among the van's recipients."""

    reason = "not_for_us"


class Malformed(UnsealError):
    """The van's key signed it, but it is not what it claims to be. Look at the van, and do not act on it."""

    reason = "malformed"


@dataclass(frozen=True)
class Unsealer:
    """What one console believes and opens.

    Attributes:
        vans: each van's verifying key.
        reading_keys: age identities; may be empty.
    """

    vans: Mapping[str, SSlibKey]
    reading_keys: tuple[Identity, ...] = ()

    def match(self, van: str, data: bytes) -> MatchEvent:
        """The possible match in an envelope of ``evt/match``.

        Raises:
            UnsealError: see its subclasses; they say what to do.
        """
        cloud = _decoded(self._opened(van, data, envelope.MATCH), CloudEvent[MatchEvent])
        event = cloud.data
        return _of(van, cloud, "kerbside.match.v1", (event.van, event.id, event.sequence)).data

    def audit(self, van: str, data: bytes) -> AuditRecord:
        """The record in an envelope of ``evt/audit``.

        Raises:
            UnsealError: see its subclasses.
        """
        cloud = _decoded(self._opened(van, data, envelope.AUDIT), CloudEvent[AuditRecord])
        record = cloud.data
        return _of(van, cloud, "kerbside.audit.v1", (record.van, record.id, record.sequence)).data

    def health(self, van: str, data: bytes) -> Health:
        """The report in an envelope of ``evt/health``.

        Raises:
            UnsealError: see its subclasses.
        """
        cloud = _decoded(self._opened(van, data, envelope.HEALTH), CloudEvent[Health])
        state = cloud.data.state
        return _of(van, cloud, "kerbside.health.v1", (state.van, f"{state.boot}-{state.n}", state.n)).data

    def state(self, van: str, data: bytes) -> State:
        """The manifest in an envelope of ``state``: signed, readable for everybody.

        Raises:
            NotSigned: not by this van.
            Malformed: signed, but not a state of this van.
        """
        state = _decoded(self._signed(van, data, envelope.STATE), State)
        if state.van != van:
            raise Malformed(f"a state of van '{state.van}' signed by '{van}'")
        return state

    def answer(self, van: str, command_id: str, data: bytes) -> Answer:
        """The answer to one command in an envelope of ``rsp/{command_id}``.

        Raises:
            NotSigned: not by this van.
            Malformed: signed, but not an answer of this van to this command.
        """
        answer = _decoded(self._signed(van, data, envelope.ANSWER), Answer)
        if (answer.van, answer.id) != (van, command_id):
            raise Malformed(f"an answer of '{answer.van}' to {answer.id}, expected of '{van}' to {command_id}")
        return answer

    def details(self, sealed: bytes) -> Details:
        """What an :class:`Answer` holds for the recipients only; its signature was checked with the answer's.

        Raises:
            NotForUs: no identity opens it.
            Malformed: it is not what it should be.
        """
        return _decoded(self._decrypted(sealed), Details)

    def _opened(self, van: str, data: bytes, payload_type: PayloadType) -> bytes:
        return self._decrypted(self._signed(van, data, payload_type))

    def _signed(self, van: str, data: bytes, payload_type: PayloadType) -> bytes:
        key = self.vans.get(van)
        if key is None:
            raise NotSigned(f"no public key of van '{van}' is known here")
        try:
            signed = envelope.read(data)
        except EnvelopeError as error:
            raise NotSigned(str(error)) from error
        if not envelope.signers(signed, [key]):
            raise NotSigned(f"no valid signature of van '{van}'")
        if signed.payload_type != payload_type:
            raise Malformed(f"van '{van}' signed it as '{signed.payload_type}', expected '{payload_type}'")
        return signed.payload

    def _decrypted(self, hidden: bytes) -> bytes:
        if not self.reading_keys:
            raise NotForUs("this console has no age identity")
        try:
            return bytes(decrypt(hidden, list(self.reading_keys)))
        except DecryptError as error:
            raise NotForUs(f"none of {len(self.reading_keys)} identities opens it: {error}") from error


def _decoded(data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _of(van: str, cloud: CloudEvent[_T], kind: str, inside: tuple[str, str, int]) -> CloudEvent[_T]:
    """The event, when its outer words agree with ``inside``: van, id and sequence of what it carries."""
    if (cloud.type, cloud.source) != (kind, source(van)):
        raise Malformed(f"a '{cloud.type}' of '{cloud.source}', expected a '{kind}' of '{source(van)}'")
    if inside[0] != van:
        raise Malformed(f"it speaks of van '{inside[0]}' and was signed by '{van}'")
    if (cloud.id, cloud.sequence.lstrip("0") or "0") != (inside[1], str(inside[2])):
        raise Malformed("id or sequence differ within one event")
    return cloud

"""Make what a van says fit for a hostile road: CloudEvents JSON, encrypted to the control room, signed by the van.

Knows order and formats; refuses to know files, sockets and when something is said. Encrypt first, then sign: a broker
can check that a van said it and learn nothing, and the van's id stands inside too, so that nobody can sign it anew as
their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec
import pyrage
from pyrage.x25519 import Recipient
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.envelope import PayloadType
from firmware.messages import (
    Answer,
    AuditRecord,
    CloudEvent,
    CloudType,
    Details,
    Health,
    MatchEvent,
    State,
    source,
)

_SEQUENCE_DIGITS = 16
"""Zero-padded, so that it sorts as text (cloudevents/spec: cloudevents/extensions/sequence.md)."""


_TYPES: dict[type, CloudType] = {
    MatchEvent: "kerbside.match.v1",
    AuditRecord: "kerbside.audit.v1",
    Health: "kerbside.health.v1",
}
_T = TypeVar("_T", MatchEvent, AuditRecord, Health)


@dataclass(frozen=True)
class Sealer:
    """One van's seal.

    Attributes:
        signer: the van's Ed25519 key.
        recipients: age recipients that may read what tells of a face or names a camera.
    """

    signer: CryptoSigner
    recipients: tuple[Recipient, ...]

    def match(self, event: MatchEvent) -> bytes:
        """The envelope of a possible match."""
        return self._sealed(envelope.MATCH, _cloud(event, event.id, event.van, event.decided_utc, event.sequence))

    def audit(self, record: AuditRecord) -> bytes:
        """The envelope of an audit record."""
        return self._sealed(envelope.AUDIT, _cloud(record, record.id, record.van, record.at_utc, record.sequence))

    def health(self, health: Health) -> bytes:
        """The envelope of a health report."""
        state = health.state
        id_ = f"{state.boot}-{state.n}"
        return self._sealed(envelope.HEALTH, _cloud(health, id_, state.van, state.said_utc, state.n))

    def details(self, details: Details) -> bytes:
        """Encrypted only: it goes into a signed answer."""
        return bytes(pyrage.encrypt(msgspec.json.encode(details), list(self.recipients)))

    def state(self, state: State) -> bytes:
        """The signed manifest, readable for everybody."""
        return envelope.sign(msgspec.json.encode(state), envelope.STATE, self.signer)

    def answer(self, answer: Answer) -> bytes:
        """The signed answer to a command."""
        return envelope.sign(msgspec.json.encode(answer), envelope.ANSWER, self.signer)

    def _sealed(self, payload_type: PayloadType, cloud: msgspec.Struct) -> bytes:
        hidden = bytes(pyrage.encrypt(msgspec.json.encode(cloud), list(self.recipients)))
        return envelope.sign(hidden, payload_type, self.signer)


def _cloud(data: _T, id_: str, van: str, time: str, number: int) -> CloudEvent[_T]:
    return CloudEvent(
        id=id_,
        source=source(van),
        type=_TYPES[type(data)],
        time=time,
        sequence=f"{number:0{_SEQUENCE_DIGITS}d}",
        data=data,
    )

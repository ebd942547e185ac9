"""What the wire's document says in words: who signs, who may read, what a reader has to check.

Knows sentences about each message; refuses to know fields, topics and how the document is put together.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware import envelope
from firmware.envelope import PayloadType
from firmware.messages import ACT_WITHIN_S, MAX_COMMAND_BYTES, MAX_LIFETIME_S, MAX_RECEIPT_BYTES
from firmware.topics import COMMAND_EXPIRY_S
from firmware.wire import MAX_PAYLOAD_BYTES, InChannel, OutChannel

INTRODUCTION = f"""\
What a Kerbside van, its control room and its operators say to each other over MQTT 5. Nobody on the way is trusted:
not the broker, not the network, not the process that holds the connection.

**Signed.** Every message but the last will is a DSSE envelope: base64 `payload`, `payloadType`, and up to
{envelope.MAX_SIGNATURES} Ed25519 `signatures` over the pre-authentication encoding of both. The type is part of what
is signed, so a receipt cannot be passed off as a command. A reader checks, in this order: the size, that the envelope
has no other fields, that `payloadType` is the one of this channel, that enough signatures are of keys it knows by
itself, and only then parses `payload`. Two signatures of one key, or of two keys of one holder, count once. `keyid`
is the SHA-256 of the key's canonical description, as securesystemslib and TUF derive it; it selects a key that the
reader already has, and proves nothing.

**Encrypted.** What tells of a face, an entry, a category or a camera is encrypted with age (X25519) to the control
room's recipients before it is signed. Inside stands a CloudEvents 1.0 JSON. A reader checks that the van inside, the
van of the topic and the holder of the signing key are the same. What is not encrypted holds numbers, digests, ids and
words of closed lists: no name, no entry, no category, no place, no picture. The broker still learns which van speaks
when, and how much.

**Delivered.** A PUBACK means that the broker was reached, and nothing more: a van deletes an event only when a
receipt, signed by a key of the role control-room, names its id. Until then it sends the event again, so ids repeat
and a reader acts on each id once. Per van, `boot` and `sequence` leave no gaps: a missing number is a message that
somebody holds back.

**Expires.** Nobody may act on a possible match after its `expires_at`, {ACT_WITHIN_S} s after the decision. A command
counts uptime of one boot of one van (`exp_up`, at most {MAX_LIFETIME_S} s ahead), so a van needs no clock to refuse
an old one; brokers are asked to drop it after {COMMAND_EXPIRY_S} s. A command or a receipt that arrives as a retained
message is refused. An event that nobody receipted is deleted 24 h after the deployment's end, and that is recorded.
Of two states of one boot the one with the higher `n` is newer, and a boot that a later one followed does not come
back.

**Correlation** is by ids inside what is signed. Response topics, correlation data and user properties of MQTT 5 are
not used, and ignored where they come.

Sizes: {MAX_PAYLOAD_BYTES} bytes a message, {MAX_COMMAND_BYTES} a command, {MAX_RECEIPT_BYTES} a receipt. This file is
made from the types of the code by `python -m firmware.asyncapi`; the examples are signed with a key that everybody
knows.
"""


@dataclass(frozen=True)
class Words:
    """What is said of one kind of message.

    Attributes:
        title: its name.
        payload_type: what an envelope of this kind says it is; ``None`` for the one message that is in no envelope.
        signed_by: whose key.
        summary: what it is and what a reader has to check.
    """

    title: str
    payload_type: PayloadType | None
    signed_by: str
    summary: str

    @property
    def encrypted(self) -> bool:
        """Whether only the recipients can read it."""
        return self.payload_type is not None and self.payload_type.endswith("+age")


MESSAGES: dict[str, Words] = {
    "state": Words(
        "The van's manifest", envelope.STATE, "van",
        "What runs, in which mode, and what was counted. Retained: check `boot`, `n` and `uptime_s` against the last "
        "one seen, or a broker can show yesterday's.",
    ),
    "hint": Words(
        "The last will", None, "nobody",
        "The broker says for the van that its connection broke. Unsigned, so a hint and never evidence: it may make a "
        "screen grey, and nothing else may follow from it.",
    ),
    "match": Words(
        "A possible match", envelope.MATCH, "van",
        "It proposes; an officer decides, within the time that it states. Check the signature, the van, the id against "
        "those seen, and `expires_at`; store it, then receipt it.",
    ),
    "audit": Words(
        "An audit record", envelope.AUDIT, "van",
        "One command that bore good signatures, and what became of it. Receipted like a possible match.",
    ),
    "health": Words(
        "State and words", envelope.HEALTH, "van",
        "The state with the texts that may name a camera or a file. For whoever listens now: it may be lost, and "
        "nobody receipts it.",
    ),
    "answer": Words(
        "The answer to a command", envelope.ANSWER, "van",
        "What became of the command whose id it bears; a repeated command gets the same answer again. `sealed` is a "
        "`Details` encrypted with age, or empty.",
    ),
    "receipt": Words(
        "A receipt", envelope.RECEIPT, "control-room",
        "The control room has stored these messages: the only thing that lets a van delete them. The last level of the "
        "topic is one of the ids; what counts is inside.",
    ),
}  # fmt: skip
ORDER = (
    "The van checks, in this order: size and retained, type, known command, signatures, van, boot, expiry by uptime, "
    "whether the id was answered before, and that `ctr` is higher than the last of each signing key."
)

CHANNELS: dict[OutChannel | InChannel, str] = {
    "state": "The van's manifest, retained, and its last will.",
    "match": "Possible matches, encrypted to the control room. In order, sent again until receipted.",
    "audit": "Audit records, encrypted to the control room. In order, sent again until receipted.",
    "health": "State with words, encrypted. May be lost.",
    "rsp": "Answers of the van to commands.",
    "cmd": "Commands to the van. Never retained; the class is for the broker's access list, the van has its own table.",
    "ack": "Receipts of the control room. Never retained.",
}
PARAMETERS = {
    "van": "The van's id, which is also the CN of its client certificate: no van can read or write another's topics.",
    "id": "The id of the command that is answered, or of a message that is receipted.",
    "class": "The class of the command, for access lists at the broker.",
}

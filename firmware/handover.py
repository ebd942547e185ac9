"""What the update agent and the match process say to each other, through a Unix socket on which the agent listens.

Knows the message types; refuses to know how an update is fetched and what becomes of it. The agent has the network, so
match takes its word for nothing that could widen what this van does: signatures are verified again, from the root that
the van was provisioned with. A path names a file or folder in the agent's store, which match reads and does not write.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from firmware.messages import Fault, Fitted
from ota.content import Kind, Moment, Sha256

MAX_WHY = 200


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ask"):
    """Look for updates now; somebody who may ordered it."""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="verdict", kw_only=True):
    """What match says to an :class:`Offer`.

    ``taken``: it is in force, or, of a list, it may be released. ``later``: nothing is known to be
    wrong with it, but it cannot be told or used now; it is offered again. ``refused``: the agent goes back to what was
    before.
    """

    kind: Kind
    sha256: Sha256
    answer: Literal["taken", "later", "refused"]
    why: Annotated[str, msgspec.Meta(max_length=MAX_WHY)] = ""


class Beat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="beat"):
    """The loop that looks and obeys goes round; said every few seconds by that loop itself, and by nothing else."""


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="offer", kw_only=True):
    """Verified content that this van is to have now; said again after each connection. Each gets a :class:`Verdict`.

    ``path``: the file whose digest was signed: of a model or a policy the archive, which match unpacks. ``metadata``:
    the folder of the TUF metadata that names it, from which match verifies for itself who signed it.
    """

    kind: Kind
    sha256: Sha256
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    metadata: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    counter: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    not_before: Moment
    not_after: Moment


class Withdrawn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="withdrawn", kw_only=True):
    """This list is no longer among those that were signed, or was superseded: wipe it."""

    sha256: Sha256


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="report", kw_only=True):
    """How it stands with updates; sent at each change and at least every five seconds.

    ``floor``: it is certainly not earlier than this, because signed metadata says so. ``checked``: when metadata was
    verified last that was fresh; 0 for never. ``words`` explains ``fault`` to whoever may read details.
    """

    floor: Moment
    checked: Moment
    fault: Fault
    words: Annotated[str, msgspec.Meta(max_length=MAX_WHY)] = ""
    fitted: tuple[Fitted, ...] = ()


FromMatch = Ask | Beat | Verdict
FromAgent = Offer | Withdrawn | Report

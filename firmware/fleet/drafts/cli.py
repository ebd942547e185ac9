"""``kerbside-fleet propose``, ``renew``, ``drafts``, ``sign``, ``publish``: from a file to what vans can fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from securesystemslib.signer import Key, Signer

from firmware.fleet import show
from firmware.fleet.drafts.content import as_file, described, moment_of, proposable, with_terms
from firmware.fleet.options import FleetOption, JsonOption, as_text, explained, fleet_of, now, say
from ota.repository import draft, revoked, signing
from ota.repository.changes import Change, changes
from ota.repository.edition import edition, send
from ota.repository.folder import Folder, Published
from ota.repository.keys import KeyFileError, open_signer
from ota.repository.people import Seats, seats_of
from ota.repository.publishing import Press, Seen, look
from ota.repository.roles import DELEGATED
from ota.repository.signing import Tally
from ota.repository.stores import Store, open_store
from ota.repository.vans import named, read_all

app = typer.Typer()
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())


@app.command()
def propose(
    kind: Annotated[
        str, typer.Argument(help="model, calibration, policy, software or os; lists come from `watchlist build`.")
    ],
    name: Annotated[str, typer.Argument(help="Opaque: the network can read it.")],
    content: Annotated[
        Path, typer.Argument(help="A file, as vans will get it; of a model, a policy or software also its folder.")
    ],
    van: Annotated[list[str], typer.Option(help="A registered van; `all` for every one. Others refuse it.")],
    not_before: Annotated[str, typer.Option(help="May be used from then, UTC: 2030-01-31T12:00.")] = "",
    not_after: Annotated[str, typer.Option(help="May no longer be used then.")] = "",
    version: Annotated[str, typer.Option(help="Of software or an OS image, for people.")] = "",
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draft one more of them; nothing happens until it is signed and published."""
    with explained():
        path = fleet_of(fleet)
        known = proposable(kind)
        vans = tuple(one.key_id for one in named(path, van))
        window = (moment_of(not_before, 0), moment_of(not_after, 2**40))
        custom = described(known, vans, draft.next_counter(path, known), window, version)
        with as_file(known, content.expanduser()) as file:
            made = draft.propose(path, known, name, file, custom, now=now())
    print(as_text({"draft": str(made), "counter": custom.counter}) if as_json else made)


@app.command()
def renew(
    role: Annotated[list[str], typer.Argument(help="Roles to sign anew before they expire.")],
    without: Annotated[list[str] | None, typer.Option(help="A target's path to leave out from now on.")] = None,
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draft roles as they are, with a new expiry; with --without, less some targets."""
    with explained():
        made = draft.renew(fleet_of(fleet), role, now=now(), without=without or ())
    print(as_text({"draft": str(made)}) if as_json else made)


@dataclass(frozen=True)
class _Look:
    draft: draft.Draft
    published: Published | None
    seats: Mapping[str, Sequence[Seats]]
    changes: list[Change]
    tallies: list[Tally]

    @property
    def stale(self) -> bool:
        """Whether another version of one of its roles was published meanwhile."""
        return draft.stale_role(self.draft, self.published) is not None


def _look_at(fleet: Path, path: Path) -> _Look:
    published = Folder(fleet).published()
    one = draft.load(path)
    seats = signing.seats_for(one.metadata, published)
    tallies = signing.tally(seats, signing.collect(one, seats, signing.beside(path)))
    vans = {van.key_id: van.van for van in read_all(fleet)}
    found = changes(one, published, vans, revoked.published_in(fleet))
    return _Look(one, published, seats, [_explained(change, one) for change in found], tallies)


def _explained(change: Change, one: draft.Draft) -> Change:
    """What a new calibration would allow stands in what its signers see."""
    is_target = change.mark in "+~" and change.role in DELEGATED
    target = one.metadata[change.role].signed.targets.get(change.what) if is_target else None
    return change if target is None else with_terms(change, one.content(target))


@app.command()
def drafts(fleet: FleetOption = None, as_json: JsonOption = False) -> None:
    """Every draft: what it would change and whose signatures are missing."""
    with explained():
        path = fleet_of(fleet)
        waiting = sorted(one for one in Folder(path).drafts.glob("*") if one.is_dir() and not one.name.startswith("."))
        looks = [_look_at(path, one) for one in waiting]
    if as_json:
        print(as_text([_facts(one) for one in looks]))
        return
    for one in looks:
        Console().print(show.draft_view(one.draft, one.changes, one.tallies, stale=one.stale), "")
    if not looks:
        say("no draft")


def _facts(one: _Look) -> dict[str, object]:
    return {
        "draft": str(one.draft.path),
        "stale": one.stale,
        "changes": show.change_facts(one.changes),
        "roles": show.tally_facts(one.tallies),
    }


@app.command()
def sign(
    path: Annotated[Path, typer.Argument(metavar="DRAFT", help="The draft's folder.")],
    key: Annotated[
        str, typer.Option(help="A PEM file, or a securesystemslib URI: hsm:, awskms:, gcpkms:, azurekms:, hv:, ...")
    ],
    holder: Annotated[str, typer.Option("--as", help="Whose key a URI means; a file says it itself.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a draft would change, ask, and write one signature file beside it: DRAFT.KEYID.sig.json.

    The file can travel alone. It holds for these very bytes; a changed draft needs new signatures.
    """
    with explained():
        one = _look_at(fleet_of(fleet, [path]), path)
        draft.check(one.draft, one.published, now())
        keys = [key for several in one.seats.values() for seat in several for key in seat.keys.values()]
        signer = open_signer(key, keys, _ask_passphrase, holder, _roles_of(one.published))
        if not as_json or not yes:
            Console(stderr=True).print(show.draft_view(one.draft, one.changes, one.tallies))
        if not yes:
            typer.confirm("Sign this?", abort=True, err=True)
        made = signing.sign(one.draft, one.published, signer, now=now())
        file = signing.read_file(made)
    roles = [over.role for over in file.signatures]
    say(f"{file.holder} signed {', '.join(roles)}")
    print(as_text({"signature": str(made), "holder": file.holder, "signed": roles, **_facts(one)}) if as_json else made)


@app.command()
def publish(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[DRAFT]...", help="Signed drafts.")] = None,
    signature: Annotated[
        list[Path] | None, typer.Option(help="A signature file that does not lie beside its draft.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(help="A folder, usb:/mount/point, or s3://bucket/prefix. More than one is fine.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="URL of an S3 store that is not Amazon's.")] = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Sign the timestamp anew: by cron, every few hours.")
    ] = False,
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in signed drafts, and bring places to what is published.

    Without a draft it only sends. What was broken off is finished by doing it again; vans see the old or the new state.
    """
    with explained(), ExitStack() as stack:
        folder = Folder(fleet_of(fleet, paths))
        stack.enter_context(folder.locked())
        stores = {where: stack.enter_context(open_store(where, endpoint)) for where in to or ()}
        seen = _seen(stores.values(), folder.published())
        press = Press(folder, _open_unattended)
        if paths or not refresh:
            published = press.publish(paths or (), [*(signature or ())], seen, now())
        if refresh:
            published = press.refresh(seen, now())
        sent = {where: _send(published, folder, store, where, quiet=as_json) for where, store in stores.items()}
    versions = {role: one.signed.version for role, one in published.targets.items()}
    versions |= {"root": published.root.version, "timestamp": published.timestamp.signed.version}
    say(f"published: {', '.join(f'{role} {version}' for role, version in versions.items())}")
    if as_json:
        print(as_text({"versions": versions, "sent_bytes": sent}))


def _roles_of(published: Published | None) -> Callable[[str], str]:
    """Words for the roles that a key signs in what is published."""

    def words(keyid: str) -> str:
        if published is None:
            return ""
        seats = seats_of(published.root, published.targets["targets"].signed)
        roles = ", ".join(role for role, seat in seats.items() if keyid in seat.keys)
        return f"; it signs {roles}" if roles else "; it signs nothing of this fleet"

    return words


def _seen(stores: Iterable[Store], published: Published | None) -> Seen:
    found = [look(store, published) for store in stores]
    return Seen(max((one.timestamp for one in found), default=0), max((one.snapshot for one in found), default=0))


def _send(published: Published, folder: Folder, store: Store, where: str, *, quiet: bool) -> int:
    with Progress(*_COLUMNS, console=Console(stderr=True), disable=quiet, transient=True) as bars:
        bar = bars.add_task(where, total=None)
        what = edition(published, folder.path, {})
        return send(what, store, lambda done, total: bars.update(bar, completed=done, total=total))


def _ask_passphrase() -> str:
    return str(typer.prompt("Passphrase", hide_input=True, err=True))


def _open_unattended(uri: str, keys: Iterable[Key]) -> Signer:
    def nobody() -> str:
        raise KeyFileError(f"{uri}: an online key is used without a person, it cannot have a passphrase")

    return open_signer(uri, keys, nobody)

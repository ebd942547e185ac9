"""``kerbside-fleet init``, ``keygen`` and ``rotate``: who may sign what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from firmware.fleet.options import ASKED_WRONGLY, FleetOption, JsonOption, as_text, explained, fail, fleet_of, now, say
from ota.repository import ceremony
from ota.repository.draft import load
from ota.repository.keys import generate, public_key
from ota.repository.people import spare
from ota.repository.roles import OFFLINE, ONLINE, RULES
from ota.repository.signing import seats_for

app = typer.Typer()

_HOLDER = """# key id {key_id}
[[holder]]
name = "{name}"
public = "{public}"
roles = [{roles}]
"""
_ONLINE = """# key id {key_id}
[[online]]
role = "{role}"
public = "{public}"
uri = "file2:{path}"
"""


@app.command()
def keygen(
    name: Annotated[str, typer.Argument(help="The holder's opaque reference: a post, an alias; never a name.")],
    out: Annotated[Path, typer.Option(help="The folder for NAME.pem.")],
    role: Annotated[
        list[str] | None, typer.Option(help=f"What it signs: of {', '.join(RULES)}. More than once for several.")
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for one; each use will ask again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a key file that only its owner can read; print its lines for people.toml. Overwrites nothing.

    A token or a cloud's key is better for people: put its public half, as PEM, and its URI where the file's would be.
    """
    roles = role or []
    online = set(roles) <= set(ONLINE)
    if not roles or not ((online and len(roles) == 1) or set(roles) <= set(OFFLINE)):
        fail(f"--role takes several of {', '.join(OFFLINE)}, or one of {', '.join(ONLINE)}", ASKED_WRONGLY)
    secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True) if passphrase else ""
    path = out.expanduser().resolve() / f"{name}.pem"
    with explained():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        public = generate(path, secret)
        key_id = public_key(public).keyid
    say(f"wrote {path}")
    if as_json:
        print(as_text({"name": name, "public": public, "key_id": key_id, "roles": roles, "key": str(path)}))
    elif online:
        print(_ONLINE.format(key_id=key_id, role=roles[0], public=public, path=path))
    else:
        print(_HOLDER.format(key_id=key_id, name=name, public=public, roles=", ".join(f'"{one}"' for one in roles)))


@app.command()
def init(
    fleet: Annotated[Path, typer.Argument(help="The folder to make.")],
    people_file: Annotated[
        Path, typer.Option("--people", help="Holders, their public keys and roles, and the online keys: TOML.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Make a fleet's folder and its first draft: every role, for all holders to sign.

    Refused: a threshold below the rule, a role that too few can sign, one holder with two keys of a role.
    """
    with explained():
        path = ceremony.found(fleet.expanduser(), people_file.expanduser(), now=now())
        seats = [several[0] for several in seats_for(load(path).metadata, None).values()]
    if as_json:
        roles = {one.role: {"needs": one.threshold, "holders": sorted(one.holders().values())} for one in seats}
        print(as_text({"draft": str(path), "roles": roles}))
        return
    for one in seats:
        loss = "" if spare(one) or one.role in ONLINE else "; none to spare: one lost key stops it"
        say(f"{one.role}: {one.threshold} of {len(one.keys)} sign{loss}")
    print(path)


@app.command()
def rotate(
    role: Annotated[str, typer.Argument(help=f"Of {', '.join(RULES)}.")],
    add: Annotated[
        list[str] | None, typer.Option(help="HOLDER=KEY: 64 hexadecimal digits or a PEM file. KEY alone for a machine.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A holder, or the first 8 digits of a key's id.")] = None,
    threshold: Annotated[int, typer.Option(min=0, help="A new one; 0 keeps it.")] = 0,
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draft a change of who signs a role. Enough holders of the old keys and of the new ones have to sign it."""
    with explained():
        keys = []
        for text in add or ():
            holder, _, half = text.rpartition("=") if "=" in text else ("", "", text)
            file = Path(half).expanduser()
            keys.append(public_key(file.read_text("utf-8") if file.is_file() else half, holder))
        path = ceremony.rotate(fleet_of(fleet), role, add=keys, remove=remove or (), threshold=threshold, now=now())
    if role in ONLINE:
        say("put the new key's URI into fleet.toml before you publish")
    print(as_text({"draft": str(path)}) if as_json else path)

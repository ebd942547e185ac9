"""``kerbside-fleet van``, ``verify``, ``expiring``: the vans of a fleet, and whether all is as it was signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware.fleet import show
from firmware.fleet.options import FAILED, FleetOption, JsonOption, as_text, explained, fleet_of, now, say
from ota.repository.audit import audit, expiries
from ota.repository.folder import METADATA, VANS, Folder
from ota.repository.vans import add, read_all, record

app = typer.Typer()
van_app = typer.Typer(help="The vans of the fleet.", no_args_is_help=True)
app.add_typer(van_app, name="van")


@van_app.command("add")
def van_add(
    van: Annotated[str, typer.Argument(help="The van's id: letters, digits and '-', as in its topics.")],
    public: Annotated[str, typer.Option(help="Its Ed25519 key: what `kerbside-ctl keygen VAN --van` printed.")],
    csr: Annotated[Path | None, typer.Option(help="Its certificate request for the broker, PEM.")] = None,
    hardware: Annotated[str, typer.Option(help="Such as ORIN-NX.")] = "",
    notes: Annotated[str, typer.Option(help="For people; nothing about a deployment.")] = "",
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a van; print what has to go onto it, and what the broker's authority has to do."""
    with explained():
        path = fleet_of(fleet)
        one = record(van, public, hardware, notes)
        add(path, one, csr.expanduser().read_bytes() if csr else None)
        root = path / METADATA / "1.root.json"
    command = (
        f"openssl ca -batch -notext -config ca.cnf -extensions client -in {path / VANS / van}.csr -out {van}.crt"
        if csr
        else ""
    )
    if as_json:
        print(as_text({"van": van, "key_id": one.key_id, "root": str(root), "authority": command}))
        return
    say(f"{van} is registered as {one.key_id}")
    if command:
        say(f"in the authority's folder (ota/broker/README.md):\n  {command}")
    else:
        say("no certificate request: the broker lets nobody in without a certificate")
    if not root.exists():
        say("no root is published yet: sign and publish the first draft before you set up the van")
    print(_ON_THE_VAN.format(van=van, key_id=one.key_id, root=root))


_ON_THE_VAN = """# onto the van: {root} as /usr/share/kerbside/root.json, on its read-only part
# into its van.toml, before the first table:
handover = "/run/kerbside/agent.sock"

# into its [match] table:
root = "/usr/share/kerbside/root.json"

# and at the end; compare key_id with what the van says of itself
[agent]
url = "https://updates.example"  # the folder with metadata/ and targets/
root = "/usr/share/kerbside/root.json"
state = "/var/lib/kerbside-agent"
key_id = "{key_id}"

[agent.tls]
ca = "/etc/kerbside/ca.crt"
cert = "/etc/kerbside/{van}.crt"
key = "/etc/kerbside/{van}.key"
"""


@van_app.command("list")
def van_list(fleet: FleetOption = None, as_json: JsonOption = False) -> None:
    """The registered vans and their key ids."""
    with explained():
        vans = read_all(fleet_of(fleet))
    if as_json:
        print(as_text(vans))
    else:
        Console().print(show.van_table(vans))


@app.command()
def verify(fleet: FleetOption = None, as_json: JsonOption = False) -> None:
    """Look the whole folder over: signatures, thresholds, people, expiries, hashes. Exit 1 at a fault."""
    with explained():
        found = audit(Folder(fleet_of(fleet)), now())
    if as_json:
        print(as_text([{"level": one.level, "what": one.what, "why": one.why} for one in found]))
    elif found:
        Console().print(show.finding_table(found))
    else:
        say("all is as it was signed")
    if any(one.level == "fault" for one in found):
        raise typer.Exit(FAILED)


@app.command()
def expiring(fleet: FleetOption = None, as_json: JsonOption = False) -> None:
    """When each role expires. Exit 1 if one has to be signed anew now: for cron."""
    with explained():
        found = expiries(Folder(fleet_of(fleet)).need_published(), now())
    if as_json:
        facts = ("role", "version", "expires", "left_s", "due")
        print(as_text([{name: getattr(one, name) for name in facts} for one in found]))
    else:
        Console().print(show.expiry_table(found))
    if any(one.due for one in found):
        raise typer.Exit(FAILED)

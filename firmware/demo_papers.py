"""Throw-away keys and both configurations of the demo: the van's and the control room's. Knows files; runs nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware.config import ConfigError, load
from firmware.control.keys import make_keys
from firmware.demo_files import DemoError
from firmware.van import VanFile

VAN = "demo-van"


@dataclass(frozen=True)
class Van:
    """What the van's configuration says.

    Attributes:
        cameras: videos by the camera's name.
        top: lines above all tables.
        match: lines for the table ``[match]``.
        tables: whole tables besides.
    """

    cameras: dict[str, Path]
    top: str = ""
    match: str = ""
    tables: str = ""


@dataclass(frozen=True)
class Papers:
    """The van's configuration, the control room's, and the folder of the keys that they name."""

    van: Path
    ctl: Path
    keys: Path


def folder_of_portraits(portraits: Path, cameras: dict[str, Path]) -> Van:
    """A van on a host that makes its list of a folder of portraits."""
    return Van(cameras, match=f'portraits = "{portraits}"')


def write_papers(folder: Path, wished: Callable[[Path], Van], port: int) -> Papers:
    """Make new keys, so that nothing of an earlier demo is believed, and write both configurations.

    Args:
        folder: for all of it.
        wished: says what the van is to be, once the folder of keys, which it is given, is there.
        port: of the broker.

    Raises:
        DemoError: the folder cannot hold a van.
    """
    keys, state = folder / "keys", folder / "state"
    for old in (keys, state):
        shutil.rmtree(old, ignore_errors=True)
    van, room = make_keys(keys, "van", age=False), make_keys(keys, "control-room", age=True)
    people = {name: make_keys(keys, name, age=False) for name in ("operator", "authoriser", "maintainer")}
    holders = [
        *({"holder": f"{name}-1", "roles": [name], "public": made.public} for name, made in people.items()),
        {"holder": "control-room-1", "roles": ["control-room"], "public": room.public},
    ]
    listed = {"v": 1, "holders": holders, "recipients": [room.recipient]}
    (keys / "keys.json").write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
    papers = Papers(folder / "van.toml", folder / "ctl.toml", keys)
    papers.van.write_text(_van(folder, wished(keys), keys, port), "utf-8")
    papers.ctl.write_text(_ctl(folder, van.public, keys, port), "utf-8")
    try:
        load(papers.van, VanFile)
    except ConfigError as error:
        raise DemoError(str(error)) from error
    return papers


def _van(folder: Path, van: Van, keys: Path, port: int) -> str:
    cameras = "\n".join(
        f'[[match.cameras]]\nname = "{name}"\nsource = "file://{video}"\n' for name, video in van.cameras.items()
    )
    return f"""van = "{VAN}"
socket = "{folder}/wall/link.sock"
{van.top}
[match]
{van.match}
signing_key = "{keys}/van.pem"
policy = "{keys}"
state = "{folder}/state"

{cameras}
{van.tables}
[link]
broker_host = "127.0.0.1"
broker_port = {port}
"""


def _ctl(folder: Path, public: str, keys: Path, port: int) -> str:
    return f"""reading_keys = ["{keys}/control-room.age"]

[vans]
{VAN} = "{public}"

[broker]
port = {port}

[receipt]
key = "{keys}/control-room.pem"
store = "{folder}/state/inbox.db"
"""

"""Throw-away keys and both configurations of the demo: the van's and the control room's. Knows files; runs nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware.config import ConfigError, load
from firmware.control.keys import make_keys
from firmware.demo_files import DemoError, DemoFiles
from firmware.van import VanFile

VAN = "demo-van"


@dataclass(frozen=True)
class Papers:
    """The van's configuration, the control room's, and the folder of the keys that they name."""

    van: Path
    ctl: Path
    keys: Path


def write_papers(folder: Path, files: DemoFiles, port: int) -> Papers:
    """Make new keys, so that nothing of an earlier demo is believed, and write both configurations.

    Raises:
        DemoError: the folder cannot hold a van.
    """
    keys, state = folder / "keys", folder / "state"
    for old in (keys, state):
        shutil.rmtree(old, ignore_errors=True)
    van, room = make_keys(keys, "van", age=False), make_keys(keys, "control-room", age=True)
    operator = make_keys(keys, "operator", age=False)
    holders = [
        {"holder": "operator-1", "roles": ["operator"], "public": operator.public},
        {"holder": "control-room-1", "roles": ["control-room"], "public": room.public},
    ]
    listed = {"v": 1, "holders": holders, "recipients": [room.recipient]}
    (keys / "keys.json").write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
    papers = Papers(folder / "van.toml", folder / "ctl.toml", keys)
    papers.van.write_text(_van(folder, files, keys, state, port), "utf-8")
    papers.ctl.write_text(_ctl(folder, van.public, keys, port), "utf-8")
    try:
        load(papers.van, VanFile)
    except ConfigError as error:
        raise DemoError(str(error)) from error
    return papers


def _van(folder: Path, files: DemoFiles, keys: Path, state: Path, port: int) -> str:
    return f"""van = "{VAN}"
socket = "{folder}/wall/link.sock"

[match]
portraits = "{files.portraits}"
signing_key = "{keys}/van.pem"
policy = "{keys}"
state = "{state}"

[[match.cameras]]
name = "front"
source = "file://{files.listed}"

[[match.cameras]]
name = "rear"
source = "file://{files.passers_by}"

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

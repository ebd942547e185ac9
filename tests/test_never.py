"""What Kerbside is never to have, held as closed lists: whoever adds to one has to come here and say so.

No retrospective search, no ids for strangers, no tracking from van to van, no guess at age, gender, ethnicity or
emotion, no enrolment from a camera, no learning from matches, no frame export, no lowering of the threshold.
"""

from __future__ import annotations

import ast
from types import ModuleType
from typing import get_args, get_type_hints

import msgspec
import tomli
import typer.main

from firmware import arguments, messages, wire
from firmware.arguments import ARGUMENTS
from firmware.cli import app
from firmware.control.cli import app as control
from firmware.fleet.cli import app as fleet
from firmware.match.watchlist import Watchlist
from firmware.policy.table import load_table
from firmware.topics import RULES, topic
from models.manifest import Net
from tests.source import ROOT, SOURCES, imports, named_here, words

FROM_MATCH = {"hello": ("boot",), "publish": ("ref", "channel", "payload", "tail", "expiry_s")}
FROM_LINK = {
    "sent": ("ref", "code"),
    "heard": ("channel", "tail", "payload", "retained"),
    "linked": ("connected", "connections", "overflowed", "reason"),
}
MESSAGES = {
    "MatchEvent": (
        *("id", "van", "boot", "sequence", "camera", "entry", "category", "similarity", "threshold", "margin"),
        *("observations", "first_t_ns", "decided_t_ns", "decided_utc", "expires_at", "clock_trusted"),
        *("watchlist_digest", "model_digest", "calibration_digest", "crop_jpeg", "portrait", "minor"),
    ),
    "Command": ("v", "id", "van", "boot", "ctr", "exp_up", "cmd", "args", "reason", "authority"),
    "NoArguments": (),
    "RaiseThreshold": ("threshold",),
    "ReleaseList": ("list", "capsule", "ttl_s"),
    "RevokeEntry": ("list", "entry"),
    "Fitted": ("kind", "sha256", "counter", "phase"),
    "Updates": ("floor", "checked", "fault", "fitted"),
    "Answer": ("v", "id", "van", "boot", "uptime_s", "outcome", "why", "mode", "sealed"),
    "Receipt": ("v", "van", "ids"),
    "Counters": (
        *("frames", "dropped", "faces", "tracks", "embeddings", "alerts", "templates_wiped", "template_life_p99_s"),
        *("waiting", "in_memory_only", "receipted", "expired_unreceipted", "commands", "refused", "heard_dropped"),
    ),
    "Versions": ("kerbside", "model", "watchlist", "policy", "calibration"),
    "State": (
        *("v", "online", "van", "boot", "n", "uptime_s", "said_utc", "clock_trusted", "mode", "walled", "alarms"),
        *("entries", "threshold", "threshold_by", "last_sequence", "versions", "counters", "release_key", "memory"),
        "updates",
        "self_tested_s",
    ),
    "Hint": ("online", "boot"),
    "Details": ("wall", "alarms", "cameras", "text"),
    "Health": ("state", "details"),
    "AuditRecord": (
        *("id", "van", "boot", "sequence", "command", "command_id", "by", "reason", "authority", "outcome", "why"),
        *("mode", "uptime_s", "at_utc", "clock_trusted"),
    ),
    "CloudEvent": ("specversion", "id", "source", "type", "time", "datacontenttype", "sequence", "data"),
}
PICTURES = {("MatchEvent", "crop_jpeg"), ("MatchEvent", "portrait")}
SEALED = {("Answer", "sealed")}
TOPICS = {"state", "evt/match", "evt/audit", "evt/health", "rsp/{id}", "cmd/{class}", "ack/{id}"}
ORDERS = {
    *("status", "pause", "resume", "stop", "purge", "lock", "raise-threshold", "update.check", "selftest", "report"),
    *("reboot", "watchlist.release", "watchlist.revoke"),
}
"""What a van can be told: no export, no lower threshold, no new entry, no shell."""
ARGUMENT_FIELDS = {"threshold", "list", "capsule", "ttl_s", "entry"}
"""What a command may carry: the list and its key are named by digests, and an entry can only be taken away."""
COMMANDS = {"run", "replay", "bench", "demo"}
CONTROL_COMMANDS = {"keygen", "status", "watch", "send", "sign", "receipt"}
FLEET_COMMANDS = {
    *("init", "keygen", "rotate", "propose", "renew", "drafts", "sign", "publish", "van", "verify", "expiring"),
    *("watchlist", "release", "revoke", "status"),
}
LIST_COMMANDS = {"build", "review", "propose"}
"""A list is made of files and papers: there is no command that takes a face from a camera or from an event."""
VAN_COMMANDS = {"add", "list"}
BENCHES = {"decision", "fleet", "list", "wire"}
ROLES = {"detector", "embedder"}

NEVER = {
    *("stranger", "strangers", "unknown", "reid", "reidentify", "reidentification", "lookback", "retrospective"),
    *("gender", "ethnicity", "race", "emotion", "emotions", "mood", "demographic", "demographics", "nationality"),
    *("learn", "learned", "finetune", "retrain"),
}
"""Words that no identifier of the van's own code may hold; a bench may speak of strangers, the van may not."""

LIST_MAKERS = {"firmware/match/armed.py", "firmware/match/portraits.py", "firmware/bench/search.py"}
"""The only modules that make a watchlist, the last of made-up entries, to measure with; none of them may know a camera,
a track or what was seen."""

SEEN = (
    "board.camera",
    "firmware.match.tracker",
    "firmware.match.evidence",
    "firmware.match.pipeline",
    "firmware.messages",
)

EXPORTS = {"imwrite", "VideoWriter", "videoOutput", "saveImage", "add_stream", "tofile", "savez", "savez_compressed"}


def _tagged(union: object) -> dict[str, type[msgspec.Struct]]:
    return {str(kind.__struct_config__.tag): kind for kind in get_args(union)}


def _structs(module: ModuleType) -> dict[str, type[msgspec.Struct]]:
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    }


SAYABLE = {**_structs(messages), **_structs(arguments)}


def _van() -> dict[str, ast.Module]:
    """The code that sees through cameras or speaks to the broker."""
    return {
        path: tree for path, tree in SOURCES.items() if path.startswith(("firmware/match/", "firmware/link/", "board/"))
    }


def test_match_and_link_can_hand_each_other_this_and_nothing_else() -> None:
    assert {tag: kind.__struct_fields__ for tag, kind in _tagged(wire.FromMatch).items()} == FROM_MATCH
    assert {tag: kind.__struct_fields__ for tag, kind in _tagged(wire.FromLink).items()} == FROM_LINK
    assert len(_structs(wire)) == len(FROM_MATCH) + len(FROM_LINK)


def test_a_van_and_its_people_can_say_this_and_nothing_else() -> None:
    assert {name: kind.__struct_fields__ for name, kind in SAYABLE.items()} == MESSAGES


def test_every_message_refuses_what_it_does_not_know() -> None:
    kinds = {**_structs(wire), **SAYABLE}
    lax = [name for name, kind in kinds.items() if not kind.__struct_config__.forbid_unknown_fields]
    assert lax == ["CloudEvent"], "others may extend that one, but not what is in it"
    assert all(kind.__struct_config__.frozen for kind in kinds.values())


def test_one_field_of_one_message_may_hold_a_picture() -> None:
    fields = [
        (name, field, str(kind)) for name, message in SAYABLE.items() for field, kind in get_type_hints(message).items()
    ]
    assert {(name, field) for name, field, kind in fields if "bytes" in kind} == PICTURES | SEALED
    loose = [field for _, field, kind in fields if any(word in kind for word in ("Any", "object", "float]", "ndarray"))]
    assert loose == [], "a command's arguments are numbers and short texts, and ARGUMENTS has their types"


def test_a_van_speaks_and_listens_on_these_topics_of_its_own() -> None:
    assert {rules.pattern for rules in RULES.values()} == TOPICS
    assert {topic("van-1", channel, "x").split("/")[2] for channel in RULES} == {"van-1"}


def test_a_van_can_be_told_this_and_nothing_else() -> None:
    assert set(ARGUMENTS) == ORDERS
    assert set(load_table().commands) == ORDERS
    assert {field for kind in ARGUMENTS.values() for field in kind.__struct_fields__} == ARGUMENT_FIELDS


def test_the_command_line_has_these_commands_and_no_other() -> None:
    group = typer.main.get_command(app)
    assert set(getattr(group, "commands", {})) == COMMANDS
    assert set(getattr(getattr(group, "commands", {})["bench"], "commands", {})) == BENCHES


def test_the_control_room_has_these_commands_and_no_other() -> None:
    group = typer.main.get_command(control)
    assert set(getattr(group, "commands", {})) == CONTROL_COMMANDS


def test_the_fleet_has_these_commands_and_no_other() -> None:
    commands = getattr(typer.main.get_command(fleet), "commands", {})
    assert set(commands) == FLEET_COMMANDS
    assert set(getattr(commands["van"], "commands", {})) == VAN_COMMANDS
    assert set(getattr(commands["watchlist"], "commands", {})) == LIST_COMMANDS


def test_the_appliance_takes_no_threshold_from_its_operator() -> None:
    run = getattr(typer.main.get_command(app), "commands", {})["run"]
    assert [option.name for option in run.params if "threshold" in str(option.name)] == []


def test_networks_find_faces_or_compare_them() -> None:
    manifest = tomli.loads((ROOT / "models/manifest.toml").read_text("utf-8"))
    assert {net["role"] for net in manifest["net"]} == ROLES
    assert set(get_args(get_type_hints(Net)["role"])) == ROLES


def test_the_van_has_no_word_for_it() -> None:
    names = {
        f"{path}: {named_here(node)}"
        for path, tree in _van().items()
        for node in ast.walk(tree)
        if words(named_here(node)) & NEVER
    }
    assert sorted(names) == []


def test_a_watchlist_is_made_in_three_places_and_they_see_no_camera() -> None:
    makers = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Watchlist"
    }
    assert makers == LIST_MAKERS
    assert [name for path in makers for name in imports(SOURCES[path]) if name.startswith(SEEN)] == []


def test_a_watchlist_can_be_searched_examined_and_shortened_and_learns_nothing() -> None:
    assert {name for name in vars(Watchlist) if not name.startswith("_")} == {
        *("search", "examine", "portrait", "revoke", "wipe"),
    }


def test_the_van_writes_no_picture_or_video_file() -> None:
    uses = [
        f"{path}: {node.attr}"
        for path, tree in _van().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in EXPORTS
    ]
    assert uses == []

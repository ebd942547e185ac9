"""What Kerbside is never to have, held as closed lists: whoever adds to one has to come here and say so.

No retrospective search, no ids for strangers, no tracking from van to van, no guess at age, gender, ethnicity or
emotion, no enrolment from a camera, no learning from matches, no frame export, no lowering of the threshold.
"""

from __future__ import annotations

import ast
from typing import get_args, get_type_hints

import msgspec
import tomli
import typer.main

from firmware import wire
from firmware.cli import app
from firmware.link.topics import Topics
from firmware.match.watchlist import Watchlist
from models.manifest import Net
from tests.source import ROOT, SOURCES, imports, named_here, words

FROM_MATCH = {
    "match": (
        *("id", "van", "camera", "entry", "category", "similarity", "threshold", "margin", "observations"),
        *("first_t_ns", "decided_t_ns", "decided_utc", "expires_utc", "clock_trusted"),
        *("watchlist_digest", "model_digest", "crop_jpeg"),
    ),
    "status": (
        *("mode", "wall", "alarms", "frames", "dropped", "faces", "tracks", "embeddings", "events"),
        *("templates_wiped", "template_life_p99_s", "entries", "cameras"),
    ),
}
FROM_LINK = {"stored": ("id",), "not_stored": ("id", "reason")}
PICTURES = {("match", "crop_jpeg")}
TOPICS = {"lfr/v1/van-1/evt/match", "lfr/v1/van-1/evt/health", "lfr/v1/van-1/state"}
COMMANDS = {"run", "replay", "bench", "demo"}
ROLES = {"detector", "embedder"}

NEVER = {
    *("stranger", "strangers", "unknown", "reid", "reidentify", "reidentification", "lookback", "retrospective"),
    *("gender", "ethnicity", "race", "emotion", "emotions", "mood", "demographic", "demographics", "nationality"),
    *("learn", "learned", "finetune", "retrain"),
}
"""Words that no identifier of the van's own code may hold; a bench may speak of strangers, the van may not."""

LIST_MAKERS = {"firmware/match/portraits.py"}
"""The only modules that make a watchlist; none of them may know a camera, a track or what was seen."""

SEEN = ("board.camera", "firmware.match.tracker", "firmware.match.evidence", "firmware.match.pipeline", "firmware.wire")

EXPORTS = {"imwrite", "VideoWriter", "videoOutput", "saveImage", "add_stream", "tofile", "savez", "savez_compressed"}


def _messages(union: object) -> dict[str, type[msgspec.Struct]]:
    return {str(kind.__struct_config__.tag): kind for kind in get_args(union)}


def _van() -> dict[str, ast.Module]:
    """The code that sees through cameras or speaks to the broker."""
    return {
        path: tree for path, tree in SOURCES.items() if path.startswith(("firmware/match/", "firmware/link/", "board/"))
    }


def test_match_can_say_this_and_nothing_else() -> None:
    assert {tag: kind.__struct_fields__ for tag, kind in _messages(wire.FromMatch).items()} == FROM_MATCH


def test_link_can_say_this_and_nothing_else() -> None:
    assert {tag: kind.__struct_fields__ for tag, kind in _messages(wire.FromLink).items()} == FROM_LINK


def test_every_message_refuses_what_it_does_not_know() -> None:
    kinds = [kind for kind in vars(wire).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    assert {kind.__name__ for kind in kinds} == {"MatchEvent", "Status", "Stored", "NotStored"}
    assert all(kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen for kind in kinds)


def test_one_field_of_one_message_may_hold_a_picture() -> None:
    fields = [
        (tag, field, str(kind))
        for tag, message in {**_messages(wire.FromMatch), **_messages(wire.FromLink)}.items()
        for field, kind in get_type_hints(message).items()
    ]
    assert {(tag, field) for tag, field, kind in fields if "bytes" in kind} == PICTURES
    assert not [
        field for _, field, kind in fields if any(word in kind for word in ("Any", "object", "float]", "ndarray"))
    ]


def test_a_van_speaks_on_three_topics_of_its_own() -> None:
    assert set(vars(Topics("van-1")).values()) == TOPICS


def test_the_command_line_has_these_commands_and_no_other() -> None:
    group = typer.main.get_command(app)
    assert set(getattr(group, "commands", {})) == COMMANDS


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


def test_a_watchlist_is_made_in_one_place_and_that_place_sees_no_camera() -> None:
    makers = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Watchlist"
    }
    assert makers == LIST_MAKERS
    assert [name for path in makers for name in imports(SOURCES[path]) if name.startswith(SEEN)] == []


def test_a_watchlist_can_be_searched_and_wiped_and_learns_nothing() -> None:
    assert {name for name in vars(Watchlist) if not name.startswith("_")} == {"search", "wipe"}


def test_the_van_writes_no_picture_or_video_file() -> None:
    uses = [
        f"{path}: {node.attr}"
        for path, tree in _van().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in EXPORTS
    ]
    assert uses == []

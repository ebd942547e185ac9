"""The wire's document: made from the types, valid for AsyncAPI's own schema, and nothing readable names anybody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pyrage
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jsonschema import Draft7Validator, Draft202012Validator
from securesystemslib.signer import CryptoSigner

from firmware import arguments, envelope, messages
from firmware import asyncapi_examples as examples
from firmware.arguments import ARGUMENTS
from firmware.asyncapi import HEAD, document
from firmware.asyncapi_words import MESSAGES
from firmware.asyncapi_yaml import as_yaml
from firmware.match.seal import Sealer
from firmware.messages import AuditRecord, Details, Health, MatchEvent, State
from firmware.policy.table import ClassName, CommandName, load_table
from firmware.topics import COMMAND_EXPIRY_S, RULES, topic
from firmware.wire import InChannel, OutChannel
from tests.schema_walk import resolved, texts
from tests.source import ROOT

DOCUMENT: dict[str, Any] = document()
COMMITTED = ROOT / "firmware/asyncapi.yaml"
OFFICIAL = json.loads((ROOT / "tests/schemas/asyncapi-3.0.0.json").read_text("utf-8"))

READABLE = ("State", "Hint", "Command", "Answer", "Receipt")
"""What a broker can read."""
CLOSED = {
    r"^[A-Za-z0-9-]{8,64}$": "an id",
    r"^[A-Za-z0-9._-]{1,64}$": "a van",
    r"^[A-Za-z0-9._-]{0,64}$": "an opaque reference",
    r"^[0-9a-f]{32}$": "a boot",
    r"^[0-9a-f]{64}$": "a digest",
    r"^(age1[a-z0-9]{58})?$": "a public key",
}
FREE = {
    "State.said_utc": "a time",
    "State.versions.kerbside": "a release",
    "State.versions.model": "a digest",
    "State.versions.watchlist": "a digest",
    "State.versions.policy": "a digest",
    "State.versions.calibration": "a digest",
    "State.counters.refused{}": "reasons of a closed list, counted",
    "Hint.boot": "a boot; nobody signed it",
    "Command.cmd": "closed for each command",
    "Command.args{}": "closed for each command",
    "Command.args{}.": "closed for each command",
    "Answer.why": "a word of a closed list",
}
"""The texts that no pattern closes. Whoever adds one has to come here and say what stands in it."""


def check(schema: dict[str, Any], value: object) -> None:
    """Hold a value against a schema that may refer to the document's components."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def schema_of(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind}"}


def inside(name: str) -> dict[str, Any]:
    """The schema of what the envelope of a message holds."""
    _, narrowed = DOCUMENT["components"]["messages"][name]["payload"]["allOf"]
    found: dict[str, Any] = narrowed["properties"]["payload"]["x-inside"]
    return found


def test_the_committed_document_is_what_the_code_makes() -> None:
    printed = subprocess.run([sys.executable, "-m", "firmware.asyncapi"], cwd=ROOT, capture_output=True, check=True)
    assert COMMITTED.read_bytes() == printed.stdout
    assert printed.stdout.decode() == HEAD + as_yaml(DOCUMENT)


def test_an_independent_reader_of_yaml_finds_the_same_values() -> None:
    assert yaml.safe_load(COMMITTED.read_text("utf-8")) == DOCUMENT


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " begins with a space",
            "ends with a space ",
            "two\nlines",
            "two\nlines\n",
            "\n",
            "a\n\n",
            "a\n\nb",
            "a \nb\n",
        ),
        *("a: b", "# no", "yes", "1.0", "null", "'", '"', "\\", "tab\tinside", "- dash", "é☃", 1e9, 0.1, None, True),
        *("long " * 60, "long words " * 30 + "x", "two  spaces " * 20 + "x", "two\n\ttabs " * 20),
        *([], {}, [[1, [2]], {"a": [{}]}], {"yes": 1, "n": {"a b": "x"}, "$ref": "#/x", "": 0, "1": 2}),
    ],
)
def test_yaml_is_read_as_it_was_meant(value: object) -> None:
    for written in (value, [value], {"key": value}, {"key": [{"key": value, "last": 1}]}):
        assert yaml.safe_load(as_yaml(written)) == written


def test_it_is_valid_for_asyncapis_own_schema() -> None:
    Draft7Validator.check_schema(OFFICIAL)
    assert [error.message for error in Draft7Validator(OFFICIAL).iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "3.1.0"),
        (("channels", "state", "adress"), "x"),
        (("operations", "send-state", "action"), "publish"),
        (("operations", "send-state", "bindings", "mqtt", "qos"), 3),
        (("operations", "receive-cmd", "bindings", "mqtt", "messageExpiryInterval"), -1),
        (("servers", "broker", "bindings", "mqtt", "bindingVersion"), "9.9.9"),
        (("components", "messages", "state", "payload"), 7),
    ],
)
def test_that_schema_tells_right_from_wrong(path: tuple[str, ...], value: object) -> None:
    spoilt = document()
    place = spoilt
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not Draft7Validator(OFFICIAL).is_valid(spoilt)


def test_every_reference_leads_somewhere() -> None:
    pointers = {part.split('"')[0] for part in json.dumps(DOCUMENT).split('"$ref": "')[1:]}
    assert len(pointers) > 40
    assert [pointer for pointer in pointers if not resolved(DOCUMENT, {"$ref": pointer})] == []


def test_the_channels_are_those_of_the_rules_and_no_other() -> None:
    assert set(RULES) == set(get_args(OutChannel)) | set(get_args(InChannel))
    assert {name: channel["address"] for name, channel in DOCUMENT["channels"].items()} == {
        name: topic("{van}", name, rules.pattern.partition("{")[2].rstrip("}") and rules.pattern.split("/")[-1])
        for name, rules in RULES.items()
    }


def test_each_operation_has_the_direction_and_the_rules_of_its_channel() -> None:
    said = {
        operation["channel"]["$ref"].split("/")[-1]: (operation["action"], operation["bindings"]["mqtt"])
        for operation in DOCUMENT["operations"].values()
    }
    assert {name: (action, mqtt["qos"], mqtt["retain"]) for name, (action, mqtt) in said.items()} == {
        name: ("receive" if rules.to_van else "send", rules.qos, rules.retain) for name, rules in RULES.items()
    }
    assert {name: mqtt.get("messageExpiryInterval") for name, (_, mqtt) in said.items()} == {
        **dict.fromkeys(RULES),
        "cmd": COMMAND_EXPIRY_S,
    }


def test_the_messages_of_the_channels_are_those_of_the_document_and_no_other() -> None:
    carried = [message for channel in DOCUMENT["channels"].values() for message in channel["messages"]]
    assert sorted(carried) == sorted(DOCUMENT["components"]["messages"])
    assert set(carried) == set(MESSAGES) | {f"command.{name}" for name in get_args(CommandName)}


def test_every_type_of_the_code_appears() -> None:
    kinds = {
        kind.__name__
        for module in (messages, arguments)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    }
    named = {name.split("_")[0] for name in DOCUMENT["components"]["schemas"]}
    assert len(kinds) == 18
    assert kinds - named == set()


def test_every_payload_type_of_the_code_appears_once_for_what_it_is() -> None:
    kinds = {kind for kind in vars(envelope).values() if isinstance(kind, str) and kind.startswith("application/vnd.")}
    narrowed = {name: m["payload"]["allOf"][1] for name, m in _enveloped().items()}
    types = {name: schema["properties"]["payloadType"]["const"] for name, schema in narrowed.items()}
    assert len(kinds) == 7
    assert set(types.values()) == kinds
    assert types == {name: schema["properties"]["payload"]["contentMediaType"] for name, schema in narrowed.items()}
    assert {name for name, kind in types.items() if kind.endswith("+age")} == {"match", "audit", "health"}


def _enveloped() -> dict[str, Any]:
    return {name: m for name, m in DOCUMENT["components"]["messages"].items() if name != "hint"}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_command_states_its_class_and_its_signatures(name: CommandName) -> None:
    message, table = DOCUMENT["components"]["messages"][f"command.{name}"], load_table()
    rule = table.rule(name, "seeing")
    assert message["x-class"] == table.class_of(name, "seeing")
    each = {"one-of-each": list(rule.each)} if rule.each else {}
    assert message["x-signed-by"] == {"signatures": rule.signatures, "roles": list(rule.roles), **each}
    assert message["x-class"] in DOCUMENT["components"]["parameters"]["class"]["enum"]


def test_who_lifts_a_wiped_mode_is_stated_for_resume_alone() -> None:
    commands = {name: m for name, m in DOCUMENT["components"]["messages"].items() if name.startswith("command.")}
    assert {name for name, message in commands.items() if "x-in-mode" in message} == {"command.resume"}
    two = {"signatures": 2, "roles": ["operator", "authoriser"], "one-of-each": ["operator", "authoriser"]}
    assert commands["command.resume"]["x-in-mode"] == {
        mode: {"class": "release", "signed-by": two} for mode in ("stopped", "purged", "locked")
    }
    assert DOCUMENT["components"]["parameters"]["class"]["enum"] == list(get_args(ClassName))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_command_takes_its_own_arguments_and_no_others(name: CommandName) -> None:
    order = msgspec.to_builtins(examples.command(name))
    check(schema_of(f"command.{name}"), order)
    schema = Draft202012Validator({**schema_of(f"command.{name}"), "components": DOCUMENT["components"]})
    assert not schema.is_valid({**order, "args": {**order["args"], "export": 1}})
    assert not schema.is_valid({**order, "cmd": "shell"})


def test_every_example_is_what_its_schema_asks_for() -> None:
    schemas = {n: s["examples"] for n, s in DOCUMENT["components"]["schemas"].items() if "examples" in s}
    assert set(schemas) == {"State", "Hint", "Answer", "Receipt", *(f"command.{name}" for name in ARGUMENTS)}
    for name, found in schemas.items():
        check(schema_of(name), found[0])
    said = {n: m["examples"][0]["payload"] for n, m in DOCUMENT["components"]["messages"].items() if "examples" in m}
    assert set(said) == {"state", "hint", "answer", "receipt", *(f"command.{name}" for name in ARGUMENTS)}
    for name, payload in said.items():
        check(DOCUMENT["components"]["messages"][name]["payload"], payload)


@pytest.mark.parametrize("name", ["state", "answer", "receipt", *(f"command.{name}" for name in ARGUMENTS)])
def test_each_signed_example_bears_good_signatures_and_holds_what_it_says(name: str) -> None:
    payload = DOCUMENT["components"]["messages"][name]["examples"][0]["payload"]
    signed = envelope.read(json.dumps(payload).encode())
    keys = [CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))).public_key for n in range(2)]
    assert len(envelope.signers(signed, keys)) == len(signed.signatures)
    check(inside(name), json.loads(signed.payload))


@pytest.fixture
def sealer() -> tuple[Sealer, pyrage.x25519.Identity]:
    identity = pyrage.x25519.Identity.generate()
    return Sealer(CryptoSigner(Ed25519PrivateKey.generate()), (identity.to_public(),)), identity


EVENT = MatchEvent(
    id="0192f0c1-77aa", van="van-07", boot="5f0c" * 8, sequence=3, camera="front", entry="e-17", category="c",
    similarity=0.61, threshold=0.46, margin=0.2, observations=4, first_t_ns=1, decided_t_ns=2,
    decided_utc="2026-05-04T09:12:30Z", expires_at="2026-05-04T09:13:30Z", clock_trusted=True,
    watchlist_digest="b7" * 32, model_digest="9c" * 32, crop_jpeg=b"\xff\xd8",
)  # fmt: skip
RECORD = AuditRecord(
    id="0192f0c1-77ab", van="van-07", boot="5f0c" * 8, sequence=4, command="pause", command_id="01JDFW6R3M8Q",
    by=("4c" * 32,), reason="routine", authority="", outcome="done", why="", mode="paused", uptime_s=1.0,
    at_utc="2026-05-04T09:12:30Z", clock_trusted=True,
)  # fmt: skip
DETAILS = Details(wall="no network", alarms=("camera front is silent",), cameras={"front": "silent"})


def test_what_a_van_seals_is_what_the_document_says(sealer: tuple[Sealer, pyrage.x25519.Identity]) -> None:
    seal, identity = sealer
    health = Health(state=examples.STATE, details=DETAILS)
    sealed = {"match": seal.match(EVENT), "audit": seal.audit(RECORD), "health": seal.health(health)}
    for name, data in sealed.items():
        check(DOCUMENT["components"]["messages"][name]["payload"], json.loads(data))
        check(inside(name), json.loads(pyrage.decrypt(envelope.read(data).payload, [identity])))
    check(schema_of("Details"), json.loads(pyrage.decrypt(seal.details(DETAILS), [identity])))


def test_the_document_refuses_one_message_in_the_place_of_another(
    sealer: tuple[Sealer, pyrage.x25519.Identity],
) -> None:
    state = json.loads(sealer[0].state(examples.STATE))
    match = {**DOCUMENT["components"]["messages"]["match"]["payload"], "components": DOCUMENT["components"]}
    assert not Draft202012Validator(match).is_valid(state)


@pytest.mark.parametrize("kind", READABLE)
def test_what_a_broker_reads_is_numbers_ids_digests_and_closed_words(kind: str) -> None:
    found = dict(texts(DOCUMENT, schema_of(kind), kind))
    unbounded = {place for place, schema in found.items() if schema.get("pattern") not in CLOSED}
    assert unbounded == {place for place in FREE if place.startswith(f"{kind}.")}


def test_that_walk_sees_free_text_where_there_is_some() -> None:
    found = dict(texts(DOCUMENT, schema_of("Details"), "Details"))
    assert set(found) == {"Details.wall", "Details.alarms[]", "Details.cameras{}", "Details.cameras{}.", "Details.text"}
    assert "State.van" in dict(texts(DOCUMENT, schema_of("State"), "State"))


def test_readable_messages_are_all_that_is_not_encrypted() -> None:
    clear = {name: m["payload"] for name, m in DOCUMENT["components"]["messages"].items() if not m["x-encrypted"]}
    orders = {f"command.{name}" for name in ARGUMENTS}
    assert set(clear) == {"state", "hint", "answer", "receipt"} | orders
    assert {inside(name)["$ref"].split("/")[-1] for name in set(clear) - {"hint"} - orders} == set(READABLE) - {
        "Hint",
        "Command",
    }


def test_the_document_goes_where_the_code_goes() -> None:
    assert "asyncapi.yaml" in (ROOT / "pyproject.toml").read_text("utf-8")
    assert Path(COMMITTED).parent == ROOT / "firmware"
    assert State.__name__ in DOCUMENT["components"]["schemas"]

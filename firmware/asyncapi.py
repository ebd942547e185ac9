"""The wire as an AsyncAPI 3.0 document, made from the types: ``python -m firmware.asyncapi`` prints ``asyncapi.yaml``.

Knows topics, message types and the command table; refuses to know what is said of them in words, keys and brokers.
Written from the van's side: it sends states and events, and receives commands and receipts (asyncapi/spec:
spec/asyncapi.md 3.0.0; asyncapi/bindings: mqtt 0.2.0).
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, cast, get_args

import msgspec

from firmware import asyncapi_examples as examples
from firmware.arguments import ARGUMENTS
from firmware.asyncapi_words import CHANNELS, INTRODUCTION, MESSAGES, ORDER, PARAMETERS, Words
from firmware.asyncapi_yaml import as_yaml
from firmware.envelope import COMMAND, PayloadType, Signed
from firmware.messages import (
    Answer,
    AuditRecord,
    CloudEvent,
    Command,
    Details,
    Health,
    Hint,
    MatchEvent,
    Receipt,
    State,
)
from firmware.policy.table import ClassName, CommandName, CommandTable, Rule, load_table
from firmware.topics import COMMAND_EXPIRY_S, RULES, topic
from firmware.wire import InChannel, OutChannel

Channel = OutChannel | InChannel
Node = dict[str, Any]
"""A part of the document; what may stand where is the AsyncAPI schema's business, and a test holds it to that."""

HEAD = "# Made by `python -m firmware.asyncapi` from the types in firmware/; do not edit.\n"
VERSION = "1.0.0"
"""Of the wire: the first number is the one in ``lfr/v1``."""
_BINDING = "0.2.0"
_SCHEMAS = "#/components/schemas/"
_INSIDE: dict[str, Any] = {
    "state": State,
    "hint": Hint,
    "match": CloudEvent[MatchEvent],
    "audit": CloudEvent[AuditRecord],
    "health": CloudEvent[Health],
    "answer": Answer,
    "receipt": Receipt,
}
_SAID_ON: dict[Channel, tuple[str, ...]] = {"state": ("state", "hint"), "rsp": ("answer",), "ack": ("receipt",)}
"""The messages of a channel where they are not of its name; ``cmd`` has one for each command."""


def document() -> Node:
    """The whole document, as plain values in the order in which it is read."""
    table = load_table()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kerbside over MQTT",
            "version": VERSION,
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {channel: _channel(channel) for channel in RULES},
        "operations": {_operation_name(channel): _operation(channel) for channel in RULES},
        "components": {
            "messages": {
                **{name: _message(name, words) for name, words in MESSAGES.items()},
                **{_called(name): _order(name, table) for name in ARGUMENTS},
            },
            "parameters": _parameters(),
            "schemas": {**_schemas(), **{_called(name): _order_schema(name) for name in ARGUMENTS}},
            "securitySchemes": {
                "certificate": {"type": "X509", "description": "TLS 1.3 client certificate; its CN is the van's id."}
            },
        },
    }


def _server() -> Node:
    will = {"topic": topic("{van}", "state"), "qos": RULES["state"].qos, "retain": RULES["state"].retain}
    return {
        "host": "broker.example:8883",
        "protocol": "mqtts",
        "protocolVersion": "5.0",
        "description": "Any MQTT 5 broker that tells clients apart by certificate. It is trusted with nothing.",
        "security": [{"$ref": "#/components/securitySchemes/certificate"}],
        "bindings": {"mqtt": {"lastWill": will, "bindingVersion": _BINDING}},
    }


def _channel(channel: Channel) -> Node:
    address = topic("{van}", channel, "{class}" if channel == "cmd" else "{id}")
    return {
        "address": address,
        "description": CHANNELS[channel],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in re.findall(r"{(\w+)}", address)},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages_on(channel)},
    }


def _parameters() -> Node:
    parameters: Node = {name: {"description": text} for name, text in PARAMETERS.items()}
    parameters["class"]["enum"] = list(get_args(ClassName))
    return parameters


def _messages_on(channel: Channel) -> tuple[str, ...]:
    return tuple(map(_called, ARGUMENTS)) if channel == "cmd" else _SAID_ON.get(channel, (channel,))


def _operation_name(channel: Channel) -> str:
    return f"{'receive' if RULES[channel].to_van else 'send'}-{channel}"


def _operation(channel: Channel) -> Node:
    rules = RULES[channel]
    binding: Node = {"qos": rules.qos, "retain": rules.retain, "bindingVersion": _BINDING}
    operation: Node = {
        "action": "receive" if rules.to_van else "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"mqtt": binding},
    }
    if channel == "cmd":
        binding["messageExpiryInterval"] = COMMAND_EXPIRY_S
        operation["reply"] = {"channel": {"$ref": "#/channels/rsp"}}
    return operation


def _message(name: str, words: Words) -> Node:
    inside: Node = {"$ref": f"{_SCHEMAS}{_schema_name(_INSIDE[name])}"}
    if words.encrypted:  # one CloudEvent type of three
        inside = {"allOf": [inside, {"properties": {"type": {"const": f"kerbside.{name}.v1"}}}]}
    node: Node = {
        "name": name,
        "title": words.title,
        "summary": words.summary,
        "contentType": "application/json",
        "x-signed-by": words.signed_by,
        "x-encrypted": words.encrypted,
        "payload": inside if words.payload_type is None else _enveloped(words.payload_type, inside),
    }
    example = _example(name, words)
    return {**node, "examples": [{"payload": example}]} if example else node


def _example(name: str, words: Words) -> Node:
    said: dict[str, msgspec.Struct] = {"state": examples.STATE, "answer": examples.ANSWER, "receipt": examples.RECEIPT}
    if name == "hint":
        return _as_read(examples.HINT)
    if name not in said or words.payload_type is None:
        return {}
    return cast("Node", msgspec.json.decode(examples.signed(said[name], words.payload_type)))


def _order(name: CommandName, table: CommandTable) -> Node:
    """One command as a message, with the class and the signatures that the shipped table asks for."""
    rule = table.rule(name, "seeing")
    node: Node = {
        "name": name,
        "title": f"The command {name}",
        "summary": ORDER,
        "contentType": "application/json",
        "x-encrypted": False,
        "x-class": table.class_of(name, "seeing"),
        "x-signed-by": _signatures(rule),
    }
    modes = [mode for mode in table.lifting if table.class_of(name, mode) != node["x-class"]]
    if modes:
        node["x-in-mode"] = {
            mode: {"class": table.class_of(name, mode), "signed-by": _signatures(table.rule(name, mode))}
            for mode in modes
        }
    envelope = examples.signed(examples.command(name), COMMAND, rule.signatures)
    node["payload"] = _enveloped(COMMAND, {"$ref": f"{_SCHEMAS}{_called(name)}"})
    return {**node, "examples": [{"payload": msgspec.json.decode(envelope)}]}


def _signatures(rule: Rule) -> Node:
    node: Node = {"signatures": rule.signatures, "roles": list(rule.roles)}
    return {**node, "one-of-each": list(rule.each)} if rule.each else node


def _enveloped(payload_type: PayloadType, inside: Node) -> Node:
    """The schema of what goes over the wire; what the base64 holds stands under ``x-inside``."""
    payload = {"contentEncoding": "base64", "contentMediaType": payload_type, "x-inside": inside}
    narrowed = {"payloadType": {"const": payload_type}, "payload": payload}
    return {"allOf": [{"$ref": f"{_SCHEMAS}{Signed.__name__}"}, {"type": "object", "properties": narrowed}]}


def _called(name: CommandName) -> str:
    return f"command.{name}"


def _order_schema(name: CommandName) -> Node:
    arguments = {"$ref": f"{_SCHEMAS}{ARGUMENTS[name].__name__}"}
    return {
        "allOf": [
            {"$ref": f"{_SCHEMAS}{Command.__name__}"},
            {"type": "object", "properties": {"cmd": {"const": name}, "args": arguments}},
        ],
        "examples": [_as_read(examples.command(name))],
    }


def _schemas() -> Node:
    kinds = [*_INSIDE.values(), Command, Details, Signed, *ARGUMENTS.values()]
    _, components = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    for kind in (examples.STATE, examples.HINT, examples.ANSWER, examples.RECEIPT):
        components[type(kind).__name__]["examples"] = [_as_read(kind)]
    # ``$`` is the end in ECMA 262, which JSON Schema's patterns are of; in Python it may stand before a line feed.
    text = msgspec.json.encode({name: _plain(schema) for name, schema in components.items()})
    return cast("Node", msgspec.json.decode(text.replace(rb"\\Z", b"$")))


def _schema_name(kind: Any) -> str:
    reference, _ = msgspec.json.schema_components([kind], ref_template="{name}")
    return str(reference[0]["$ref"])


def _as_read(message: msgspec.Struct) -> Node:
    """A message as somebody else's JSON reader has it."""
    return cast("Node", msgspec.json.decode(msgspec.json.encode(message)))


def _plain(schema: Node) -> Node:
    """A docstring without its indentation and its markup for Python's own readers."""
    if "description" not in schema:
        return schema
    text = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", inspect.cleandoc(schema["description"]))
    return {**schema, "description": text.replace("``", "`")}


if __name__ == "__main__":
    sys.stdout.write(HEAD + as_yaml(document()))

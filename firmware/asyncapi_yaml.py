"""Plain values as YAML that people can read. Knows YAML's quoting and blocks; not what is written with it.

Strings are JSON's, which YAML 1.2 takes as they are (yaml.org: 1.2.2, 1.2); long ones and those of several lines are
blocks. So the document needs no YAML library where it is made; in the tests an independent one reads it back.
"""

from __future__ import annotations

import json
import re
import textwrap

_WIDTH = 110
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]*")
_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Words that a YAML 1.1 reader takes for something else."""


def as_yaml(value: object) -> str:
    """What JSON can hold (dict, list, str, int, float, bool, None) as block YAML that ends with a newline."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: object) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, inner in value.items() for line in _under(f"{_key(key)}:", inner, "  ")]
    if isinstance(value, list) and value:
        return [line for inner in value for line in _under("-", inner, "  ")]
    return [json.dumps(value, ensure_ascii=False)]


def _under(mark: str, value: object, indent: str) -> list[str]:
    """A key or a dash, and what belongs to it."""
    block = _block(value)
    if block:
        return [f"{mark} {block[0]}", *((indent + line).rstrip() for line in block[1:])]
    lines = _lines(value)
    if not isinstance(value, dict | list) or not value:
        return [f"{mark} {lines[0]}"]
    if mark == "-":
        return [f"- {lines[0]}", *(indent + line for line in lines[1:])]
    return [mark, *(indent + line for line in lines)]


def _block(value: object) -> list[str]:
    """The header and the lines of a block, or nothing where a quoted string is as good."""
    if not isinstance(value, str) or value != value.strip(" ") or not value.strip():
        return []
    body = value.removesuffix("\n").split("\n")
    if any(line != line.rstrip() for line in body) or body[-1] == "":
        return []
    if "\n" in value:
        return ["|" if value.endswith("\n") else "|-", *body]
    folded = textwrap.wrap(value, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [">-", *folded] if len(folded) > 1 and " ".join(folded) == value else []


def _key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_PLAIN
    return key if plain else json.dumps(key, ensure_ascii=False)

"""Read a TOML configuration into a strict type; say where it is wrong and what was probably meant.

Knows TOML and how to explain a fault; refuses to know any section's meaning: each room declares its own settings.
"""

from __future__ import annotations

import difflib
import types
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
import tomli

_T = TypeVar("_T", bound=msgspec.Struct)


class ConfigError(Exception):
    """The configuration cannot be used; the text names the file, the key and, where one is close, the right key."""


def load(path: Path, into: type[_T]) -> _T:
    """Decode the TOML file at ``path`` as ``into``.

    Raises:
        ConfigError: unreadable file, TOML fault, unknown key, wrong type or value out of range.
    """
    try:
        document = tomli.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return decode(document, into, str(path))


def decode(document: dict[str, Any], into: type[_T], where: str) -> _T:
    """Check a parsed document against ``into``; ``where`` names it in errors.

    Raises:
        ConfigError: unknown key (its path and a suggestion), wrong type or value out of range.
    """
    for key, known in _unknown_keys(document, into, ""):
        close = difflib.get_close_matches(key.rsplit(".", 1)[-1], known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else f"; known keys: {', '.join(sorted(known))}"
        raise ConfigError(f"{where}: unknown key '{key}'{hint}")
    try:
        return msgspec.convert(document, into, strict=True, dec_hook=_path_hook)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _path_hook(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is object:  # a section that belongs to another room stays as it is
        return value
    raise TypeError(f"expected a path, got {type(value).__name__}")


def _unknown_keys(value: object, kind: Any, prefix: str) -> list[tuple[str, list[str]]]:
    """Every (dotted path, known keys beside it) that ``kind`` does not declare, depth first."""
    if get_origin(kind) is Annotated:
        return _unknown_keys(value, get_args(kind)[0], prefix)
    if isinstance(value, list):
        inner = next(iter(get_args(kind)), None)
        return [u for i, v in enumerate(value) for u in _unknown_keys(v, inner, f"{prefix}[{i}]")]
    if get_origin(kind) in (Union, types.UnionType):  # an optional table is a table
        return [u for inner in get_args(kind) for u in _unknown_keys(value, inner, prefix)]
    if not (isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return []
    known = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
    found: list[tuple[str, list[str]]] = []
    for key, child in value.items():
        path = f"{prefix}.{key}" if prefix else key
        found += _unknown_keys(child, known[key], path) if key in known else [(path, list(known))]
    return found

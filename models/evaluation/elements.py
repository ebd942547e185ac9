"""A page's elements and its frame. Knows HTML; not what a page says. What it makes loads and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from xml.etree import ElementTree as ET

Element = ET.Element
Part = Element | str


def tag(name: str, /, *parts: Part, **attributes: str) -> Element:
    """An element; in attributes' names ``_`` at the end is dropped and ``_`` inside is a dash."""
    element = Element(name, {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()})
    last: Element | None = None
    for part in parts:
        if not isinstance(part, str):
            element.append(part)
            last = part
        elif last is None:
            element.text = (element.text or "") + part
        else:
            last.tail = (last.tail or "") + part
    return element


def page(title: str, style: str, parts: Iterable[Part]) -> str:
    """A whole page; its policy allows its own style, by digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", style),
    )
    whole = tag("html", head, tag("body", tag("main", *parts)), lang="en-GB")
    return "<!doctype html>\n" + ET.tostring(whole, encoding="unicode", method="html") + "\n"

"""HTML that cannot be broken by what it shows. Knows escaping; not what a page says.

Text becomes HTML in one place only: a string is escaped, and what :func:`tag` made is not escaped again.
"""

from __future__ import annotations

import base64
import hashlib
import html

_VOID = {"meta", "img", "rect", "line"}


class Html(str):
    """Markup that :func:`tag` made."""

    __slots__ = ()


Part = Html | str


def tag(name: str, /, *parts: Part, **attributes: str) -> Html:
    """An element; in attributes' names ``_`` at the end is dropped and ``_`` inside is a dash."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"' for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(*parts)}</{name}>")


def joined(*parts: Part) -> Html:
    """Parts one after the other, escaped where they are text."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part, quote=True) for part in parts))


def picture(jpeg: bytes, words: str) -> Html:
    """A JPEG inside the page."""
    return tag("img", src="data:image/jpeg;base64," + base64.b64encode(jpeg).decode(), alt=words, loading="lazy")


def page(title: str, style: str, *parts: Part) -> str:
    """A whole page that loads and runs nothing: its policy allows its own style, by digest, and pictures in it."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex, noarchive"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *parts), lang="en-GB") + "\n"

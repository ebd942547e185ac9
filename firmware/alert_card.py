"""Draw what an officer is shown: the face that was seen beside the entry's portrait, and the figures. Decides nothing.

There is no percentage and no colour of certainty on it: a similarity is not a probability, and the picture decides.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from firmware.messages import MatchEvent

_SIZE = (900, 520)
_PICTURE = (400, 320)
_PAPER, _INK, _FAINT, _RULE = (250, 250, 247), (25, 30, 38), (105, 112, 122), (200, 204, 210)


def draw_card(event: MatchEvent, to: Path, portrait: Path | None = None) -> Path:
    """Write the card of an event as PNG.

    Args:
        event: as it arrived.
        to: the file to write.
        portrait: of the entry, where the event brings none.
    """
    card = Image.new("RGB", _SIZE, _PAPER)
    pen = ImageDraw.Draw(card)
    pen.text((30, 22), "Possible match - an officer decides", _INK, ImageFont.load_default(26))
    with Image.open(io.BytesIO(event.crop_jpeg)) as seen, Image.open(portrait or io.BytesIO(event.portrait)) as listed:
        _place(card, pen, seen, 30, f"seen by camera {event.camera} (all else blurred)")
        _place(card, pen, listed, 470, f"entry {event.entry}{' - A CHILD' if event.minor else ''}")
    pen.line((30, 440, _SIZE[0] - 30, 440), _RULE)
    figures = (
        f"similarity {event.similarity:.2f}    threshold {event.threshold:.2f}    next entry {event.margin:.2f} lower"
    )
    clock = "trusted" if event.clock_trusted else "not trusted"
    lines = (
        f"{figures}    {event.observations} agreeing shots",
        f"decided {event.decided_utc}    do not act after {event.expires_at}    clock {clock}",
    )
    for row, text in enumerate(lines):
        pen.text((30, 452 + 26 * row), text, _INK if row == 0 else _FAINT, ImageFont.load_default(15))
    to.parent.mkdir(parents=True, exist_ok=True)
    card.save(to)
    return to


def _place(card: Image.Image, pen: ImageDraw.ImageDraw, picture: Image.Image, left: int, caption: str) -> None:
    scale = min(_PICTURE[0] / picture.width, _PICTURE[1] / picture.height)
    shown = picture.convert("RGB").resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
    )
    card.paste(shown, (left + (_PICTURE[0] - shown.width) // 2, 70 + (_PICTURE[1] - shown.height) // 2))
    pen.text((left, 400), caption, _FAINT, ImageFont.load_default(17))

"""A small picture in a terminal that draws sixels (DEC VT340; xterm -ti 340, foot, WezTerm, iTerm2, Konsole).

Knows pixels and the sixel format (DEC STD 070, chapter 9: six rows at a time, one bit a row, one colour a pass);
refuses to know what the picture shows.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable

from PIL import Image, UnidentifiedImageError

SIDE_PX = 192
MAX_SIDE_PX = 4096
COLOURS = 64
_BAND = 6
_FIRST = 63
"""The character of no pixel; bit 0, the topmost row, adds 1."""


class NoPicture(Exception):
    """The bytes are no JPEG that anybody should decode."""


def sixels(jpeg: bytes) -> str:
    """The escape sequence that draws the picture, scaled to fit ``SIDE_PX``.

    Raises:
        NoPicture: not a JPEG, or larger than ``MAX_SIDE_PX``.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            if max(picture.size) > MAX_SIDE_PX:
                raise NoPicture(f"{picture.width}x{picture.height} pixels, at most {MAX_SIDE_PX} a side")
            picture.thumbnail((SIDE_PX, SIDE_PX))
            small = picture.convert("RGB").quantize(COLOURS)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise NoPicture(str(error)) from error
    palette = small.getpalette() or []
    colours = "".join(
        f"#{index};2;" + ";".join(str(round(value * 100 / 255)) for value in palette[3 * index : 3 * index + 3])
        for index in range(len(palette) // 3)
    )
    width, rows = small.width, small.tobytes()
    bands = [rows[top : top + _BAND * width] for top in range(0, len(rows), _BAND * width)]
    return f'\x1bPq"1;1;{width};{small.height}{colours}{"-".join(_band(band, width) for band in bands)}\x1b\\'


def _band(band: bytes, width: int) -> str:
    """Up to six rows: each colour's columns, and ``$`` back to the left for the next colour."""
    lines = [band[start : start + width] for start in range(0, len(band), width)]
    passes = []
    for colour in sorted(set(band)):
        bits = (sum(1 << y for y, line in enumerate(lines) if line[x] == colour) for x in range(width))
        passes.append(f"#{colour}{_runs(chr(_FIRST + bit) for bit in bits)}")
    return "$".join(passes)


def _runs(characters: Iterable[str]) -> str:
    """Run lengths: ``!5A`` for ``AAAAA``."""
    groups = ((character, len(list(same))) for character, same in itertools.groupby(characters))
    return "".join(f"!{count}{character}" if count > 3 else character * count for character, count in groups)

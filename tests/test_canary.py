"""A stranger walks past the van beside a listed man. Afterwards there is no trace of the stranger anywhere.

Everything runs as in a van: broker, both processes, an outbox on disk, a subscriber to every topic. Then every file,
every message and every log line is searched for the stranger's pixels, for any template, and for a picture in which the
networks themselves would find the stranger again.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyrage
import pytest
from PIL import Image

from board.picture import Pixels
from firmware import envelope
from firmware.demo_files import ENTRY, DemoFiles
from firmware.match.finder import Finder
from firmware.messages import CloudEvent, MatchEvent
from models.align import chips
from models.faces import F32
from models.vision import Vision
from tests.film import drawn_face, empty_street, frames, write_video
from tests.keyring import KEYRING
from tests.link.stage import Listener, broker_to_be, wait_until
from tests.process import Process, write_config
from tests.room import ControlRoom
from tests.traces import Trace, look, runs_of

WIDTH_PX, HEIGHT_PX = 704, 384
MAN_SCALE = 2.25
STRANGER = (30, 25, 210, 250)
"""The drawn face without its background, in pixels of its portrait."""
BESIDE_PX = (212, 70)
"""Where the stranger's picture begins: its face all but touches the listed man's."""
FILM_FRAMES = 115


def film(demo_files: DemoFiles) -> Iterator[Pixels]:
    """The man on his phone, and beside him the stranger, who sways a little."""
    stranger = drawn_face("pale").crop(STRANGER)
    stranger = stranger.resize((137, 171), Image.Resampling.LANCZOS)
    for number, frame in enumerate(frames(demo_files.listed)[:FILM_FRAMES]):
        man = Image.fromarray(frame.picture.rgb())
        picture = Image.fromarray(empty_street(WIDTH_PX, HEIGHT_PX))
        picture.paste(man.resize((round(man.width * MAN_SCALE), round(man.height * MAN_SCALE))), (0, 0))
        picture.paste(stranger, (BESIDE_PX[0] + number // 10 % 3, BESIDE_PX[1] + number // 7 % 3))
        yield np.asarray(picture)


@dataclass(frozen=True)
class Given:
    """What the van was given: the video, the list, and what to look for afterwards."""

    video: Path
    portraits: Path
    stranger: Trace
    listed: F32


@dataclass(frozen=True)
class Evening:
    """Everything that was written or said, by where."""

    left: dict[str, bytes]
    events: list[MatchEvent]
    ended: dict[str, Any]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, demo_files: DemoFiles, vision: Vision) -> Given:
    folder = tmp_path_factory.mktemp("given")
    video = write_video(folder / "street.mp4", film(demo_files))
    portraits = folder / "portraits"
    portraits.mkdir()
    (portraits / f"{ENTRY}.png").write_bytes((demo_files.portraits / f"{ENTRY}.png").read_bytes())
    shown = frames(video)[::25]
    finder = Finder(vision)
    runs: set[bytes] = set()
    templates: list[F32] = []
    listed = [look(np.array(Image.open(portraits / f"{ENTRY}.png").convert("RGB")), vision)[1]]
    for frame in shown:
        faces = finder.find(frame, finder.shrink(frame))
        picture = frame.picture.rgb()
        order = np.argsort(faces.boxes[:, 0])
        assert len(order) == 2
        for place, into in ((order[0], listed), (order[1], templates)):
            for landmarks in (faces.landmarks, vision.closeup.refine(picture, faces.boxes, faces.landmarks)):
                aligned = chips(picture, landmarks[[place]])
                into += [vision.embedder.embed(aligned).vectors, vision.embedder.embed_both(aligned).vectors]
        left, top, right, bottom = (max(0, int(edge)) for edge in faces.boxes[order[1]])
        runs |= runs_of(picture[top:bottom, left:right])
    return Given(video, portraits, Trace(frozenset(runs), np.concatenate(templates)), np.concatenate(listed))


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory, given: Given) -> Evening:
    """The van runs twice: first without a broker, so that the outbox is full at its end, and then with one."""
    made = tmp_path_factory.mktemp("made")
    (made / "tmp").mkdir()
    homes = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), str(made / "tmp"))
    with broker_to_be() as broker:
        config = write_config(made, given.portraits, {"front": f"file://{given.video}"}, broker_port=broker.port)

        def run() -> Process:
            log = made / "log.jsonl"
            process = Process("firmware", "run", "--config", str(config), cwd=made, environment=homes, output=log)
            assert process.wait() == 0, process.errors
            process.end()
            return process

        alone = run()
        outbox = made / "state/outbox.db"
        left = {f"{path.name}, without a broker": content for path, content in written(made)}
        left["rows of the outbox"] = b"\n".join(rows(outbox))
        left |= {f"row {number}, opened": opened(row) for number, row in enumerate(rows(outbox))}
        broker.start()
        with Listener(broker.port, "#") as listener:
            room = ControlRoom(broker.port)
            run()
            wait_until(lambda: len(room.events) == 2, "both events")
            wait_until(lambda: room.hints, "the goodbye")
            heard = list(listener.heard)
            room.leave()
    left |= {path.name: content for path, content in written(made)}
    left |= {f"message {n} on {message.topic}": bytes(message.payload) for n, message in enumerate(heard)}
    left |= {
        f"message {n} on {message.topic}, opened": opened(bytes(message.payload))
        for n, message in enumerate(heard)
        if "/evt/" in message.topic
    }
    left |= {f"topic {n}": message.topic.encode() for n, message in enumerate(heard)}
    return Evening(left, room.events, alone.said("ended")[0])


def written(folder: Path) -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


def rows(outbox: Path) -> list[bytes]:
    """What the outbox holds: in the file a long payload is broken up over its pages."""
    with contextlib.closing(sqlite3.connect(outbox)) as db:
        return [payload for (payload,) in db.execute("SELECT payload FROM rows")]


def opened(sealed: bytes) -> bytes:
    """What the control room reads."""
    return bytes(pyrage.decrypt(envelope.read(sealed).payload, [KEYRING.reader]))


def test_both_were_seen_and_looked_at_and_one_was_reported(evening: Evening) -> None:
    assert evening.ended["tracks"] >= 2
    assert evening.ended["faces"] > FILM_FRAMES // 4  # a busy machine drops frames
    assert evening.ended["embeddings"] >= 3
    assert evening.ended["events"] == 1
    assert evening.ended["templates_wiped"] >= 1
    assert [event.entry for event in evening.events] == [ENTRY, ENTRY]


def test_the_picture_that_left_shows_the_listed_man_and_nobody_else(
    evening: Evening, given: Given, vision: Vision
) -> None:
    for event in evening.events:
        faces, templates = look(np.array(Image.open(io.BytesIO(event.crop_jpeg))), vision)
        assert len(faces) == 1
        assert float((templates @ given.listed.T).max()) > 0.5
        assert float((templates @ given.stranger.templates.T).max()) < 0.3


def test_there_was_something_to_search(evening: Evening) -> None:
    assert {"outbox.db", "outbox.db, without a broker", "log.jsonl", "van.toml"} <= set(evening.left)
    assert sum(name.startswith("message") for name in evening.left) > 4
    first = msgspec.json.decode(evening.left["row 0, opened"], type=CloudEvent[MatchEvent]).data
    assert first == evening.events[0]
    assert base64.b64encode(first.crop_jpeg) in evening.left["row 0, opened"]


def test_nobody_on_the_way_sees_even_the_listed_mans_picture_or_entry(evening: Evening) -> None:
    shut = {name: content for name, content in evening.left.items() if not name.endswith("opened")}
    on_the_way = {name: content for name, content in shut.items() if "outbox" in name or name.startswith("message")}
    assert len(on_the_way) > 6
    for event in evening.events:
        for secret in (event.crop_jpeg[20:60], event.entry.encode(), event.category.encode()):
            forms = (secret, base64.b64encode(secret), base64.b64encode(b"x" + secret)[2:-4])
            assert [name for name, content in on_the_way.items() if any(form in content for form in forms)] == []


def test_no_pixel_of_the_stranger_is_left(evening: Evening, given: Given) -> None:
    assert len(given.stranger.runs) > 1000
    assert [name for name, content in evening.left.items() if given.stranger.pixels_in(content)] == []


def test_no_template_is_left_of_anyone(evening: Evening, given: Given) -> None:
    anyone = Trace(frozenset(), np.concatenate([given.stranger.templates, given.listed]))
    assert [name for name, content in evening.left.items() if anyone.template_in(content)] == []


def test_in_no_picture_that_is_left_would_the_stranger_be_found(evening: Evening, given: Given, vision: Vision) -> None:
    found = {name: given.stranger.resemblance(content, vision) for name, content in evening.left.items()}
    assert {name: similarity for name, similarity in found.items() if similarity >= 0.3} == {}
    assert sum(similarity > -1 for similarity in found.values()) >= 3, "the listed man's pictures were not found"


def test_the_log_names_nobody(evening: Evening) -> None:
    assert ENTRY.encode() not in evening.left["log.jsonl"]


HAY = bytes(np.random.default_rng(1).integers(0, 256, 5_001, np.uint8))
Write = Callable[[F32], bytes]
TEMPLATE_FORMS: dict[str, Write] = {
    "float32": lambda template: template.tobytes(),
    "float32, big-endian": lambda template: template.astype(">f4").tobytes(),
    "float64": lambda template: template.astype("<f8").tobytes(),
    "float16": lambda template: template.astype("<f2").tobytes(),
    "8 bits": lambda template: np.round(template * 400).astype(np.int8).tobytes(),
    "base64 of float32": lambda template: b'"' + base64.b64encode(template.tobytes()) + b'"',
    "base64 of float16": lambda template: b'"' + base64.b64encode(template.astype("<f2").tobytes()) + b'"',
    "hexadecimal": lambda template: b'"' + template.tobytes().hex().encode() + b'"',
    "JSON": lambda template: json.dumps(template.tolist()).encode(),
    "JSON, rounded": lambda template: json.dumps([round(float(value), 3) for value in template]).encode(),
    "eight floats": lambda template: template[77:85].tobytes(),
    "twice its length": lambda template: (template * np.float32(2)).tobytes(),
}


@pytest.mark.parametrize("form", TEMPLATE_FORMS)
def test_control_a_template_that_was_written_is_found(given: Given, form: str) -> None:
    written_down = HAY + TEMPLATE_FORMS[form](given.stranger.templates[3]) + HAY
    assert given.stranger.template_in(written_down)
    assert not given.stranger.template_in(HAY)


def test_control_a_template_of_another_frame_is_found(given: Given) -> None:
    first, *_, last = given.stranger.templates
    assert Trace(frozenset(), first[None]).template_in(HAY + last.tobytes())


PIXEL_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda row: row,
    "base64": lambda row: b'"' + base64.b64encode(row) + b'"',
    "hexadecimal": lambda row: b" " + row.hex().encode() + b" ",
    "JSON": lambda row: json.dumps(list(row)).encode(),
}


def a_row_of_the_stranger(given: Given) -> Pixels:
    """Part of a row through the middle of the stranger's face, as the camera brought it."""
    picture = frames(given.video)[0].picture.rgb()
    return picture[BESIDE_PX[1] + 60 : BESIDE_PX[1] + 110, BESIDE_PX[0] : BESIDE_PX[0] + 137]


@pytest.mark.parametrize("form", PIXEL_FORMS)
def test_control_pixels_that_were_written_are_found(given: Given, form: str) -> None:
    pixels = a_row_of_the_stranger(given)
    for layout in (pixels, pixels[..., ::-1], np.asarray(Image.fromarray(pixels).convert("L"))):
        assert given.stranger.pixels_in(HAY + PIXEL_FORMS[form](layout.tobytes()) + HAY) > 0
    assert given.stranger.pixels_in(HAY) == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("form", ["raw", "base64"])
def test_control_a_picture_of_the_stranger_is_found(given: Given, vision: Vision, kind: str, form: str) -> None:
    file = io.BytesIO()
    left, top = BESIDE_PX
    Image.fromarray(frames(given.video)[0].picture.rgb()[top - 20 : top + 200, left - 20 : left + 170]).save(file, kind)
    assert given.stranger.resemblance(HAY + PIXEL_FORMS[form](file.getvalue()) + HAY, vision) > 0.5

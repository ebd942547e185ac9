"""The engine store gives out what this device built for this very use, and says why it gives out nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.engines import EngineRefused, EngineStore, Header, Origin
from models.manifest import ModelError
from tests.models.van import KEY

ORIGIN = Origin(
    graph="yunet",
    onnx_sha256="a" * 64,
    pictures="1280x720",
    precision="fp16",
    recipe="r1",
    tensorrt="TensorRT 10.3.0",
    gpu="Orin",
    compute_capability="8.7",
    power_mode="25W",
)
HEADER = Header(origin=ORIGIN, outputs=("scores",), precision="fp16", agreement="0.06 px from fp32")
PLAN = bytes(range(256)) * 4
NAME = "yunet-1280x720.engine"


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    store = EngineStore(tmp_path / "engines", KEY)
    store.write(HEADER, PLAN)
    return store


def test_what_was_written_is_read(store: EngineStore) -> None:
    engine = store.read(ORIGIN)
    assert (engine.header, engine.plan) == (HEADER, PLAN)


def test_only_this_user_may_look(store: EngineStore) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (store.folder, store.folder / NAME)}
    assert modes == {"engines": 0o700, NAME: 0o600}


def test_an_engine_that_was_never_built_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match=r"yunet-1280x720\.engine: not built yet"):
        EngineStore(tmp_path / "nowhere", KEY).read(ORIGIN)


@pytest.mark.parametrize(
    ("field", "now"),
    [
        ("onnx_sha256", "b" * 64),
        ("precision", "fp32"),
        ("recipe", "r2"),
        ("tensorrt", "TensorRT 10.16.2"),
        ("gpu", "Thor"),
        ("compute_capability", "11.0"),
        ("power_mode", "40W"),
    ],
)
def test_an_engine_of_another_time_is_refused_with_the_difference(store: EngineStore, field: str, now: str) -> None:
    wanted = msgspec.structs.replace(ORIGIN, **{field: now})
    was = getattr(ORIGIN, field)
    with pytest.raises(
        EngineRefused, match=rf"yunet-1280x720\.engine: out of date: {field} is {was}, wanted is {now}$"
    ):
        store.read(wanted)
    assert store.read(ORIGIN).plan == PLAN


def test_an_engine_for_another_batch_is_refused(store: EngineStore) -> None:
    wanted = msgspec.structs.replace(ORIGIN, pictures="1280x720 up to 8")
    with pytest.raises(EngineRefused, match="pictures is 1280x720, wanted is 1280x720 up to 8"):
        store.read(wanted)


@given(at=st.integers(0, 1 << 16), flip=st.integers(1, 255))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_anywhere_is_refused(store: EngineStore, at: int, flip: int) -> None:
    store.write(HEADER, PLAN)
    data = bytearray((store.folder / NAME).read_bytes())
    data[at % len(data)] ^= flip
    (store.folder / NAME).write_bytes(data)
    with pytest.raises(EngineRefused, match="not built by this device, cut short, or changed since"):
        store.read(ORIGIN)


@given(length=st.integers(0, 1 << 12))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_file_is_refused_at_every_length(store: EngineStore, length: int) -> None:
    store.write(HEADER, PLAN)
    data = (store.folder / NAME).read_bytes()
    (store.folder / NAME).write_bytes(data[: length % len(data)])
    with pytest.raises(EngineRefused, match="cut short"):
        store.read(ORIGIN)


def test_bytes_behind_the_end_are_refused(store: EngineStore) -> None:
    with (store.folder / NAME).open("ab") as file:
        file.write(b"more")
    with pytest.raises(EngineRefused, match="changed since"):
        store.read(ORIGIN)


def test_another_devices_engine_is_refused(store: EngineStore) -> None:
    with pytest.raises(EngineRefused, match="not built by this device"):
        EngineStore(store.folder, bytes(32)).read(ORIGIN)


def test_a_renamed_engine_is_refused(store: EngineStore) -> None:
    other = msgspec.structs.replace(ORIGIN, graph="sface")
    (store.folder / NAME).rename(store.folder / other.file_name)
    with pytest.raises(EngineRefused, match=r"sface-1280x720\.engine: not built by this device"):
        store.read(other)


def test_timings_are_no_engine_and_an_engine_no_timings(store: EngineStore) -> None:
    store.keep_timings(b"timings")
    assert store.timings() == b"timings"
    (store.folder / "timing.cache").write_bytes((store.folder / NAME).read_bytes())
    assert store.timings() == b""


def test_timings_that_are_absent_or_not_ours_are_none(store: EngineStore) -> None:
    assert store.timings() == b""
    store.keep_timings(b"timings")
    assert EngineStore(store.folder, bytes(32)).timings() == b""


def test_a_header_of_another_program_version_is_out_of_date(store: EngineStore) -> None:
    body = b'{"origin": 1}'
    path = store._write(NAME, b"kerbside engine 1\n" + len(body).to_bytes(4, "big") + body + PLAN)
    with pytest.raises(EngineRefused, match="out of date: Expected"):
        store.inspect(path.name)


def test_what_cannot_be_written_leaves_the_old(store: EngineStore) -> None:
    other = msgspec.structs.replace(HEADER, origin=msgspec.structs.replace(ORIGIN, graph="sface"))
    (store.folder / "sface-1280x720.engine").mkdir()
    with pytest.raises(ModelError, match=r"sface-1280x720\.engine: .*directory; the old engine stays"):
        store.write(other, b"new")
    assert store.read(ORIGIN).plan == PLAN
    assert len(list(store.folder.iterdir())) == 2


def test_a_file_that_cannot_be_read_is_said(store: EngineStore) -> None:
    (store.folder / NAME).unlink()
    (store.folder / NAME).mkdir()
    with pytest.raises(EngineRefused, match=r"yunet-1280x720\.engine: Is a directory"):
        store.read(ORIGIN)


def test_a_short_key_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device key: 16 bytes, at least 32 are needed"):
        EngineStore(tmp_path, bytes(16))

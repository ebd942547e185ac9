"""The roads: a real HTTP server and a real folder, each with its traps; and downloads that stop and go on."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError

from ota.fetch import Fetcher, Road, Stick, Web
from ota.target import Interrupted
from ota.trusted import Source, UpdateError
from tests.broker.certificates import Authority, Paths
from tests.ota.server import Handler, Server, cut_off, endless, redirect_to, trickle
from tests.ota.throwaway import Repository, content_path
from tests.ota.van import BASE, Started, Van

CONTENT = bytes(range(256)) * 3_000


@pytest.fixture
def repository() -> Repository:
    repository = Repository()
    repository.add("model", "m", CONTENT)
    repository.publish("models")
    return repository


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    with Server(repository.files) as server:
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(None, plain=True, silence_s=0.3)
    yield web
    web.close()


def van_on(road: Road, base: str, folder: Path, repository: Repository) -> Van:
    van = Van(folder, repository)
    van.source = Source(f"{base}/metadata", f"{base}/targets", Fetcher(road))
    return van


@pytest.fixture
def van(tmp_path: Path, repository: Repository, server: Server, web: Web) -> Van:
    return van_on(web, server.url, tmp_path, repository)


def fetched(agent: Started) -> bytes:
    (target,) = agent.trusted.check()
    return agent.trusted.fetch(target).read_bytes()


def failing_fetch(van: Van) -> str:
    """Of a fetch that has to fail after a check that succeeds: the fault."""
    with van.started() as agent:
        (target,) = agent.trusted.check()
        with pytest.raises(UpdateError) as caught:
            agent.trusted.fetch(target)
    return caught.value.fault


def failing_check(van: Van) -> str:
    with van.started() as agent, pytest.raises(UpdateError) as caught:
        agent.trusted.check()
    return caught.value.fault


PLACE = content_path("model/m", CONTENT)


# Both roads bring the same


def test_content_comes_over_http(van: Van) -> None:
    with van.started() as agent:
        assert fetched(agent) == CONTENT


def test_content_comes_from_a_stick(tmp_path: Path, repository: Repository) -> None:
    stick = repository.write(tmp_path / "stick")
    with van_on(Stick(stick), stick.as_uri(), tmp_path / "van", repository).started() as agent:
        assert fetched(agent) == CONTENT


def test_progress_is_told_up_to_the_last_byte(van: Van) -> None:
    told: list[tuple[int, int]] = []
    with van.started() as agent:
        (target,) = agent.trusted.check()
        agent.trusted.fetch(target, lambda here, length: told.append((here, length)))
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_what_is_in_the_store_is_not_fetched_again(van: Van, server: Server) -> None:
    with van.started() as agent:
        fetched(agent)
        server.files.pop(PLACE)
        assert fetched(agent) == CONTENT


# Resuming


def test_a_download_that_was_cut_off_goes_on_after_a_restart(van: Van, server: Server) -> None:
    server.traps[PLACE] = cut_off(CONTENT, 500_000)
    assert failing_fetch(van) == "unreachable"
    server.traps.clear()
    with van.started() as agent:
        assert fetched(agent) == CONTENT
    assert [ask for ask in server.asked if ask[0] == PLACE] == [(PLACE, ""), (PLACE, "bytes=500000-")]


def test_a_server_without_ranges_costs_a_download_from_the_start(van: Van, server: Server) -> None:
    server.ranges = False
    spool(van, CONTENT[:1_000])
    with van.started() as agent:
        assert fetched(agent) == CONTENT
    assert [ask for ask in server.asked if ask[0] == PLACE] == [(PLACE, "bytes=1000-")]


def spool(van: Van, data: bytes) -> Path:
    """Leave what an earlier download would have left."""
    with van.started() as agent:
        (target,) = agent.trusted.check()
        path = agent.store.spool(target.sha256)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(bytes(1_000), id="garbled by a power cut"),
        pytest.param(b"x" * len(CONTENT), id="whole and wrong"),
        pytest.param(CONTENT + b"x", id="too long"),
        pytest.param(CONTENT, id="whole and right"),
        pytest.param(b"", id="empty"),
    ],
)
def test_whatever_was_left_on_the_way_the_content_is_right_in_the_end(van: Van, left: bytes) -> None:
    path = spool(van, left)
    with van.started() as agent:
        assert fetched(agent) == CONTENT
    assert not path.exists()


def test_a_file_that_changed_between_two_halves_is_refused_and_leaves_nothing(van: Van, server: Server) -> None:
    path = spool(van, CONTENT[:1_000])
    server.files[PLACE] = b"y" * len(CONTENT)
    assert failing_fetch(van) == "refused"
    assert not path.exists()


def test_a_server_that_answers_another_range_than_was_asked_for_is_not_believed(server: Server, web: Web) -> None:
    server.traps["x"] = lambda handler: handler.answer(206, b"z" * 10, {"Content-Range": "bytes 5-14/20"})
    with pytest.raises(DownloadError, match="asked for byte 1000, got bytes 5-14/20"):
        web.open(f"{server.url}/x", 1_000)


def test_a_stick_whose_file_is_shorter_than_what_came_is_read_from_the_start(stick: Path) -> None:
    stream = Stick(stick).open(f"{stick.as_uri()}/metadata/x.json", 11)
    assert (stream.start, b"".join(stream.chunks)) == (0, b"0123456789")


def test_a_range_that_a_server_will_not_have_costs_a_download_from_the_start(
    van: Van, server: Server, repository: Repository
) -> None:
    spool(van, CONTENT[:1_000])

    def trap(handler: Handler) -> None:
        asked = bool(handler.headers.get("Range"))
        handler.answer(416 if asked else 200, b"" if asked else CONTENT)

    server.traps[PLACE] = trap
    with van.started() as agent:
        assert fetched(agent) == CONTENT


# Wrong content


@pytest.mark.parametrize(
    ("served", "fault"),
    [
        pytest.param(b"y" * len(CONTENT), "refused", id="of the right length"),
        pytest.param(CONTENT + b"x", "refused", id="longer"),
        pytest.param(CONTENT[:-1], "unreachable", id="truncated"),
        pytest.param(b"", "unreachable", id="empty"),
    ],
)
def test_content_that_was_not_signed_never_gets_a_name(van: Van, server: Server, served: bytes, fault: str) -> None:
    server.files[PLACE] = served
    assert failing_fetch(van) == fault
    with van.started() as agent:
        (target,) = agent.trusted.check()
        assert not agent.store.has(target.sha256)
        assert agent.store.spooled(target.sha256) == (len(served) if fault == "unreachable" else 0)


def test_compressed_answers_are_not_unpacked(van: Van, server: Server) -> None:
    bomb = gzip.compress(bytes(10 * len(CONTENT)))
    server.traps[PLACE] = lambda handler: handler.answer(200, bomb, {"Content-Encoding": "gzip"})
    assert failing_fetch(van) == "unreachable"


# Endless, slow, elsewhere


@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/1.targets.json", "metadata/2.root.json"])
def test_endless_metadata_is_cut(van: Van, server: Server, path: str) -> None:
    server.traps[path] = endless
    assert failing_check(van) == "refused"


def test_endless_content_is_cut_at_its_signed_length(van: Van, server: Server) -> None:
    server.traps[PLACE] = endless
    assert failing_fetch(van) == "refused"


def say_nothing(handler: Handler) -> None:
    handler.rfile.read()


def test_a_server_that_accepts_and_says_nothing_is_left(van: Van, server: Server) -> None:
    server.traps["metadata/timestamp.json"] = say_nothing
    assert failing_check(van) == "unreachable"


def test_a_server_that_stops_in_the_middle_is_left(server: Server, web: Web) -> None:
    def trap(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(b"12345")
        handler.wfile.flush()
        handler.rfile.read()

    server.traps["x"] = trap
    with pytest.raises(SlowRetrievalError):
        Fetcher(web).download_bytes(f"{server.url}/x", 10)


def test_a_trickle_is_left_after_a_minute(server: Server, web: Web) -> None:
    clock = count(step=25)
    server.traps["x"] = endless
    with pytest.raises(SlowRetrievalError, match="bytes in 75 s"):
        Fetcher(one_byte_at_a_time(web), lambda: next(clock)).download_bytes(f"{server.url}/x", 10**9)


HEADER = b"HTTP/1.1 200 OK\r\nX-A: "


@pytest.mark.parametrize("begin", [b"", HEADER, b"HTTP/1.1 200 OK\r\n\r\n"])
def test_metadata_that_trickles_is_left_when_it_is_enough(server: Server, web: Web, begin: bytes) -> None:
    server.traps["x"] = trickle(begin)
    with pytest.raises(SlowRetrievalError, match=r"not here within 0\.3 s"):
        Fetcher(web, deadline_s=0.3).download_bytes(f"{server.url}/x", 10**9)


@pytest.mark.parametrize("begin", [b"", HEADER])
def test_a_target_whose_header_trickles_is_left_when_it_is_enough(server: Server, web: Web, begin: bytes) -> None:
    server.traps["x"] = trickle(begin)
    with pytest.raises(SlowRetrievalError, match=r"not here within 0\.3 s"):
        Fetcher(web, deadline_s=0.3).resume(f"{server.url}/x", 0, 10**9)


def test_a_server_that_trickles_a_handshake_is_left(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=trickle_records, args=(listener,), daemon=True)
        thread.start()
        web = Web(context(authority.ca, None))
        with closing(web), pytest.raises(SlowRetrievalError, match=r"not here within 0\.3 s"):
            Fetcher(web, deadline_s=0.3).download_bytes(f"https://127.0.0.1:{listener.getsockname()[1]}/x", 10)
        thread.join()


def trickle_records(listener: socket.socket) -> None:
    """A TLS record of which each byte comes late."""
    end, _ = listener.accept()
    with end, suppress(OSError):
        for byte in b"\x16\x03\x03\x40\x00" + bytes(10_000):
            end.sendall(bytes([byte]))
            time.sleep(0.05)


def test_what_is_urgent_interrupts_a_download_of_metadata(server: Server) -> None:
    server.traps["x"] = trickle(HEADER)
    with closing(Web(None, plain=True)) as web, pytest.raises(Interrupted):
        Fetcher(web, urgent=lambda: bool(server.asked)).download_bytes(f"{server.url}/x", 10)


def test_after_a_cut_the_road_is_open_again(server: Server, web: Web, repository: Repository) -> None:
    server.traps["x"] = trickle(b"")
    fetcher = Fetcher(web, deadline_s=0.3)
    with pytest.raises(SlowRetrievalError):
        fetcher.download_bytes(f"{server.url}/x", 10)
    data = fetcher.download_bytes(f"{server.url}/metadata/timestamp.json", 16_384)
    assert data == repository.files["metadata/timestamp.json"]


def one_byte_at_a_time(web: Web) -> Road:
    class Trickle:
        def open(self, url: str, start: int) -> object:
            stream = web.open(url, start)
            return replace(stream, chunks=(chunk[:1] for chunk in stream.chunks))

        def cut(self) -> None:
            web.cut()

    return Trickle()  # type: ignore[return-value]


def test_nobody_who_listens_is_unreachable(tmp_path: Path, repository: Repository, web: Web) -> None:
    assert failing_check(van_on(web, "http://127.0.0.1:1", tmp_path, repository)) == "unreachable"


def test_plain_http_is_for_tests_only(server: Server) -> None:
    web = Web(None)
    with pytest.raises(DownloadError, match="only https"):
        web.open(f"{server.url}/metadata/timestamp.json", 0)
    web.close()


def test_a_redirect_within_the_host_is_followed(van: Van, server: Server) -> None:
    server.traps["metadata/timestamp.json"] = redirect_to("/metadata/elsewhere.json")
    server.files["metadata/elsewhere.json"] = server.files["metadata/timestamp.json"]
    with van.started() as agent:
        assert fetched(agent) == CONTENT


@pytest.mark.parametrize(
    "place", ["http://localhost:1/x", "https://127.0.0.1/x", "file:///etc/passwd", "//evil/x", "http://[x"]
)
def test_a_redirect_to_elsewhere_is_not_followed(server: Server, web: Web, place: str) -> None:
    server.traps["x"] = redirect_to(place)
    with pytest.raises(DownloadError, match="redirected to"):
        web.open(f"{server.url}/x", 0)


def test_redirects_in_a_circle_end(server: Server, web: Web) -> None:
    server.traps["x"] = redirect_to("/x")
    with pytest.raises(DownloadError, match="more than 3 redirects"):
        web.open(f"{server.url}/x", 0)
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_an_error_is_told_with_its_number(server: Server, web: Web, status: int) -> None:
    server.traps["x"] = lambda handler: handler.answer(status, b"")
    with pytest.raises(DownloadHTTPError) as caught:
        web.open(f"{server.url}/x", 0)
    assert caught.value.status_code == status


# Certificates of both sides


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca", dt.datetime.now(dt.timezone.utc))


@pytest.fixture
def guarded(repository: Repository, authority: Authority) -> Iterator[Server]:
    """A server that lets in whoever has a certificate of this authority."""
    own = authority.server()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own.certificate, own.key)
    tls.load_verify_locations(authority.ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    with Server(repository.files, tls) as server:
        yield server


def context(trusted: Path, own: Paths | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(trusted))
    if own is not None:
        made.load_cert_chain(own.certificate, own.key)
    return made


def asked_with(tls: ssl.SSLContext, server: Server) -> bytes:
    web = Web(tls, silence_s=5)
    try:
        return Fetcher(web).download_bytes(f"{server.url}/metadata/timestamp.json", 16_384)
    finally:
        web.close()


def test_over_https_both_sides_show_a_certificate(guarded: Server, authority: Authority) -> None:
    data = asked_with(context(authority.ca, authority.client("van-07")), guarded)
    assert data == guarded.files["metadata/timestamp.json"]


def test_a_van_without_a_certificate_gets_nothing(guarded: Server, authority: Authority) -> None:
    with pytest.raises(DownloadError):
        asked_with(context(authority.ca, None), guarded)
    assert guarded.asked == []


def test_a_server_of_another_authority_is_asked_nothing(guarded: Server, authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", authority.now, "other")
    with pytest.raises(DownloadError, match="certificate verify failed"):
        asked_with(context(other.ca, authority.client("van-07")), guarded)
    assert guarded.asked == []


# The stick


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick/metadata").mkdir(parents=True)
    (tmp_path / "stick/metadata/x.json").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "stick"


def read(stick: Path, url: str, start: int = 0) -> bytes:
    return b"".join(Stick(stick).open(url, start).chunks)


def test_a_file_on_a_stick_can_be_read_from_its_middle(stick: Path) -> None:
    assert read(stick, f"{stick.as_uri()}/metadata/x.json", 4) == b"456789"


@pytest.mark.parametrize("way", ["../secret", "metadata/../../secret", "..%2fsecret", "%2e%2e/secret"])
def test_no_path_leads_out_of_a_stick(stick: Path, way: str) -> None:
    with pytest.raises(DownloadError, match="leads out"):
        read(stick, f"{stick.as_uri()}/{way}")


def test_no_link_leads_out_of_a_stick(stick: Path) -> None:
    (stick / "file").symlink_to(stick.parent / "secret")
    (stick / "folder").symlink_to(stick.parent)
    for way in ("file", "folder/secret"):
        with pytest.raises(DownloadError, match="leads out"):
            read(stick, f"{stick.as_uri()}/{way}")


def test_a_stick_that_is_a_link_itself_is_not_read(stick: Path) -> None:
    (stick.parent / "link").symlink_to(stick)
    with pytest.raises(DownloadError, match="is a link"):
        read(stick.parent / "link", f"{stick.as_uri()}/metadata/x.json")


@pytest.mark.parametrize("url", ["file://elsewhere/x", "https://127.0.0.1/x", "/etc/passwd", "file:///etc/passwd"])
def test_only_files_of_the_stick_are_read(stick: Path, url: str) -> None:
    with pytest.raises(DownloadError):
        read(stick, url)


def test_another_machines_file_is_not_ours_though_it_has_the_same_path(stick: Path) -> None:
    with pytest.raises(DownloadError, match="only file:///"):
        read(stick, f"file://elsewhere{stick}/metadata/x.json")


def test_what_is_no_file_is_not_there(stick: Path) -> None:
    os.mkfifo(stick / "pipe")
    for name in ("pipe", "metadata", "absent", "metadata/x.json/y"):
        with pytest.raises(DownloadHTTPError) as caught:
            read(stick, f"{stick.as_uri()}/{name}")
        assert caught.value.status_code == 404


@pytest.mark.parametrize("name", ["loop", "a%00b", "n" * 300])
def test_names_that_no_system_takes_are_refused_cleanly(stick: Path, name: str) -> None:
    (stick / "loop").symlink_to(stick / "loop")
    with pytest.raises(DownloadError):
        read(stick, f"{stick.as_uri()}/{name}")


def test_a_limit_holds_on_a_stick_too(stick: Path) -> None:
    with pytest.raises(DownloadLengthMismatchError):
        Fetcher(Stick(stick)).download_bytes(f"{stick.as_uri()}/metadata/x.json", 9)
    assert Fetcher(Stick(stick)).download_bytes(f"{stick.as_uri()}/metadata/x.json", 10) == b"0123456789"


def test_the_public_clients_own_way_of_fetching_leads_down_the_same_road(repository: Repository, van: Van) -> None:
    fetcher = Fetcher(van.shelf)
    data = repository.files["metadata/timestamp.json"]
    assert b"".join(fetcher.fetch(f"{BASE}/metadata/timestamp.json")) == data

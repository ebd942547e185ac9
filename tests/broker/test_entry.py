"""Who gets as far as an MQTT answer from the broker: holders of a valid certificate of the fleet, over TLS 1.3."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from pathlib import Path

from tests.broker.certificates import Authority, Paths
from tests.broker.mosquitto import LOOPBACK, Mosquitto
from tests.broker.peer import NOT_AUTHORIZED, Peer
from tests.link.stage import PATIENCE_S, wait_until

CONNECT = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x06van-07"
CONNACK = 0x20
TIMED_OUT = dt.timedelta(seconds=-1)


def answer(port: int, context: ssl.SSLContext | None, name: str = LOOPBACK) -> bytes:
    """What a client gets for its CONNECT; nothing when it is refused, at whatever point."""
    try:
        with socket.create_connection((LOOPBACK, port), PATIENCE_S) as plain:
            if context is None:
                return _ask(plain)
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return _ask(secure)
    except (ssl.SSLError, ConnectionResetError):
        return b""


def _ask(sock: socket.socket) -> bytes:
    sock.sendall(CONNECT)
    return sock.recv(100)


def certificate_of(broker: Mosquitto) -> bytes | None:
    with (
        socket.create_connection((LOOPBACK, broker.port)) as plain,
        broker.client_context("van-07").wrap_socket(plain, server_hostname=LOOPBACK) as secure,
    ):
        return secure.getpeercert(binary_form=True)


def holder_of(broker: Mosquitto, paths: Paths | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(broker.ca))
    if paths is not None:
        context.load_cert_chain(paths.certificate, paths.key)
    return context


def is_let_in(broker: Mosquitto, paths: Paths | None) -> bool:
    return answer(broker.port, holder_of(broker, paths))[:1] == bytes([CONNACK])


def test_a_certificate_of_the_fleet_is_answered_over_tls_1_3(mosquitto: Mosquitto) -> None:
    context = mosquitto.client_context("van-07")
    with (
        socket.create_connection((LOOPBACK, mosquitto.port)) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK) as secure,
    ):
        got = _ask(secure)
        assert (secure.version(), got[0], got[3]) == ("TLSv1.3", CONNACK, 0)


def test_none_is_refused(mosquitto: Mosquitto) -> None:
    assert not is_let_in(mosquitto, None)


def test_one_of_another_authority_is_refused(mosquitto: Mosquitto, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", dt.datetime.now(dt.timezone.utc))
    assert not is_let_in(mosquitto, other.client("van-07"))


def test_an_expired_one_is_refused(mosquitto: Mosquitto) -> None:
    assert not is_let_in(mosquitto, mosquitto.authority.client("van-07", TIMED_OUT))


def test_the_brokers_own_is_refused(mosquitto: Mosquitto) -> None:
    assert not is_let_in(mosquitto, mosquitto.authority.server())


def test_a_revoked_one_is_refused_after_a_reload_and_its_successor_is_not(mosquitto: Mosquitto) -> None:
    lost, other = mosquitto.client_certificate("van-07"), mosquitto.client_certificate("van-08")
    assert is_let_in(mosquitto, lost)
    mosquitto.revoke(lost)
    mosquitto.reload()
    assert not is_let_in(mosquitto, lost)
    assert is_let_in(mosquitto, other)
    assert is_let_in(mosquitto, mosquitto.authority.client("van-07"))


def test_a_reload_leaves_the_revoked_ones_open_connection_and_a_restart_ends_it(mosquitto: Mosquitto) -> None:
    """Why the acl silences it first: see ``test_rights.py``."""
    with Peer(mosquitto, "van-07") as van:
        mosquitto.revoke(mosquitto.client_certificate("van-07"))
        mosquitto.reload()
        assert van.publish("lfr/v1/van-07/evt/match", b"event") != NOT_AUTHORIZED
        mosquitto.stop()
        wait_until(van.lost.is_set, "the end of the connection")


def test_the_brokers_own_certificate_is_renewed_by_a_reload(mosquitto: Mosquitto) -> None:
    before = certificate_of(mosquitto)
    mosquitto.renew()
    mosquitto.reload()
    assert certificate_of(mosquitto) != before


def test_while_the_list_of_revoked_ones_has_expired_nobody_is_let_in(mosquitto: Mosquitto) -> None:
    (mosquitto.certs / "revoked.crl").write_bytes(mosquitto.authority.revocations(TIMED_OUT))
    mosquitto.reload()
    assert not is_let_in(mosquitto, mosquitto.client_certificate("van-07"))


def test_tls_1_2_is_refused(mosquitto: Mosquitto) -> None:
    context = mosquitto.client_context("van-07")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert answer(mosquitto.port, context) == b""


def test_plain_text_is_refused(mosquitto: Mosquitto) -> None:
    assert answer(mosquitto.port, None)[:1] != bytes([CONNACK])

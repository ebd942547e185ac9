"""The commands of ``ota/broker/README.md`` as they stand there: what they make opens the broker until it is revoked."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.mosquitto import SHIPPED, Mosquitto, needs_mosquitto
from tests.broker.test_entry import CONNACK, answer

pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
AUTHORITY, CLIENT, REVOKE = re.findall(r"```bash\n(.*?)```", (SHIPPED / "README.md").read_text("utf-8"), re.DOTALL)
INSTALLED = ("ca.crt", "broker.crt", "broker.key", "revoked.crl")


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Where the authority is: with ``ca.cnf`` for a broker on this machine."""
    folder = tmp_path / "office"
    folder.mkdir()
    rules = (SHIPPED / "ca.cnf").read_text("utf-8")
    (folder / "ca.cnf").write_text(rules.replace("mqtt.example", "localhost"), "utf-8")
    return folder


@pytest.fixture
def broker(tmp_path: Path, office: Path) -> Iterator[Mosquitto]:
    """Runs with what the commands made."""
    run(office, AUTHORITY + CLIENT)
    with Mosquitto(tmp_path / "mosquitto") as broker:
        install(office, broker)
        yield broker


def run(office: Path, commands: str) -> None:
    done = subprocess.run(["bash", "-euc", commands], cwd=office, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def install(office: Path, broker: Mosquitto) -> None:
    broker.stop()
    for name in INSTALLED:
        shutil.copy(office / name, broker.certs / name)
    broker.start()


def is_let_in(broker: Mosquitto, office: Path, certificate: str) -> bool:
    context = ssl.create_default_context(cafile=str(office / "ca.crt"))
    context.load_cert_chain(office / f"{certificate}.crt", office / f"{certificate}.key")
    return answer(broker.port, context, "localhost")[:1] == bytes([CONNACK])


def test_the_commands_make_certificates_that_open_the_broker(broker: Mosquitto, office: Path) -> None:
    assert is_let_in(broker, office, "van-07")
    assert not is_let_in(broker, office, "broker")


def test_the_commands_revoke_one_and_its_successor_of_the_same_name_is_let_in(broker: Mosquitto, office: Path) -> None:
    run(office, CLIENT.replace("van-07.", "console-ada."))
    run(office, REVOKE)
    install(office, broker)
    assert not is_let_in(broker, office, "van-07")
    assert is_let_in(broker, office, "console-ada")
    run(office, CLIENT)
    assert is_let_in(broker, office, "van-07")

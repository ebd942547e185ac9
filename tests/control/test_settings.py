"""A console's configuration and keys: wrong ones are named, with the figure and the limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyrage.x25519 import Identity

from firmware.config import ConfigError, load
from firmware.control.keys import load_reading_keys
from firmware.control.settings import CtlFile
from firmware.envelope import KeyFileError
from firmware.tls import Tls
from tests.control.stage import Keys, ctl

PUBLIC = "ab" * 32


def loaded(folder: Path, text: str) -> CtlFile:
    path = folder / "ctl.toml"
    path.write_text(text, "utf-8")
    return load(path, CtlFile)


def test_the_least_that_works(tmp_path: Path) -> None:
    file = loaded(tmp_path, f'[vans]\nvan-07 = "{PUBLIC}"')
    assert (file.broker.host, file.broker.port, file.reading_keys, file.receipt) == ("127.0.0.1", 1883, (), None)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "missing required field `vans`"),
        ("[vans]\nvan-07 = 'abc'", "vans"),
        (f"[vans]\n'van/07' = '{PUBLIC}'", "vans"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[broker]\nprot = 1", "did you mean 'port'"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[broker]\nport = 0", "port"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[broker]\nhost = 'hub'", r"add \[broker.tls\]"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[broker.tls]\nca = 'x'", "add 'cert' and 'key'"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[receipt]\nkey = 'x'", "missing required field `store`"),
        (f"[vans]\nvan-07 = '{PUBLIC}'\n[receipt]\nkey = 'x'\nstore = 'y'\nkeep_s = 0", "keep_s"),
        ("[vans", "ctl.toml"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, because: str) -> None:
    with pytest.raises(ConfigError, match=because):
        loaded(tmp_path, text)
    ended = ctl("status", "-c", tmp_path / "ctl.toml")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.crt"):
        Tls(tmp_path / "absent.crt", tmp_path / "c", tmp_path / "k").context("broker.tls")


def test_identities_are_read_as_age_writes_them(keys: Keys) -> None:
    (found,) = load_reading_keys([keys.reading_key_file()])
    assert str(found) == str(keys.reading_key)
    assert load_reading_keys([]) == ()


@pytest.mark.parametrize(
    ("content", "mode", "because"),
    [
        (str(Identity.generate()), 0o644, "chmod 600"),
        ("# nothing\n\n", 0o600, "holds no age identity"),
        ("age1notasecret", 0o600, "not an age X25519 identity"),
    ],
    ids=["open to others", "empty", "a recipient"],
)
def test_an_identity_that_cannot_be_used_is_named_and_not_shown(
    tmp_path: Path, content: str, mode: int, because: str
) -> None:
    path = tmp_path / "console.age"
    path.write_text(content, "utf-8")
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=because) as raised:
        load_reading_keys([path])
    assert str(path) in str(raised.value)
    assert "AGE-SECRET-KEY-1" not in str(raised.value).replace("(AGE-SECRET-KEY-1...)", "")


def test_an_identity_file_may_be_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        load_reading_keys([tmp_path / "absent.age"])
    (tmp_path / "binary.age").write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError, match="not a file of age identities"):
        load_reading_keys([tmp_path / "binary.age"])

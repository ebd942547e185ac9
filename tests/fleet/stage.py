"""A fleet that was made with ``kerbside-fleet`` alone, and the tool as programs and people hear it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from firmware.fleet.cli import app
from tests.ota.repository.stage import ALL, HOLDERS
from tests.ota.repository.test_vans import PUBLIC

runner = CliRunner()


def run(*arguments: object, code: int = 0, typed: str = "") -> str:
    """Standard output of a command, which has to end with this exit code."""
    result = runner.invoke(app, [str(one) for one in arguments], input=typed)
    assert result.exit_code == code, result.output
    return result.stdout


def told(*arguments: object, code: int = 0, typed: str = "") -> str:
    """What it says to whoever sits there, in one line."""
    result = runner.invoke(app, [str(one) for one in arguments], input=typed)
    assert result.exit_code == code, result.output
    return " ".join(result.stderr.split())


def answer(*arguments: object, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


class Fleet:
    """A fleet that was made with the tool alone."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        self.keys = tmp / "keys"
        self.keys.mkdir(parents=True)
        self.path = tmp / "fleet"
        roles = {name: [*ALL, "revocations"] for name in HOLDERS} | {name: [name] for name in ("snapshot", "timestamp")}
        options = {name: [f"--role={role}" for role in mine] for name, mine in roles.items()}
        blocks = [run("keygen", name, "--out", self.keys, *options[name]) for name in roles]
        (tmp / "people.toml").write_text("\n".join(blocks))
        self.first = Path(answer("init", self.path, "--people", tmp / "people.toml")["draft"])

    def key(self, name: str) -> Path:
        return self.keys / f"{name}.pem"

    def run(self, *words: object) -> str:
        return run(*words)

    def sign(self, draft: Path, *holders: str) -> list[Any]:
        return [answer("sign", draft, "--key", self.key(name), "--yes") for name in holders]

    def open(self) -> Fleet:
        self.sign(self.first, "officer-a", "officer-b")
        run("publish", self.first)
        run("van", "add", "van-07", "--public", PUBLIC, "--fleet", self.path)
        return self

    def publish_calibration(self, file: Path) -> None:
        """Signed by two, for every van."""
        made = answer("propose", "calibration", f"c-{file.stem}", file, "--van", "all", "--fleet", self.path)
        self.sign(Path(made["draft"]), "officer-a", "officer-b")
        run("publish", made["draft"])

    def propose(self, name: str = "sface-2", *more: object) -> Path:
        content = self.tmp / "model.tar.zst"
        content.write_bytes(b"model" * 1000)
        made = answer("propose", "model", name, content, "--van", "van-07", "--fleet", self.path, *more)
        return Path(made["draft"])

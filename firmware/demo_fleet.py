"""The admins of the update demo: three holders of keys, a list, and the commands that they type. Runs the real tool.

Knows ``kerbside-fleet`` and ``kerbside-ctl`` by their command lines only; each that is run is shown.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
from rich.console import Console

from firmware.demo_files import ENTRY, DemoError
from firmware.demo_room import say
from ota.repository.roles import OFFLINE, ONLINE

HOLDERS = ("admin-1", "admin-2", "admin-3")
DEPLOYMENT = "demo-deployment"
_TOOLS = {"kerbside-fleet": "firmware.fleet.cli", "kerbside-ctl": "firmware.control.cli"}
_PAPERS = {
    "category": "wanted-by-court",
    "legal_basis": "court-warrant",
    "source": "custody-image",
    "reviewer": "post-7",
    "minor": "no",
    "minor_rationale": "",
}


class _Built(msgspec.Struct):
    list: str
    sha256: str
    entries: int
    refused: int


class _Drafted(msgspec.Struct):
    draft: str


@dataclass(frozen=True)
class Released:
    """A list that is published: its encrypted file, its digest, and its key, which is not."""

    file: Path
    sha256: str
    key: Path
    entries: int


@dataclass(frozen=True)
class Admins:
    """Whoever signs and publishes.

    Attributes:
        folder: with their keys, the fleet's folder and what is published.
        console: shows what they type.
    """

    folder: Path
    console: Console

    @property
    def fleet(self) -> Path:
        """The fleet's folder."""
        return self.folder / "fleet"

    @property
    def repository(self) -> Path:
        """What vans fetch from: on a real fleet any web server or object store."""
        return self.folder / "published"

    @property
    def root(self) -> Path:
        """What a van trusts from the first."""
        return self.fleet / "metadata/1.root.json"

    def run(self, tool: str, *words: object, expected: int = 0) -> str:
        """Type a command; its standard output.

        Raises:
            DemoError: it ends with another exit code than is expected.
        """
        shown = " ".join(_short(str(word), self.folder) for word in words)
        say(self.console, f"  [dim]$ {tool} {shown}[/]")
        command = [sys.executable, "-m", _TOOLS[tool], *map(str, words)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != expected:
            raise DemoError(f"{tool} {words[0]} ended with {ended.returncode}: {ended.stderr.strip() or ended.stdout}")
        if expected:
            say(self.console, f"    [yellow]{ended.stderr.strip().splitlines()[-1]}[/]")
        return ended.stdout

    def found(self) -> None:
        """Make keys and the fleet's folder; two of three sign its first state."""
        people = [self._key(name, OFFLINE) for name in HOLDERS] + [self._key(role, (role,)) for role in ONLINE]
        (self.folder / "people.toml").write_text("\n".join(people), "utf-8")
        init = self.run("kerbside-fleet", "init", self.fleet, "--people", self.folder / "people.toml", "--json")
        self.sign_and_publish(msgspec.json.decode(init, type=_Drafted).draft)

    def register(self, van: str, public: str) -> str:
        """Make a van known; its key id."""
        answer = self.run("kerbside-fleet", "van", "add", van, "--public", public, "--fleet", self.fleet, "--json")
        return str(msgspec.json.decode(answer)["key_id"])

    def publish_calibration(self, file: Path, van: str) -> None:
        """Without one the van is not armed: two of those who answer for models sign for how theirs may be used."""
        words = ("propose", "calibration", "demo", file, "--van", van, "--fleet", self.fleet, "--json")
        drafted = self.run("kerbside-fleet", *words)
        self.sign_and_publish(msgspec.json.decode(drafted, type=_Drafted).draft)

    def publish_list(self, portraits: Path, van: str, more: Iterable[object]) -> Released:
        """Check portraits, seal the list, and have two people sign it; that one is not enough is shown."""
        out, start = self.folder / "list", datetime.now(timezone.utc) - timedelta(hours=1)
        window = ("--from", f"{start:%Y-%m-%dT%H:%MZ}", "--hours", "8")
        self._write_papers(portraits)
        answer = self.run(
            "kerbside-fleet", "watchlist", "build", portraits, "--out", out, "--deployment", DEPLOYMENT,
            "--van", van, *window, "--fleet", self.fleet, *more, "--json",
        )  # fmt: skip
        built = msgspec.json.decode(answer, type=_Built)
        say(self.console, f"  {built.entries} entries, {built.refused} refused; digest {built.sha256[:16]}...")
        self.run("kerbside-fleet", "watchlist", "review", out)
        drafted = self.run("kerbside-fleet", "watchlist", "propose", out, "--fleet", self.fleet, "--json")
        draft = msgspec.json.decode(drafted, type=_Drafted).draft
        self._sign(draft, HOLDERS[0])
        self.run("kerbside-fleet", "publish", draft, "--to", self.repository, expected=1)
        self._sign(draft, HOLDERS[1])
        self.run("kerbside-fleet", "publish", draft, "--to", self.repository)
        file = Path(built.list)
        return Released(file, built.sha256, file.with_suffix(".key"), built.entries)

    def sign_and_publish(self, draft: str, holders: Iterable[str] = HOLDERS[:2]) -> None:
        """As the title says."""
        for name in holders:
            self._sign(draft, name)
        self.run("kerbside-fleet", "publish", draft, "--to", self.repository)

    def _sign(self, draft: str, name: str) -> None:
        self.run("kerbside-fleet", "sign", draft, "--key", self.folder / f"keys/{name}.pem", "--yes", "--json")

    def _key(self, name: str, roles: Iterable[str]) -> str:
        wanted = [word for role in roles for word in ("--role", role)]
        return self.run("kerbside-fleet", "keygen", name, "--out", self.folder / "keys", *wanted)

    def _write_papers(self, portraits: Path) -> None:
        today = datetime.now(timezone.utc)
        dates = {
            "image_date": f"{today - timedelta(days=30):%Y-%m-%d}",
            "expiry": f"{today + timedelta(days=2):%Y-%m-%d}",
        }
        files = [path for path in sorted(portraits.iterdir()) if path.suffix != ".csv"]
        rows = [{"file": path.name, "ref": path.stem, **_PAPERS, **dates} for path in files]
        with (portraits / "papers.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def search_for(secrets: Iterable[bytes], folders: Iterable[Path]) -> tuple[int, list[Path]]:
    """How many files there are below these folders, and those that hold one of the secrets."""
    wanted = tuple(secrets)
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return len(files), [path for path in files if any(secret in path.read_bytes() for secret in wanted)]


def _short(word: str, folder: Path) -> str:
    short = word.replace(f"{folder}/", "")
    return short if len(short) < 60 else f"{short[:16]}..."


__all__ = ["ENTRY", "Admins", "Released", "search_for"]

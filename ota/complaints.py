"""Why this van has not what it could have: the first reason since a check, and how many. Knows words and faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ota.target import Fault

KEPT = 64
"""Words that were said are not said again, but for the oldest."""


class Complaints:
    """The reason that stands now, and the count of all.

    Args:
        note: told an event and its words when there are new ones.

    Attributes:
        fault, words: of the first complaint since :meth:`clear`; empty when there is none.
        count: of refusals since the start, each target and reason once.
    """

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self.fault: Fault | Literal[""] = ""
        self.words = ""
        self.count = 0
        self._note = note
        self._said: list[str] = []

    def clear(self) -> None:
        """A new check begins."""
        self.fault, self.words = "", ""

    def complain(self, event: str, fault: Fault, words: str) -> None:
        """Something is not as it should be."""
        if not self.fault:
            self.fault, self.words = fault, words
        if self.say(event, words):
            self.count += 1

    def wait(self, words: str) -> None:
        """Nothing is wrong, it is only not its time yet."""
        self.words = self.words or words
        self.say("waits", words)

    def say(self, event: str, words: str) -> bool:
        """Note what is news; returns whether it was."""
        line = f"{event}: {words}"
        if line in self._said:
            return False
        self._said = [*self._said, line][-KEPT:]
        self._note(event, words)
        return True

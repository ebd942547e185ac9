"""Measure Kerbside against a naive baseline on a crowd made from still photographs.

Knows videos, events and clocks; refuses to know how a possible match is made: each system runs as its own process.
"""

from __future__ import annotations


class BenchError(Exception):
    """The bench cannot run as asked; the text names the option or the file at fault."""

"""Whether the real broker is here for the benches' tests. Knows where the program is; skips by name where it is not."""

from __future__ import annotations

import pytest

from firmware.bench import BenchError
from firmware.bench.fleet_broker import find_mosquitto


def _installed() -> bool:
    try:
        find_mosquitto()
    except BenchError:
        return False
    return True


needs_mosquitto = pytest.mark.skipif(not _installed(), reason="mosquitto is not installed (apt: mosquitto)")

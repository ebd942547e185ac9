"""How much memory this program held at most. Knows the kernel's figure; refuses to know what it was used for."""

from __future__ import annotations

from pathlib import Path


def peak_rss_mb() -> float:
    """Most memory that this program ever held, MiB. ``ru_maxrss`` would count what its parent held."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024

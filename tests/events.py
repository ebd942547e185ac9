"""Messages that a van might send, for tests that do not care which."""

from __future__ import annotations

from firmware.messages import MatchEvent

BOOT = "0123456789abcdef" * 2


def an_event(event_id: str, sequence: int = 1, crop_bytes: int = 2_000, boot: str = BOOT) -> MatchEvent:
    return MatchEvent(
        id=event_id,
        van="van-07",
        boot=boot,
        sequence=sequence,
        camera="High-Street-north",
        entry="entry-31-opaque",
        category="court-order-category",
        similarity=0.71,
        threshold=0.55,
        margin=0.2,
        observations=3,
        first_t_ns=1_000,
        decided_t_ns=2_000,
        decided_utc="2026-03-01T12:00:00.000+00:00",
        expires_at="2026-03-01T12:01:00.000+00:00",
        clock_trusted=False,
        watchlist_digest="aa",
        model_digest="bb",
        crop_jpeg=b"\xff\xd8" + bytes(index * 37 % 251 for index in range(crop_bytes)),
    )

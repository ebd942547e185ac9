"""``python -m tests.match.large_list VIDEO ENTRIES``: replay a video against random templates; prints JSON."""

from __future__ import annotations

import sys

import msgspec
import numpy as np

from firmware.match.pipeline import PipelineSettings
from firmware.match.watchlist import Entry, Watchlist
from firmware.replay import Prepared, replay
from models.faces import Embeddings
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision


def main(video: str, entries: int) -> None:
    """Run and report."""
    vision = open_vision(OpenVinoBackend())
    vectors = np.random.default_rng(11).standard_normal((entries, vision.embedder.dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    refs = tuple(Entry(f"entry-{number}", "test") for number in range(entries))
    listed = Watchlist(refs, Embeddings(vectors, vision.embedder.space))
    result = replay(f"file://{video}", Prepared(vision, listed, (), 0.0), PipelineSettings().at(0.46))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

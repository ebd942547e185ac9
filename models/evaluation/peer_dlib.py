"""dlib's face recognition by way of ``face_recognition``. Knows its two functions and their defaults; nothing of ours.

Detection with HOG on the picture enlarged once, five landmarks, no jitter (api.py of face_recognition 1.3.0). dlib
compares by distance. Its templates are made of unit length here, so that the same measures apply; that is kinder to it:
of 1,200 photographs of LFW, FNMR at FMR 1e-4 is 20 % by cosine and 29 % by distance.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import face_recognition
import numpy as np

from models.evaluation.peer import Peer
from models.faces import F32
from models.portrait import Pixels, prominence


def open_peer(_: Path) -> Peer:
    """With the networks that its package brings."""

    def template(image: Pixels) -> F32 | None:
        places = face_recognition.face_locations(image)
        if not places:
            return None
        boxes = np.array(places, np.float32)[:, [3, 0, 1, 2]]  # top, right, bottom, left
        face = places[int(prominence(boxes, image.shape[1], image.shape[0]).argmax())]
        vector = face_recognition.face_encodings(image, [face])[0]
        unit: F32 = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit

    return Peer(
        f"dlib {face_recognition.api.dlib.__version__}, face_recognition {version('face_recognition')}", template
    )

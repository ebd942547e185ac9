"""OpenCV's own face recognition. Knows ``FaceDetectorYN`` and ``FaceRecognizerSF`` and their defaults; nothing of ours.

Called as OpenCV's sample does (samples/dnn/face_detect.py), but that the most prominent face is taken, not the first.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.evaluation.peer import Peer
from models.faces import F32
from models.manifest import ModelError
from models.portrait import Pixels, prominence

SCORE, NMS, TOP_K = 0.9, 0.3, 5000
"""``FaceDetectorYN.create``'s own defaults."""


def open_peer(files: Path) -> Peer:
    """With the networks in fp32 that lie in a folder.

    Raises:
        ModelError: a file is missing, or OpenCV cannot load it.
    """
    yunet, sface = files / "yunet-fp32.onnx", files / "sface-fp32.onnx"
    try:
        detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), SCORE, NMS, TOP_K)
        recogniser = cv2.FaceRecognizerSF.create(str(sface), "")
    except cv2.error as error:
        raise ModelError(f"OpenCV cannot load {yunet} or {sface}: {error}") from error

    def template(image: Pixels) -> F32 | None:
        height, width = image.shape[:2]
        blue_first = np.ascontiguousarray(image[:, :, ::-1])
        detector.setInputSize((width, height))
        _, rows = detector.detect(blue_first)
        if rows is None:
            return None
        boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]]).astype(np.float32)
        face = rows[int(prominence(boxes, width, height).argmax())]
        vector = recogniser.feature(recogniser.alignCrop(blue_first, face))[0]
        unit: F32 = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit

    return Peer(f"OpenCV {cv2.__version__}, FaceDetectorYN and FaceRecognizerSF", template)

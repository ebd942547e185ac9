"""The reference for the golden vectors: OpenCV's own YuNet and SFace code, and ONNX Runtime, on the published graphs.

Shares no code with :mod:`models` but the rebuilt weights. ``python -m tests.models.reference`` draws the picture and
writes the figures anew; the tests only compare with them.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "models/files"
GOLDEN = ROOT / "models/golden"
SIZE = (640, 360)
Colour = tuple[int, int, int]


def opencv_faces(rgb: npt.NDArray[np.uint8], min_score: float = 0.6) -> npt.NDArray[np.float32]:
    """OpenCV's FaceDetectorYN: rows of x y w h, ten landmark coordinates, score; right for multiples of 32 only."""
    height, width = rgb.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(FILES / "yunet-fp32.onnx"), "", (width, height), min_score, 0.3, 5000)
    _, rows = detector.detect(np.ascontiguousarray(rgb[:, :, ::-1]))
    return np.asarray(rows, np.float32).reshape(-1, 15)


def opencv_template(rgb: npt.NDArray[np.uint8], row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """OpenCV's FaceRecognizerSF: aligned and embedded, made unit length."""
    recogniser = cv2.FaceRecognizerSF.create(str(FILES / "sface-fp32.onnx"), "")
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    vector = recogniser.feature(recogniser.alignCrop(bgr, row))[0]
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def runtime_templates(chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """ONNX Runtime on the published SFace graph: RGB, NCHW, 0-255 floats."""
    session = onnxruntime.InferenceSession(str(FILES / "sface-fp32.onnx"))
    (vectors,) = session.run(None, {"data": chips.transpose(0, 3, 1, 2).astype(np.float32)})
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def draw() -> npt.NDArray[np.uint8]:
    """Two drawn faces before a drawn street; (360, 640, 3) u8 RGB."""
    picture = Image.new("RGB", SIZE, (96, 120, 150))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 260, *SIZE), fill=(90, 85, 80))
    _face(pen, (200, 150), 80, (224, 172, 140), (70, 45, 30))
    _face(pen, (470, 190), 50, (150, 100, 70), (25, 20, 20))
    return np.array(picture.filter(ImageFilter.GaussianBlur(1.5)))


def _face(pen: ImageDraw.ImageDraw, at: tuple[int, int], r: int, skin: Colour, hair: Colour) -> None:
    def oval(x1: float, y1: float, x2: float, y2: float, fill: Colour) -> None:
        pen.ellipse((at[0] + x1 * r, at[1] + y1 * r, at[0] + x2 * r, at[1] + y2 * r), fill=fill)

    shade: Colour = (int(skin[0] * 0.75), int(skin[1] * 0.75), int(skin[2] * 0.75))
    oval(-1.05, -1.5, 1.05, 0.8, hair)
    oval(-0.85, -1.15, 0.85, 1.2, skin)
    for side in (-1, 1):
        x = 0.36 * side
        oval(x - 0.19, -0.29, x + 0.19, -0.11, (245, 240, 235))
        oval(x - 0.085, -0.285, x + 0.085, -0.115, (50, 35, 25))
        oval(x - 0.25, -0.42, x + 0.25, -0.36, hair)
        oval(0.09 * side - 0.06, 0.22, 0.09 * side + 0.06, 0.31, shade)
    oval(-0.32, 0.55, 0.32, 0.75, (170, 70, 70))
    oval(-0.30, 0.64, 0.30, 0.66, (110, 40, 40))


def figures(rgb: npt.NDArray[np.uint8]) -> dict[str, dict[str, list[object]]]:
    """By network: faces from OpenCV on the letterboxed canvas; templates from ONNX Runtime on OpenCV's own chips."""
    canvas = np.zeros((384, 640, 3), np.uint8)
    canvas[: rgb.shape[0], : rgb.shape[1]] = rgb
    rows = opencv_faces(canvas)
    rows = rows[np.argsort(rows[:, 0])]
    recogniser = cv2.FaceRecognizerSF.create(str(FILES / "sface-fp32.onnx"), "")
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    chips = np.stack([np.asarray(recogniser.alignCrop(bgr, row), np.uint8)[:, :, ::-1] for row in rows])
    plain, mirror = runtime_templates(chips), runtime_templates(np.ascontiguousarray(chips[:, :, ::-1]))
    both = plain + mirror
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    landmarks = rows[:, 4:14].reshape(-1, 5, 2).round(3).tolist()
    vectors = {"vectors": plain.round(5).tolist(), "vectors_mirrored": both.round(5).tolist()}
    return {
        "yunet": {"boxes": boxes.round(3).tolist(), "landmarks": landmarks},
        "sface": {"landmarks": landmarks, **vectors},
    }


if __name__ == "__main__":
    image = draw()
    Image.fromarray(image).save(GOLDEN / "drawn_faces.png", optimize=True)
    for name, made in figures(image).items():
        (GOLDEN / f"{name}.json").write_text(json.dumps(made) + "\n")

"""Pictures in a ring of memory that a camera soon writes over. Knows when one must be copied; no driver.

A driver hands out pictures that lie in a few buffers, which it uses in turn. Most pictures are looked at once, where
they lie, and are gone before their buffer's turn comes; only one that is still wanted then is copied.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from board.picture import ArrayPicture, DevicePixels, Pixels


class RingImage(Protocol):
    """What a driver hands out: the same memory for the GPU and, by the buffer protocol, for the processor."""

    shape: tuple[int, ...]
    ptr: int


@dataclass(frozen=True)
class InRing:
    """The pixels of an image in the ring.

    The interfaces are our own: the bindings make theirs anew for each image and never free them (PyCUDA.cpp).
    """

    image: RingImage

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3)."""
        return tuple(self.image.shape)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where the GPU sees them."""
        return {"shape": self.shape, "typestr": "|u1", "data": (self.image.ptr, True), "strides": None, "version": 3}

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Where the processor sees them."""
        return dict(np.asarray(self.image).__array_interface__)


class RingPicture:
    """See :class:`board.picture.Picture`. It stays what it was, whatever the camera does.

    Args:
        image: in the ring.
        owner: whose end would free the ring; it is kept alive while the picture lies there.
    """

    def __init__(self, image: RingImage, owner: object) -> None:
        self.height_px, self.width_px = image.shape[:2]
        self._image: InRing | None = InRing(image)
        self._owner: object | None = owner
        self._own: ArrayPicture | None = None
        self._reading = threading.RLock()

    def rgb(self) -> Pixels:
        """A copy, made once: only a frame with a face worth a template is asked for it."""
        with self._reading:
            return self._copied().rgb()

    def fitted(self, width_px: int, height_px: int) -> Pixels:
        """Area-averaged down to the box."""
        with self._reading:
            if self._image is None or (self.width_px <= width_px and self.height_px <= height_px):
                return self._copied().fitted(width_px, height_px)
            return ArrayPicture(np.asarray(self._image.image)).fitted(width_px, height_px)

    @contextmanager
    def on_device(self) -> Iterator[DevicePixels | None]:
        """The ring's memory while the camera still keeps off it, None afterwards."""
        with self._reading:
            yield self._image

    def leave(self, timeout_s: float) -> bool:
        """Copy the pixels out of the ring. False when a network still reads them there after ``timeout_s``."""
        if not self._reading.acquire(timeout=timeout_s):
            return False
        try:
            self._copied()
            self._image = self._owner = None
        finally:
            self._reading.release()
        return True

    def lose(self) -> None:
        """Its memory is gone: what was not copied is black. Nobody is found in it."""
        self._own = self._own or ArrayPicture(np.zeros((self.height_px, self.width_px, 3), np.uint8))
        self._image = self._owner = None

    def _copied(self) -> ArrayPicture:
        if self._own is None:
            self._own = ArrayPicture(np.array(self._image and self._image.image))
        return self._own


class Ring:
    """The pictures that lie in a driver's buffers. One thread captures and calls this.

    Args:
        buffers: of the driver, which it writes in turn.
    """

    def __init__(self, buffers: int) -> None:
        self._lying: deque[weakref.ref[RingPicture]] = deque(maxlen=buffers)

    def make_room(self, timeout_s: float) -> bool:
        """Free the buffer that the next capture writes to. False when it is still being read: do not capture."""
        if len(self._lying) < (self._lying.maxlen or 0):
            return True
        picture = self._lying[0]()
        return picture is None or picture.leave(timeout_s)

    def add(self, image: RingImage, owner: object) -> RingPicture:
        """The picture that has just been captured, in a ring that goes with ``owner``."""
        picture = RingPicture(image, owner)
        self._lying.append(weakref.ref(picture))
        return picture

    def lose(self) -> None:
        """The driver has given the ring's memory back."""
        for reference in self._lying:
            picture = reference()
            if picture is not None:
                picture.lose()

    def clear(self, timeout_s: float) -> None:
        """Free the buffers, so that their memory can go; one that is still being read goes with its picture."""
        for reference in self._lying:
            picture = reference()
            if picture is not None:
                picture.leave(timeout_s)

"""How far a run is, as values; how it is shown is up to whoever listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from czengine.errors import Cancelled


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of a run after one more batch.

    Attributes
    ----------
    image : str
        Image being worked on.
    images_done, images : int
        Finished ones, and all.
    pixels_done, pixels : int
        Result pixels finished, and all, over all images.
    seconds : float
        Since the first tile was asked for.
    """

    image: str
    images_done: int
    images: int
    pixels_done: int
    pixels: int
    seconds: float

    @property
    def rate(self) -> float:
        """Megapixels per second so far."""
        return self.pixels_done / 1e6 / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds to go at this rate; None before the first batch."""
        return (self.pixels - self.pixels_done) / 1e6 / self.rate if self.rate > 0 else None


Listener = Callable[[Progress], None]


class CancelToken:
    """Stops a run from outside of it; any thread may call it, as often as it likes."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._asked.set()

    def check(self) -> None:
        """Raise where somebody asked.

        Raises
        ------
        Cancelled
            Always, once `cancel` was called.
        """
        if self._asked.is_set():
            raise Cancelled("stopped on request; nothing half-written was left behind")


class Tracker:
    """Adds up finished pixels over the images of a run and tells the listener."""

    def __init__(self, *, images: int, pixels: int, listener: Listener | None) -> None:
        self._images = images
        self._pixels = pixels
        self._listener = listener
        self._start = time.perf_counter()
        self._image = ""
        self._images_done = -1
        self._pixels_done = 0

    def begin(self, image: str) -> None:
        """Name the next image."""
        self._image = image
        self._images_done += 1
        self.advance(0)

    def advance(self, pixels: int) -> None:
        """Count `pixels` as finished."""
        self._pixels_done += pixels
        if self._listener is not None:
            self._listener(
                Progress(
                    image=self._image,
                    images_done=self._images_done,
                    images=self._images,
                    pixels_done=self._pixels_done,
                    pixels=self._pixels,
                    seconds=time.perf_counter() - self._start,
                )
            )

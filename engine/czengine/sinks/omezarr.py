"""Results as OME-Zarr images: complete and listed, or not there at all.

Joins the parts: `writer` writes the pixels, `staging` and `registry` make the result appear. Only this module
knows in which order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from czengine.errors import OutputError
from czengine.sinks.base import Sink, Target
from czengine.sinks.layout import plan_layout
from czengine.sinks.registry import Registration, is_image
from czengine.sinks.staging import Staging, is_taken, writing
from czengine.sinks.writer import ImageWriter
from czengine.sources.base import PlaneIndex

_T = TypeVar("_T")


def check_targets(targets: Sequence[Target]) -> None:
    """Find out early whether results can be written, by trying; nothing is left behind.

    Parameters
    ----------
    targets : sequence of Target
        Of one or several images.

    Raises
    ------
    OutputError
        Where a result is there already, another run writes it, the image's axes have no place in OME-Zarr, or
        the place cannot be written.
    """
    for target in targets:
        plan_layout(target)
        with ExitStack() as stack:
            _stage(target, stack)
            for folder in Registration([target]).folders:
                with writing(folder), tempfile.TemporaryFile(dir=folder):
                    pass


@contextmanager
def open_sink(targets: Sequence[Target]) -> Iterator[Sink]:
    """Write the results of one image.

    Leaving the context normally makes all results appear and be listed; leaving it with an error (also
    Ctrl-C) removes what was written and touches nothing else.

    Parameters
    ----------
    targets : sequence of Target
        Label images, one channel of the rows each; or one score image, which takes all channels.

    Raises
    ------
    OutputError
        See `check_targets`; and where the disk is full, or writing fails for another reason.
    """
    with ExitStack() as stack:
        stagings = [_stage(target, stack) for target in targets]
        writer = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        folders = [staging.folder for staging in stagings]
        yield OmeZarrSink(targets, folders, writer)
        _publish(targets, stagings)


class OmeZarrSink:
    """Writes rows of blocks; see `Sink`.

    zarr is only called in one other thread: a write that was begun then ends before anything else happens,
    also when the calling thread is interrupted, and no file comes back after the folder was removed.
    """

    def __init__(
        self, targets: Sequence[Target], folders: Sequence[Path], writer: ThreadPoolExecutor
    ) -> None:
        self._paths = [target.path for target in targets]
        self._writer = writer
        self._images = [
            self._run(target.path, partial(ImageWriter, target, folder))
            for target, folder in zip(targets, folders, strict=True)
        ]

    @property
    def block_height(self) -> int:
        """Rows of one block; every `write` but the last of a plane has a multiple of it."""
        return self._images[0].block_height

    def write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        """Write `rows`, (channel, height, plane width), at row `y`; see `Sink.write`."""
        taken = sum(image.channels for image in self._images)
        if len(rows) != taken:
            raise ValueError(f"rows have {len(rows)} channels, the results take {taken}")
        first = 0
        for path, image in zip(self._paths, self._images, strict=True):
            share = rows[first : first + image.channels]
            first += image.channels
            self._run(path, partial(image.write, plane, y, share))

    def _run(self, path: Path, work: Callable[[], _T]) -> _T:
        with writing(path):
            return self._writer.submit(work).result()


def _stage(target: Target, stack: ExitStack) -> Staging:
    """Make the folder the result is written into; `stack` removes it again."""
    with writing(target.path):
        if target.overwrite and is_taken(target.path) and not is_image(target.path):
            raise OutputError(
                f"{target.path} is no OME-Zarr image, and --overwrite replaces nothing else; choose another --out"
            )
    staging = Staging(target.path, overwrite=target.overwrite)
    stack.callback(staging.discard)
    staging.open()
    return staging


def _publish(targets: Sequence[Target], stagings: Sequence[Staging]) -> None:
    """Bring complete results to their places and list them: all, or none."""
    with ExitStack() as undo, writing(targets[0].path):
        registration = Registration(targets)
        undo.callback(registration.discard)
        registration.write({t.path: s.folder for t, s in zip(targets, stagings, strict=True)})
        for staging in stagings:
            undo.callback(staging.restore)
            staging.publish()
        registration.commit()
        undo.pop_all()
    for staging in stagings:
        staging.finish()

"""Results as OME-Zarr images: complete and listed, or not there at all.

Joins the parts: `writer` writes the pixels, `staging` and `registry` make the result appear. Only this module
knows in which order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from czengine.errors import OutputError
from czengine.sinks.base import Sink, Target
from czengine.sinks.layout import plan_layout
from czengine.sinks.registry import Registration, groups_above, has_copy, is_result, registering
from czengine.sinks.staging import Staging, is_taken, writing
from czengine.sinks.writer import ImageWriter
from czengine.sources.base import PlaneIndex


def check_targets(targets: Sequence[Target]) -> None:
    """Find out early whether results can be written; nothing is left behind.

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
    probed: set[Path] = set()
    for target in targets:
        plan_layout(target)
        _staging(target).check()
        Registration([target])
        with writing(target.path):
            for folder in {_existing(target.path.parent), *groups_above(target)} - probed:
                probed.add(folder)
                _probe(folder, target)


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
        sink = OmeZarrSink(targets, folders, writer)
        yield sink
        sink.finish()
        _publish(targets, stagings)


class OmeZarrSink:
    """Writes rows of blocks; see `Sink`.

    `write` returns while its rows are being written: the network works meanwhile. At most one write is under way,
    on a copy of the rows; the next one, or `finish`, waits for it and raises its error.

    Pixels are written in one other thread: a write that was begun then ends before anything else happens, also
    when the calling thread is interrupted, and no file comes back after the folder was removed.
    """

    def __init__(
        self, targets: Sequence[Target], folders: Sequence[Path], writer: ThreadPoolExecutor
    ) -> None:
        self._paths = [target.path for target in targets]
        self._writer = writer
        self._pending: Future[None] | None = None
        self._images = writer.submit(_open_images, targets, folders).result()

    @property
    def block_height(self) -> int:
        """Rows of one block; every `write` but the last of a plane has a multiple of it."""
        return self._images[0].block_height

    def write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        """Write `rows`, (channel, height, plane width), at row `y`; see `Sink.write`."""
        taken = sum(image.channels for image in self._images)
        if len(rows) != taken:
            raise ValueError(f"rows have {len(rows)} channels, the results take {taken}")
        self.finish()
        self._pending = self._writer.submit(self._write, plane, y, rows.copy())

    def finish(self) -> None:
        """Wait for the last write."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        first = 0
        for path, image in zip(self._paths, self._images, strict=True):
            with writing(path):
                image.write(plane, y, rows[first : first + image.channels])
            first += image.channels


def _open_images(targets: Sequence[Target], folders: Sequence[Path]) -> list[ImageWriter]:
    images = []
    for target, folder in zip(targets, folders, strict=True):
        with writing(target.path):
            images.append(ImageWriter(target, folder))
    return images


def _staging(target: Target) -> Staging:
    with writing(target.path):
        if target.overwrite and is_taken(target.path) and not is_result(target.path):
            raise OutputError(
                f"{target.path} is neither a label image nor a result of czengine, and --overwrite replaces nothing"
                " else; choose another --name or --out"
            )
    return Staging(target.path, overwrite=target.overwrite)


def _stage(target: Target, stack: ExitStack) -> Staging:
    """Make the folder the result is written into; `stack` removes it again."""
    staging = _staging(target)
    stack.callback(staging.discard)
    staging.open()
    return staging


def _existing(folder: Path) -> Path:
    return next(f for f in (folder, *folder.parents) if f.exists())


def _probe(folder: Path, target: Target) -> None:
    """Write into a folder whose content will change."""
    if folder == _existing(target.path.parent) or has_copy(folder, target.image.zarr_format):
        with tempfile.TemporaryFile(dir=folder):
            pass


def _publish(targets: Sequence[Target], stagings: Sequence[Staging]) -> None:
    """Bring complete results to their places and list them: all, or none."""
    with writing(targets[0].path), registering(targets) as registration, ExitStack() as undo:
        registration.write({t.path: s.folder for t, s in zip(targets, stagings, strict=True)})
        for staging in stagings:
            undo.callback(staging.restore)
            staging.publish()
        undo.callback(registration.restore)
        registration.commit()
        undo.pop_all()
    for staging in stagings:
        staging.finish()

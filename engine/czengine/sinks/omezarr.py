"""Results as OME-Zarr images: complete and listed, or not there at all.

Joins the parts: `writer` writes the pixels, `staging` and `registry` make the result appear. Only this module
knows in which order.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from czengine.errors import OutputError
from czengine.geometry import Region
from czengine.sinks.base import Target
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
def open_sink(targets: Sequence[Target], *, threads: int | None = None) -> Iterator[OmeZarrSink]:
    """Write the results of one image.

    Leaving the context normally makes all results appear and be listed; leaving it with an error (also
    Ctrl-C) removes what was written and touches nothing else.

    Parameters
    ----------
    targets : sequence of Target
        Label images, one channel of the pixels each; or one score image, which takes all channels.
    threads : int or None
        Chunks encoded at once; None takes one per core.

    Raises
    ------
    OutputError
        See `check_targets`; and where the disk is full, or writing fails for another reason.
    """
    with ExitStack() as stack:
        stagings = [_stage(target, stack) for target in targets]
        sink = OmeZarrSink(targets, [staging.folder for staging in stagings], threads)
        stack.callback(sink.close)
        yield sink
        sink.finish(1)  # a run has done it, with all its threads; an empty level must not appear
        _publish(targets, stagings)


class OmeZarrSink:
    """Writes blocks to files; see `Sink`.

    Blocks are those of the first level: whole chunks, or shards. A block is in its file when `write` returns, under
    its final name, but not forced to the disk: until the folder is renamed, none of it counts.
    """

    def __init__(self, targets: Sequence[Target], folders: Sequence[Path], threads: int | None) -> None:
        self._paths = [target.path for target in targets]
        self._images = [_open_image(t, folder, threads) for t, folder in zip(targets, folders, strict=True)]
        self._is_finished = False
        self._lock = Lock()
        self.block = self._images[0].block
        self.bytes_written = 0

    def close(self) -> None:
        """End the threads that write, where there are some of our own."""
        for image in self._images:
            image.close()

    def new_block(self, plane: PlaneIndex, region: Region) -> None:
        """Pixels may be anywhere: they are encoded into files."""
        return None

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> None:
        """Write a block, (channel, y, x); see `Sink.write`."""
        taken = sum(image.channels for image in self._images)
        if len(pixels) != taken:
            raise ValueError(f"the block has {len(pixels)} channels, the results take {taken}")
        first = 0
        for path, image in zip(self._paths, self._images, strict=True):
            mine = pixels[first : first + image.channels]
            self._carry_out(path, partial(image.write, plane, region, mine))
            first += image.channels

    def finish(self, threads: int, check: Callable[[], None] | None = None) -> None:
        """Make the coarser levels, one after the other; see `Sink.finish`. Once is enough."""
        if self._is_finished:
            return
        for number in range(1, self._images[0].levels):
            tasks = (
                partial(self._carry_out, path, make)
                for path, image in zip(self._paths, self._images, strict=True)
                for make in image.blocks(number)
            )
            _run(tasks, threads, check)
        self._is_finished = True

    def _carry_out(self, path: Path, write: Callable[[], int]) -> None:
        with writing(path):
            count = write()
        with self._lock:
            self.bytes_written += count


def _run(tasks: Iterable[Callable[[], None]], threads: int, check: Callable[[], None] | None) -> None:
    """Carry out tasks, `threads` at once; when this returns or raises, none is under way."""
    flying: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="czengine-pyramid") as pool:
        try:
            for task in tasks:
                flying.append(pool.submit(task))
                if len(flying) > threads:  # one waits, so that no thread does
                    _land(flying.popleft(), check)
            for future in flying:
                _land(future, check)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _land(future: Future[None], check: Callable[[], None] | None) -> None:
    if check is not None:
        check()
    future.result()


def _open_image(target: Target, folder: Path, threads: int | None) -> ImageWriter:
    with writing(target.path):
        return ImageWriter(target, folder, threads)


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

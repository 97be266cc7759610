"""The public verbs: `open_model`, `plan`, `run_jobs`, `predict` (both of them), `predict_array`, `inspect`.

Each joins the parts below in the order a person would; the work is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from czengine import kernels
from czengine.certificate import certify, reach_of
from czengine.compiling import Compiler
from czengine.config import InputOptions, OutputOptions, RunOptions, TilingOptions, kernel_name
from czengine.describe import describe_certificate, describe_grid, describe_job, describe_model
from czengine.errors import OptionError
from czengine.job import Job, prepare_job
from czengine.kernels.pool import PooledKernels
from czengine.meter import Meter, Trace
from czengine.model import Model, read_model
from czengine.pipeline import Pipeline
from czengine.progress import CancelToken, Listener, Tracker
from czengine.report import ImageReport
from czengine.session.devices import available_cores
from czengine.sinks.array import ArraySink
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sources.array import open_array
from czengine.sources.collection import open_images
from czengine.tiling import choose_tiling

PathLike = str | Path
ModelLike = Model | PathLike

_INPUTS = InputOptions()
_OUTPUT = OutputOptions()
_TILING = TilingOptions()
_RUN = RunOptions()


def open_model(path: PathLike) -> Model:
    """Read an archive: `.czann`, `.czmodel` or `.czseg`, whatever its name.

    Parameters
    ----------
    path : str or Path
        The archive. Nothing is extracted to disk.

    Returns
    -------
    Model
        `spec` says all that is known; `network` are the bytes of the network.

    Raises
    ------
    ArchiveError
        Where the file is not an archive, or not one that is safe to open.
    ModelError
        Where the model in it is of a kind that cannot be run.

    Examples
    --------
    >>> from czengine import example, open_model
    >>> open_model(example.model_path()).spec.tile
    (256, 256)
    """
    return read_model(Path(path))


def plan(
    model: ModelLike,
    image: PathLike,
    *,
    inputs: InputOptions = _INPUTS,
    output: OutputOptions = _OUTPUT,
    tiling: TilingOptions = _TILING,
    run: RunOptions = _RUN,
) -> tuple[Job, ...]:
    """Decide everything about a run without running it.

    Parameters
    ----------
    model : Model, str or Path
        From `open_model`, or an archive.
    image : str or Path
        An OME-Zarr image, a collection of them, or a plain zarr array.
    inputs, output, tiling, run : options
        What is read, what is written, how planes are cut, how the work is done.

    Returns
    -------
    tuple of Job
        One per image: its tiles, planes, channels, targets and memory.

    Raises
    ------
    ArchiveError, ModelError, PlanError, ImageError, OptionError, OutputError
        Where something does not go together; nothing has been written then.
    """
    opened = _opened(model)
    chosen = choose_tiling(opened, tiling, run)
    return tuple(
        prepare_job(opened.spec, source, tiling=chosen, inputs=inputs, output=output, run=run, to_files=True)
        for source in open_images(_path(image), inputs, threads=_threads(run))
    )


def predict(
    model: ModelLike,
    image: PathLike,
    *,
    inputs: InputOptions = _INPUTS,
    output: OutputOptions = _OUTPUT,
    tiling: TilingOptions = _TILING,
    run: RunOptions = _RUN,
    progress: Listener | None = None,
    cancel: CancelToken | None = None,
) -> tuple[ImageReport, ...]:
    """Run a model over an image of any size, and write the result beside it.

    Parameters
    ----------
    model, image, inputs, output, tiling, run
        See `plan`.
    progress : callable, optional
        Called with a `Progress` after every batch. An exception it raises stops the run.
    cancel : CancelToken, optional
        Stops the run, from any thread, within one batch: `Cancelled` is raised then.

    Returns
    -------
    tuple of ImageReport
        One per image: where the result is, and pixels and area per class.

    Raises
    ------
    CzEngineError
        One of its branches, see `czengine.errors`. A result appears at its place only when it is
        complete; an error or Ctrl-C leaves nothing of the image being worked on.
    """
    opened = _opened(model)
    jobs = plan(opened, image, inputs=inputs, output=output, tiling=tiling, run=run)
    return run_jobs(opened, jobs, run=run, progress=progress, check=_check(cancel))


def run_jobs(
    model: Model,
    jobs: Sequence[Job],
    *,
    run: RunOptions = _RUN,
    progress: Listener | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[ImageReport, ...]:
    """Carry out what `plan` decided, one image after the other; see `predict`.

    `check` is called many times a second in the calling thread; what it raises stops the run.
    """
    check_targets([target for job in jobs for target in job.targets])
    compiler = Compiler(model, run)
    for job in jobs[:1]:
        compiler.compiled(job)  # a device that cannot be had is told before anything is written
    tracker = Tracker(images=len(jobs), pixels=sum(job.pixels for job in jobs), listener=progress)
    reports = []
    with ExitStack() as stack:
        loops = stack.enter_context(_kernels(run))
        trace = stack.enter_context(_trace(run))
        for job in jobs:
            tracker.begin(job.info.name)
            network = compiler.compiled(job)
            with open_sink(job.targets, threads=_threads(run)) as sink:
                pipeline = Pipeline(job, network, loops, Meter(trace))
                reports.append(pipeline.run(sink, tracker.advance, check))
    return tuple(reports)


def predict_array(
    model: ModelLike,
    array: NDArray[Any],
    *,
    axes: str | None = None,
    inputs: InputOptions = _INPUTS,
    output: OutputOptions = _OUTPUT,
    tiling: TilingOptions = _TILING,
    run: RunOptions = _RUN,
    cancel: CancelToken | None = None,
) -> NDArray[Any]:
    """Run a model over a NumPy array.

    Parameters
    ----------
    model : Model, str or Path
        From `open_model`, or an archive.
    array : ndarray
        The image; bool, integer or float. Memory maps are read band by band.
    axes : str, optional
        One letter per axis, e.g. "CYX" or "YXS". May be left out for two dimensions (YX).
    inputs, output, tiling, run : options
        As for `predict`; what concerns files has no meaning here.
    cancel : CancelToken, optional
        As for `predict`.

    Returns
    -------
    ndarray
        Labels (uint8, uint16 where a label value needs it) of shape (other axes…, y, x): the array's axes
        without its channel axis, y and x last. Regression, `scores` (float32) and multi-label models
        (uint8) have one channel per output in front: (output, other axes…, y, x).

    Raises
    ------
    CzEngineError
        One of its branches, see `czengine.errors`.
    """
    opened = _opened(model)
    source = open_array(array, axes or inputs.axes)
    job = prepare_job(
        opened.spec,
        source,
        tiling=choose_tiling(opened, tiling, run),
        inputs=inputs,
        output=output,
        run=run,
        to_files=False,
    )
    compiled, info = Compiler(opened, run).compiled(job), source.info
    with _kernels(run) as loops, _trace(run) as trace:
        pipeline = Pipeline(job, compiled, loops, Meter(trace))
        sink = ArraySink(
            channels=pipeline.channels,
            planes=tuple(info.size(axis) for axis in info.axes.planes),
            height=info.height,
            width=info.width,
            dtype=pipeline.dtype,
        )
        pipeline.run(sink, lambda pixels: None, _check(cancel))
    return sink.array if pipeline.has_channels else sink.array[0]


def inspect(
    model: ModelLike,
    image: PathLike | None = None,
    *,
    inputs: InputOptions = _INPUTS,
    output: OutputOptions = _OUTPUT,
    tiling: TilingOptions = _TILING,
    run: RunOptions = _RUN,
) -> dict[str, Any]:
    """Everything known about a model, and what `predict` would do to an image, as JSON-able values.

    Raises
    ------
    CzEngineError
        As `open_model` and `plan`.
    """
    opened = _opened(model)
    jobs = (
        plan(opened, image, inputs=inputs, output=output, tiling=tiling, run=run) if image is not None else ()
    )
    reach = reach_of(opened.spec, opened.network)
    certificate = certify(reach, tiling.border or opened.spec.border)
    return {
        "model": {**describe_model(opened.spec), "certificate": describe_certificate(certificate)},
        "images": [
            {**describe_job(job), "grid": describe_grid(job.plan, certify(reach, job.tiling.border))}
            for job in jobs
        ],
    }


def _opened(model: ModelLike) -> Model:
    return model if isinstance(model, Model) else open_model(model)


def _kernels(run: RunOptions) -> PooledKernels:
    return kernels.load(kernel_name(), threads=_threads(run))


def _threads(run: RunOptions) -> int:
    return run.threads or available_cores()


def _trace(run: RunOptions) -> AbstractContextManager[Trace | None]:
    return nullcontext() if run.trace is None else Trace(run.trace)


def _check(cancel: CancelToken | None) -> Callable[[], None]:
    return (lambda: None) if cancel is None else cancel.check


def _path(image: PathLike) -> Path:
    try:
        return Path(image)
    except TypeError as error:
        raise OptionError(
            f"image is a {type(image).__name__}, not a path; predict_array takes arrays in memory"
        ) from error

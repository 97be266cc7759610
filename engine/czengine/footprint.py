"""How much memory a job takes, before it is run: bands, batches and decoded chunks, in bytes.

The runtime's own memory comes on top and is not known beforehand. Follows `pipeline`, `gather`, `stitch` and
`sinks`: what they hold at once is added up here, and a test compares the sum with what a run really takes.
"""

from __future__ import annotations

import math

from czengine.job import Job
from czengine.plan import Span
from czengine.sinks.layout import plan_layout

_CHUNKS_AT_ONCE = 10  # zarr-python's async.concurrency
_FLOAT = 4


def footprint(job: Job) -> int:
    """Bytes czengine itself holds at once; does not depend on the height of the plane nor on their number."""
    return _input_band(job) + _chunks(job) + _batches(job) + _result_bands(job)


def _input_band(job: Job) -> int:
    """One row of tiles as it is stored, and as it was transposed or mixed to gray."""
    rows = max(_inside(row, job.plan.height) for row in job.plan.rows)
    return 2 * rows * job.plan.width * len(job.inputs.read) * job.info.dtype.itemsize


def _inside(row: Span, height: int) -> int:
    return min(row.roi_stop, height) - max(row.roi_start, 0)


def _chunks(job: Job) -> int:
    count = math.prod(math.ceil(n / c) for n, c in zip(job.info.shape, job.info.chunks, strict=True))
    return min(count, _CHUNKS_AT_ONCE) * math.prod(job.info.chunks) * job.info.dtype.itemsize


def _batches(job: Job) -> int:
    """One batch in, one out."""
    return _FLOAT * job.batch * math.prod(job.plan.tile) * (job.spec.channels + job.spec.outputs)


def _result_bands(job: Job) -> int:
    """Rows that do not fill a block yet, rows being written, and a row of blocks per pyramid level."""
    tallest = max(row.size for row in job.plan.rows)
    total = 0
    for target in job.targets:
        layout = plan_layout(target)
        y, x = layout.axes.index("y"), layout.axes.index("x")
        pixel = target.dtype.itemsize * max(len(target.channels), 1)
        block = layout.levels[0].blocks[y]
        total += 2 * pixel * job.plan.width * min(block - 1 + tallest, job.plan.height)
        total += sum(pixel * level.shape[x] * min(level.blocks[y], level.shape[y]) for level in layout.levels)
    return total

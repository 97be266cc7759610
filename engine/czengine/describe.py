"""Models and jobs as JSON-able values, for `czengine inspect --json` and programs that read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from czengine.certificate import Certificate, on_grid, verdict
from czengine.job import Job
from czengine.plan import TilePlan
from czengine.spec import ModelSpec


def describe_model(spec: ModelSpec) -> dict[str, Any]:
    """Every field of a ModelSpec; tuples become lists in JSON."""
    fields = asdict(spec)
    del fields["origins"]
    return {**fields, "inferred": spec.inferred}


def describe_job(job: Job) -> dict[str, Any]:
    """What `predict` would do to one image.

    `memory_bytes` are czengine's own cells, batches and blocks; the runtime's memory comes on top.
    """
    info = job.info
    return {
        "name": info.name,
        "axes": str(info.axes),
        "shape": list(info.shape),
        "dtype": str(info.dtype),
        "ngff": info.ngff,
        "level": info.level,
        "planes": len(job.planes),
        "tiles_per_plane": len(job.plan),
        "tiles": job.tiles,
        "tiling": {
            "method": job.tiling.method,
            "tile": list(job.plan.tile),
            "border": list(job.tiling.border),
        },
        "recompute_factor": round(job.recompute_factor, 3),
        "channels": list(job.inputs.read),
        "divisor": job.inputs.divisor,
        "memory_bytes": job.memory.footprint.total,
        "memory": asdict(job.memory.footprint),
        "stripes": len({sweep.stripe.left for sweep in job.sweeps}),
        "results": [str(target.path) for target in job.targets],
        "batch": job.batch,
        "exists": [str(target.path) for target in job.targets if target.path.exists()],
        "notes": list(job.notes),
    }


def describe_certificate(certificate: Certificate) -> dict[str, Any]:
    """What a network's graph proves about a border, and the sentence that says so."""
    return {
        **asdict(certificate),
        "exact": certificate.exact,
        "enough": certificate.enough,
        "sentence": certificate.sentence,
    }


def describe_grid(plan: TilePlan, certificate: Certificate) -> dict[str, Any]:
    """Where tiles lie on the stride grid; the verdict joins that with the certificate, of the border they have."""
    grid = on_grid(plan, certificate.stride)
    return {
        **asdict(grid),
        "exact": grid.exact,
        "sentence": grid.sentence,
        "verdict": verdict(certificate, grid),
    }

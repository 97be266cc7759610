"""From a model and what is wanted of it to a session: the network is fitted to the tile, rewritten, compiled.

`graph` knows how to rewrite and what pays where, `session` how to run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from czengine.config import RunOptions
from czengine.graph.fuse import Fused, Purpose, fuse, worthwhile
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx
from czengine.job import Job
from czengine.kernels.base import OPAQUE
from czengine.model import Model
from czengine.session.base import Network, Session
from czengine.session.devices import Device, available_cores
from czengine.session.open import network_of, on_first, open_session
from czengine.spec import Task

if TYPE_CHECKING:
    from onnx import ModelProto

_KEPT = 4  # networks: each holds weights and memory of its own, and images of a collection may differ in size
_RAW = ("uint8", "uint16")  # pixel types that may go into a network as they are


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A network, ready to run a job.

    Attributes
    ----------
    session : Session
        The network on its device.
    divisor : float
        What pixels are still to be divided by before they go in.
    confidence : float or None
        What scores are to be compared with.
    changes : tuple of str
        How the network was rewritten.
    notes : tuple of str
        What a user should know, e.g. why a device was not taken.
    """

    session: Session
    divisor: float
    confidence: float | None
    changes: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Compiler:
    """Compiles a model for the jobs of a run, once for all that are alike and follow soon; a few are kept.

    Parameters
    ----------
    model : Model
        From an archive.
    run : RunOptions
        Device, threads, and whether the network may be rewritten.
    """

    def __init__(self, model: Model, run: RunOptions) -> None:
        self._model, self._run = model, run
        self._known: dict[Any, Compiled] = {}

    def compiled(self, job: Job) -> Compiled:
        """The network for a job.

        Raises
        ------
        DeviceError, MissingExtra
            Where the device that was asked for cannot be had.
        ModelError
            Where the runtime refuses the network.
        """
        key = (
            job.plan.tile,
            job.batch,
            job.task,
            job.min_confidence,
            job.info.dtype,
            job.inputs.divisor,
            OPAQUE in job.inputs.channels,
        )
        found = self._known.pop(key, None) or self._compile(job)
        self._known[key] = found  # the last one used is the last one to go
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return found

    def _compile(self, job: Job) -> Compiled:
        """On the first device that takes the network."""
        network = self._fitted(job)
        compiled, notes = on_first(self._run.device, lambda device: self._on(device, job, network))
        return replace(compiled, notes=notes)

    def _fitted(self, job: Job) -> Network:
        """The network as the archive has it, for tiles of the job's size."""
        network = network_of(self._model.spec, self._model.network)
        if job.plan.tile == self._model.spec.tile:
            return network
        return replace(network, model=_bytes(retile(parse_onnx(network.model), job.plan.tile)))

    def _on(self, device: Device, job: Job, network: Network) -> Compiled:
        divisor, confidence = job.inputs.divisor, job.min_confidence
        changes: tuple[str, ...] = ()
        if self._run.compile:
            purpose = worthwhile(_purpose(job), device.provider)
            fused = fuse(parse_onnx(network.model), purpose, channels=network.channels)
            divisor, confidence, changes = fused.divisor, fused.confidence, fused.changes
            network = _rewritten(network, fused)
        session = open_session(
            network,
            tile=job.plan.tile,
            batch=job.batch,
            threads=self._run.threads or available_cores(),
            device=device,
        )
        return Compiled(session=session, divisor=divisor, confidence=confidence, changes=changes)


def _purpose(job: Job) -> Purpose:
    """What the result is needed for, which says how the network may be rewritten."""
    one_class = job.task is Task.SEGMENTATION
    raw = job.info.dtype.name in _RAW and OPAQUE not in job.inputs.channels
    inside = one_class and job.min_confidence is None
    return Purpose(
        task=job.task,
        confidence=job.min_confidence,
        labels=tuple(c.label for c in job.spec.classes) if inside else None,
        pixels=job.info.dtype.name if raw else None,
        divisor=job.inputs.divisor,
    )


def _rewritten(network: Network, fused: Fused) -> Network:
    return replace(
        network,
        model=fused.model.SerializeToString(),
        layout=fused.layout,
        output_layout=fused.output_layout,
        dtype=np.dtype(fused.dtype),
        gives=fused.gives,
    )


def _bytes(model: ModelProto) -> bytes:
    return bytes(model.SerializeToString())

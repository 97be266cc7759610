"""Networks as an exporter writes them that knows their size, and how to run any."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto


def pictures(*shape: int) -> NDArray[np.float32]:
    """Noise between ½ and 1½."""
    return np.random.default_rng(0).uniform(0.5, 1.5, shape).astype(np.float32)


def run_any(model: ModelProto, batch: NDArray[Any]) -> NDArray[Any]:
    """Output for a batch in the network's own layout."""
    return np.asarray(_session(model).run(None, {model.graph.input[0].name: batch})[0])


def run_all(model: ModelProto, batch: NDArray[Any], names: Sequence[str]) -> list[NDArray[Any]]:
    """The tensors of these names, whether the network gives them or not."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return [np.asarray(value) for value in _session(copy).run(None, {model.graph.input[0].name: batch})]


def baked(model: ModelProto, *dims: int) -> ModelProto:
    """The network with its input fixed to `dims`, and all that follows from them folded into constants."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (fixed.graph.input[0], fixed.graph.output[0]):
        for dim, length in zip(value.type.tensor_type.shape.dim, dims, strict=True):
            dim.dim_value = length
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baked.onnx"
        _session(fixed, path)
        return onnx.load(path)


def _session(model: ModelProto, save: Path | None = None) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if save is not None:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(save)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

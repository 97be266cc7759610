"""Writes a network in another ONNX opset, in the oldest file version that can hold it, so that old readers open it.

The conversion itself is onnx's own. What an opset means for the archive's readers is not judged here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from czconverter.graphs.names import copy_of
from czconverter.graphs.running import alike
from czconverter.reasons import reason
from czengine.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

_DEFAULT_DOMAINS = ("", "ai.onnx")
_WEIGHTS_ARE_NO_INPUTS = 4  # from this IR version on, initializers need not be inputs too
_LOCAL_FUNCTIONS = 8  # the first IR version that has them


def opset_of(model: ModelProto) -> int:
    """Version of the default domain.

    Raises
    ------
    ModelError
        Where the network has other domains only.
    """
    for entry in model.opset_import:
        if entry.domain in _DEFAULT_DOMAINS:
            return int(entry.version)
    others = ", ".join(entry.domain for entry in model.opset_import) or "none"
    raise ModelError(
        f"the network has no ONNX operator set (its operator sets: {others}); export it again with standard operators"
    )


def with_opset(model: ModelProto, opset: int) -> ModelProto:
    """The network in `opset` of the default domain, and in the oldest IR version that goes with it.

    Weights that are inputs as well, as files of IR version 3 have them, are inputs no more.

    Raises
    ------
    ModelError
        Where the network has an operator that onnx cannot write in that opset.
    """
    before = opset_of(model)
    changed = weights_inside(model)
    if opset != before:
        changed = _converted(changed, before, opset)
    changed.ir_version = _oldest_ir(changed)
    return changed


def weights_inside(model: ModelProto) -> ModelProto:
    """A copy in which no weight is an input as well."""
    copy = copy_of(model)
    weights = {tensor.name for tensor in copy.graph.initializer}
    weights |= {sparse.values.name for sparse in copy.graph.sparse_initializer}
    inputs = [value for value in copy.graph.input if value.name not in weights]
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    copy.ir_version = max(copy.ir_version, _WEIGHTS_ARE_NO_INPUTS)
    return copy


def _converted(model: ModelProto, before: int, opset: int) -> ModelProto:
    """By onnx, or under another number: what a trial shows to compute the same."""
    from onnx import version_converter

    why = f"as onnx writes it in opset {opset}, it computes something else"
    for rewrite in (version_converter.convert_version, _relabelled):
        try:
            written = rewrite(model, opset)
            if alike(model, written):
                return written
        except MissingExtra:
            raise
        except Exception as error:  # a RuntimeError by its adapters, others by its checks
            if rewrite is version_converter.convert_version:
                why = _reason(error)
    raise ModelError(
        f"the network cannot be written in opset {opset} from its opset {before}: {why};"
        f" convert it with opset {before}, or export it again with opset {opset}"
    )


def _relabelled(model: ModelProto, opset: int) -> ModelProto:
    """The same nodes under another opset number, if onnx's checker lets them pass.

    onnx has hardly any way down, though most operators only learnt more types since.
    """
    from onnx import checker

    relabelled = copy_of(model)
    for entry in relabelled.opset_import:
        if entry.domain in _DEFAULT_DOMAINS:
            entry.version = opset
    checker.check_model(relabelled, full_check=True)
    return relabelled


def _reason(error: Exception) -> str:
    """The operator that is in the way, where onnx names it, or what it says."""
    adapter = re.search(r"No Adapter (?:From|To) Version \$?(\d+) for (\w+)", str(error))
    if adapter:
        return f"onnx cannot rewrite {adapter[2]} of opset {adapter[1]}"
    return reason(error).partition(" failed: ")[2] or reason(error)


def _oldest_ir(model: ModelProto) -> int:
    from onnx import helper

    oldest = helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    return max(oldest, _WEIGHTS_ARE_NO_INPUTS, _LOCAL_FUNCTIONS if model.functions else 0)

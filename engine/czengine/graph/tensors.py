"""What is known of the tensors of a graph for a tile of a given size: shape, small values, and where they look.

Nothing is run but arithmetic on a few numbers, which is how a graph computes sizes from the shape of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from czengine.graph.lines import Line, NotFollowed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto, TypeProto

Lines = tuple[Line | None, ...]
Shape = tuple[int, ...]

MALFORMED = (
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
)  # what nodes can raise that are not as they should be
_FEW = 64
_CALCULATED = (
    "Add And Cast Ceil Concat Constant Div Equal Flatten Floor Gather Greater GreaterOrEqual Identity Less LessOrEqual"
    " Max Min Mul Neg Not Or Reciprocal ReduceProd Reshape Shape Slice Sqrt Squeeze Sub Transpose Unsqueeze Where"
)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What is known of a tensor.

    Attributes
    ----------
    type : TypeProto or None
        As onnx's shape inference has it.
    value : array or None
        Of a small tensor that does not depend on pixels.
    lines : tuple of (Line or None), or None
        For each axis, which pixels it runs over; None where the tensor depends on no pixel, or nobody can tell.
    varies : bool
        Whether it depends on the values of pixels.
    measured : bool
        Whether it depends on the size of the tile.
    picture : int or None
        Number of the one picture of the batch that it depends on; None for any, or where batches have only one.
    """

    type: TypeProto | None = None
    value: NDArray[Any] | None = None
    lines: Lines | None = None
    varies: bool = False
    measured: bool = False
    picture: int | None = None

    @property
    def shape(self) -> Shape:
        """Length of every axis.

        Raises
        ------
        NotFollowed
            Where one is not known.
        """
        if self.type is None or not self.type.tensor_type.HasField("shape"):
            raise NotFollowed
        dims = self.type.tensor_type.shape.dim
        if not all(dim.HasField("dim_value") for dim in dims):
            raise NotFollowed
        return tuple(dim.dim_value for dim in dims)


def constant(tensor: TensorProto) -> Tensor:
    """What is known of weights or settings."""
    from onnx import helper, numpy_helper

    few = sum(1 for _ in tensor.dims) < 3 and all(dim <= _FEW for dim in tensor.dims)
    if any(dim < 0 for dim in tensor.dims):
        return Tensor()
    try:
        value = numpy_helper.to_array(tensor) if few else None
    except Exception:  # of numpy or onnx, for a tensor that is not what it says
        return Tensor()
    return Tensor(type=helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims)), value=value)


def output_types(node: NodeProto, known: Mapping[str, Tensor], opset: int) -> Mapping[str, TypeProto]:
    """Types of the outputs of a node.

    Raises
    ------
    NotFollowed
        If onnx cannot tell, for an operator or inputs that it does not know.
    """
    from onnx import defs, helper, numpy_helper, shape_inference

    inputs = {name: known[name] for name in node.input if name}
    types = {name: tensor.type for name, tensor in inputs.items() if tensor.type is not None}
    values = {
        name: numpy_helper.from_array(tensor.value, name)
        for name, tensor in inputs.items()
        if tensor.value is not None
    }
    if len(types) < len(inputs) or _is_fatal(node, known):
        raise NotFollowed
    try:
        schema = defs.get_schema(node.op_type, max_inclusive_version=opset)
        found = shape_inference.infer_node_outputs(
            schema, node, types, values, opset_imports=[helper.make_opsetid("", opset)]
        )
    except Exception as error:  # of onnx, for a node that is wrong in any way
        raise NotFollowed from error
    if any(dim.dim_value < 0 for kind in found.values() for dim in kind.tensor_type.shape.dim):
        raise NotFollowed
    return found


def _is_fatal(node: NodeProto, known: Mapping[str, Tensor]) -> bool:
    """Whether onnx might end the process instead of raising an error, as trying all operators at random showed.

    So it does for lengths below nought, which `output_types` and `constant` let nobody see.
    """
    numbers = [a.i for a in node.attribute if a.name == "num_outputs"]
    return (
        node.op_type == "GatherND"
        or (node.op_type == "Split" and any(number != len(node.output) for number in numbers))
        or (node.op_type == "Slice" and 0 in known[node.input[0]].shape)
        or any(a.HasField("g") or a.graphs for a in node.attribute)
    )


def calculated(node: NodeProto, known: Mapping[str, Tensor], opset: int) -> NDArray[Any] | None:
    """Value of the first output of a node that does not depend on pixels, where it is a matter of a few numbers."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Shape":
        try:
            return _shape(node, known[node.input[0]].shape)
        except NotFollowed:
            return None
    values = {name: known[name].value for name in node.input if name}
    if node.op_type == "Div" and any(
        value is not None and value.min(initial=0) < 0 for value in values.values()
    ):
        return None  # whole numbers: older versions of onnx round down, runtimes towards zero
    if node.op_type not in _CALCULATED.split() or any(value is None for value in values.values()):
        return None
    inputs = [helper.make_empty_tensor_value_info(name) for name in values]
    output = helper.make_empty_tensor_value_info(node.output[0])
    graph = helper.make_graph([node], "numbers", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        result: Any = next(iter(ReferenceEvaluator(model).run(None, values)))
    except Exception as error:  # of numpy, for a node that is wrong in any way
        raise NotFollowed from error
    return result if getattr(result, "size", _FEW + 1) <= _FEW else None


def _shape(node: NodeProto, shape: Shape) -> NDArray[Any]:
    import numpy as np

    ends = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(shape[ends.get("start") : ends.get("end")], np.int64)

"""A TensorFlow function as one graph without anything outside of it: variables and captured values become constants.

Nothing here knows Keras or ONNX. Only this module knows what a graph carries of the process that traced it: the
functions of loops and branches have numbers in their names that count everything traced before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from czconverter import frameworks
from czconverter.reasons import reason
from czengine.errors import CzEngineError, ModelError

Dims = tuple[int | None, int | None, int | None, int | None]
_VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "AssignVariableOp"})


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """One picture in, one picture out, float32 (batch, y, x, channel).

    Attributes
    ----------
    graph : tf.GraphDef
        Placeholder, constants and operations.
    input, output : str
        Names of the two tensors in it, e.g. "input:0".
    input_dims, output_dims : (batch, y, x, channel)
        None where open.
    """

    graph: Any = field(repr=False)
    input: str
    output: str
    input_dims: Dims
    output_dims: Dims


def trace(function: Callable[[Any], Any], dims: Dims) -> Any:
    """The function for one float32 tensor of these dims, as a tf.ConcreteFunction.

    Raises
    ------
    ModelError
        Where TensorFlow cannot make a graph of it.
    """
    tf = frameworks.load("tensorflow")
    spec = tf.TensorSpec(dims, tf.float32, name="input")
    try:
        with frameworks.quiet():
            return tf.function(function, input_signature=[spec], autograph=False).get_concrete_function()
    except CzEngineError:
        raise
    except Exception as error:  # it runs the model's own code, which raises anything
        raise ModelError(f"TensorFlow cannot make a graph of the network: {reason(error)}") from error


def freeze(function: Callable[[Any], Any], dims: Dims) -> Frozen:
    """The function for one float32 tensor of these dims, as a graph that needs nothing else.

    The same function gives the same graph, byte by byte, however much was traced before.

    Raises
    ------
    ModelError
        Where TensorFlow cannot make a graph of it, or the graph needs something that is no tensor.
    """
    frozen, graph = _frozen(trace(function, dims))
    if _calls(graph):
        with _inlined():
            frozen, graph = _frozen(trace(function, dims))
    if len(frozen.inputs) != 1:
        others = ", ".join(repr(tensor.name.partition(":")[0]) for tensor in frozen.inputs[1:4])
        raise ModelError(
            f"the network keeps something that is no tensor, such as a lookup table ({others}); leave it out of the"
            " model"
        )
    number_functions(graph)
    _check_variables(graph)
    return Frozen(
        graph=graph,
        input=frozen.inputs[0].name,
        output=frozen.outputs[0].name,
        input_dims=dims,
        output_dims=_output_dims(dims, frozen.outputs[0].shape),
    )


def _frozen(traced: Any) -> tuple[Any, Any]:
    """The traced function with constants for variables, and its GraphDef."""
    module = frameworks.load("tensorflow.python.framework.convert_to_constants")
    try:
        with frameworks.quiet():
            frozen = module.convert_variables_to_constants_v2(traced, lower_control_flow=False)
            return frozen, frozen.graph.as_graph_def()
    # grappler's, protobuf's and TensorFlow's own errors; one of them for 2 GiB and more
    except Exception as error:
        raise ModelError(
            f"the network's weights cannot be made part of its graph: {reason(error)}"
        ) from error


def _calls(graph: Any) -> bool:
    """Whether functions are called that were not inlined, because they are meant for XLA, as grouped convolutions."""
    return any(node.op in ("PartitionedCall", "StatefulPartitionedCall") for node in graph.node)


@contextmanager
def _inlined() -> Iterator[None]:
    """While open, a tf.function that is called is not traced by itself, so that what it does stands in its caller."""
    config = frameworks.load("tensorflow").config
    before = config.functions_run_eagerly()
    config.run_functions_eagerly(run_eagerly=True)
    try:
        yield
    finally:
        config.run_functions_eagerly(before)


def number_functions(graph: Any) -> None:
    """Rename the functions of a GraphDef and their inputs, in place, in order of use; drop those without use."""
    library = {function.signature.name: function for function in graph.library.function}
    names: dict[str, str] = {}
    _number(graph.node, library, names)
    for nodes in (graph.node, *(function.node_def for function in library.values())):
        for holder, attribute in _references(nodes):
            setattr(holder, attribute, names.get(getattr(holder, attribute), getattr(holder, attribute)))
    used = [library[name] for name in names]
    for function in used:
        function.signature.name = names[function.signature.name]
        _number_inputs(function)
    kept = [type(function).FromString(function.SerializeToString()) for function in used]
    del graph.library.function[:]
    graph.library.function.extend(kept)


def _number(nodes: Any, library: dict[str, Any], names: dict[str, str]) -> None:
    for holder, attribute in _references(nodes):
        name = getattr(holder, attribute)
        if name in library and name not in names:
            names[name] = f"function_{len(names)}"
            _number(library[name].node_def, library, names)


def _references(nodes: Any) -> Iterator[tuple[Any, str]]:
    """(message, field) of all that may name a function: calls by operator, and attributes."""
    for node in nodes:
        yield node, "op"
        for _, value in sorted(node.attr.items()):
            for function in [value.func] if value.HasField("func") else value.list.func:
                yield function, "name"


def _number_inputs(function: Any) -> None:
    """Inputs without use carry the number of a function in their name."""
    names: dict[str, str] = {}
    for i, argument in enumerate(function.signature.input_arg):
        names[argument.name] = f"function_input_{i}"
        argument.name = names[argument.name]
    for node in function.node_def:
        node.input[:] = [names.get(name, name) for name in node.input]
    for result, source in list(function.ret.items()):
        function.ret[result] = names.get(source, source)


def _check_variables(graph: Any) -> None:
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    left = sorted({node.name for node in nodes if node.op in _VARIABLES})
    if left:
        raise ModelError(
            f"the network changes or hides variables ({', '.join(left[:3])}), so its weights cannot be made part of"
            " its graph; export it for inference"
        )


def _output_dims(dims: Dims, shape: Any) -> Dims:
    """Height and width are the input's, which is checked elsewhere; the graph often cannot tell."""
    last = shape[-1] if shape.rank == 4 else None
    return dims[0], dims[1], dims[2], last

"""A copy of a network that may be changed: who makes a tensor, who uses it, and small safe edits.

Knows nothing of scores or pixels. Nothing is remembered between edits but names, so that nothing can be outdated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from czengine.graph.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

_CONSTANTS = 4  # from this IR version on, weights need not be inputs, and then cannot be overridden


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A network as it is being rewritten.

    Attributes
    ----------
    model : ModelProto
        Changed in place; without functions.
    signature : Signature
        Of the network as it was.
    """

    model: ModelProto
    signature: Signature
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._taken.update(_names(self.graph))
        self.model.ir_version = max(self.model.ir_version, _CONSTANTS)
        weights = {tensor.name for tensor in self.graph.initializer}
        _keep(self.graph.input, [value for value in self.graph.input if value.name not in weights])
        del self.graph.value_info[:]  # true of the graph as it was
        self._gather_constants()

    @property
    def graph(self) -> GraphProto:
        """The graph, to be changed in place."""
        return self.model.graph

    @property
    def opset(self) -> int:
        """Of ONNX."""
        return self.signature.opset or 1

    @property
    def source(self) -> ValueInfoProto:
        """The input."""
        value: ValueInfoProto = self.graph.input[0]
        return value

    @property
    def result(self) -> ValueInfoProto:
        """The output."""
        value: ValueInfoProto = self.graph.output[0]
        return value

    def maker(self, name: str) -> NodeProto | None:
        """The node that gives a tensor; None for inputs and weights."""
        return next((node for node in self.graph.node if name in node.output), None) if name else None

    def users(self, name: str) -> list[NodeProto]:
        """Nodes that read a tensor, also from inside their subgraphs."""
        return [node for node in self.graph.node if name in reads(node)]

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is a weight."""
        return any(tensor.name == name for tensor in self.graph.initializer)

    def constant(self, name: str) -> NDArray[Any] | None:
        """Value of a weight."""
        from onnx import numpy_helper

        tensors = (tensor for tensor in self.graph.initializer if tensor.name == name)
        tensor = next(tensors, None)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def setting(self, node: NodeProto, name: str, index: int) -> list[int] | None:
        """Whole numbers that are an attribute in early opsets, and a constant input in later ones."""
        found = attribute(node, name, None)
        if found is None and index < len(node.input):
            value = self.constant(node.input[index])
            found = None if value is None else value.ravel().tolist()
        return None if found is None else [int(number) for number in found]

    def fresh(self, base: str) -> str:
        """A name that no tensor and no node of this graph has."""
        name, count = base, 1
        while name in self._taken:
            name, count = f"{base}_{count}", count + 1
        self._taken.add(name)
        return name

    def weight(self, value: NDArray[Any] | np.generic, base: str) -> str:
        """Name of a new constant."""
        import numpy as np
        from onnx import numpy_helper

        name = self.fresh(base)
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], base: str, **settings: Any) -> NodeProto:
        """A new node, of one output and not yet in the graph, named like its output."""
        from onnx import helper

        name = self.fresh(base)
        return helper.make_node(operator, inputs, [name], name=name, **settings)

    def replace(self, old: str, new: str) -> None:
        """Let all that reads `old` read `new`; who makes them, and the output, stay."""
        for node in self.graph.node:
            rename_inputs(node, {old: new})

    def rename(self, old: str, new: str) -> None:
        """Give a tensor another name, where it is made and where it is read."""
        maker = self.maker(old)
        if maker is not None:
            maker.output[:] = [new if name == old else name for name in maker.output]
        self.replace(old, new)

    def bypass(self, node: NodeProto, source: str) -> bool:
        """Take `source` for the only output of a node; False where the network would be left without an output."""
        (gone,) = node.output
        if gone != self.result.name:
            self.replace(gone, source)
        elif self.maker(source) is None:
            return False
        self.graph.node.remove(node)
        if gone == self.result.name:
            self.rename(source, gone)
        return True

    def prune(self) -> None:
        """Drop nodes and weights that the output does not need."""
        needed, kept = {self.result.name}, []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(reads(node))
        _keep(self.graph.node, kept[::-1])
        for weights in (self.graph.initializer, self.graph.sparse_initializer):
            names = [w.values.name if hasattr(w, "values") else w.name for w in weights]
            for index in reversed([i for i, name in enumerate(names) if name not in needed]):
                del weights[index]

    def _gather_constants(self) -> None:
        """Make weights of Constant nodes, so that there is one place to look for them."""
        constants = [node for node in self.graph.node if operator(node) == "Constant" and node.output[:1]]
        for node in constants:
            for tensor in (item.t for item in node.attribute if item.name == "value"):
                self.graph.initializer.add().CopyFrom(tensor)
                self.graph.initializer[-1].name = node.output[0]
                self.graph.node.remove(node)


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """Value of an attribute."""
    from onnx import helper

    found = (helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    return next(found, default)


def operator(node: NodeProto | None) -> str:
    """What a node does; "" where that is not ONNX's to say, or there is no node."""
    return node.op_type if node is not None and node.domain in ("", "ai.onnx") else ""


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Graphs among the attributes of a node: branches of an If, the body of a Loop."""
    for item in node.attribute:
        if item.HasField("g"):
            yield item.g
        yield from item.graphs


def reads(node: NodeProto) -> set[str]:
    """Tensors that a node and its subgraphs name as something to read."""
    found = set(node.input)
    for graph in subgraphs(node):
        found.update(value.name for value in graph.output)
        for inner in graph.node:
            found |= reads(inner)
    return found - {""}


def rename_inputs(node: NodeProto, names: dict[str, str]) -> None:
    """Let a node and its subgraphs read other tensors."""
    if not names.keys() & reads(node):
        return
    node.input[:] = [names.get(name, name) for name in node.input]
    for graph in subgraphs(node):
        for value in graph.output:
            value.name = names.get(value.name, value.name)
        for inner in graph.node:
            rename_inputs(inner, names)


def made_by(nodes: Iterable[NodeProto]) -> set[str]:
    """All tensors that come to be in nodes and in their subgraphs."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.output)
        for graph in subgraphs(node):
            found.update(value.name for values in (graph.input, graph.initializer) for value in values)
            found |= made_by(graph.node)
    return found - {""}


def rename_all(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename tensors wherever a node or its subgraphs read or make them."""
    for ends in (node.input, node.output):
        ends[:] = [names.get(name, name) for name in ends]
    for graph in subgraphs(node):
        for values in (graph.input, graph.output, graph.initializer, graph.value_info):
            for value in values:
                value.name = names.get(value.name, value.name)
        for inner in graph.node:
            rename_all(inner, names)


def _names(graph: GraphProto) -> Iterator[str]:
    """Of all tensors and nodes, subgraphs included."""
    for values in (graph.input, graph.output, graph.initializer):
        yield from (value.name for value in values)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in subgraphs(node):
            yield from _names(inner)


def _keep(repeated: Any, kept: list[Any]) -> None:
    """Leave only these; they are elements of `repeated`, copied before it is emptied."""
    copies = [type(item).FromString(item.SerializeToString()) for item in kept]
    del repeated[:]
    repeated.extend(copies)

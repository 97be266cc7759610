"""A node on the way of the pixels through a graph, with what its inputs are known to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from czengine.graph.lines import Line, NotFollowed, merged
from czengine.graph.tensors import Lines, Shape, Tensor

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True, kw_only=True)
class Step:
    """A node.

    Attributes
    ----------
    node : NodeProto
        As it is in the graph.
    opset : int
        Of ONNX.
    inputs : sequence of (Tensor or None)
        None for one that is left out.
    result : tuple of int
        Shape of the first output.
    pixels : (height, width, batch)
        Of the tiles.
    """

    node: NodeProto
    opset: int
    inputs: Sequence[Tensor | None]
    result: Shape
    pixels: tuple[int, int, int]

    @property
    def lines(self) -> Lines:
        """Axes of the first input.

        Raises
        ------
        NotFollowed
            If others depend on pixels too.
        """
        first = self.inputs[0]
        if first is None or first.lines is None or any(i is not None and i.varies for i in self.inputs[1:]):
            raise NotFollowed
        return first.lines

    @property
    def shape(self) -> Shape:
        """Shape of the first input."""
        return self.tensor(0).shape

    def tensor(self, index: int) -> Tensor:
        """An input that must be there."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise NotFollowed
        return tensor

    def get(self, name: str, default: Any) -> Any:
        """Value of an attribute."""
        from onnx import helper

        found = (helper.get_attribute_value(a) for a in self.node.attribute if a.name == name)
        value = next(found, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def numbers(self, index: int) -> list[Any] | None:
        """Value of an input; None where it is left out or empty.

        Raises
        ------
        NotFollowed
            If only running the network tells it.
        """
        if index >= len(self.inputs) or self.inputs[index] is None:
            return None
        value = self.tensor(index).value
        if value is None:
            raise NotFollowed
        return list(value.ravel().tolist()) or None

    def setting(self, name: str, index: int) -> list[Any] | None:
        """Numbers that are an attribute in early opsets, and an input in later ones."""
        found = self.get(name, None)
        return self.numbers(index) if found is None else list(found)

    def free_of_pixels(self, *axes: int) -> None:
        """Refuse nodes that mix elements along these axes of the first input where they run over pixels."""
        if any(self.lines[axis] is not None for axis in axes):
            raise NotFollowed

    def read(
        self, axis: int, taps: Callable[[int], Sequence[int]], *, outputs: int = 1, inputs: int = 1
    ) -> Line | None:
        """`Line.read` along an axis of the first input, the same axis in the output; None where it has no pixels."""
        line = self.lines[axis]
        if line is None:
            return None
        found = line.read(taps, outputs=outputs, inputs=inputs)
        length, end = self.shape[axis], self.result[axis]
        before = any(element < 0 for j in range(outputs) for element in taps(j))
        after = any(e >= length for j in range(max(0, end - outputs), end) for e in taps(j))
        if before or after:
            framed = line.framed(length, self.pixels[line.source])
            found = merged([found, framed.read(taps, outputs=outputs, inputs=inputs)])
        return found

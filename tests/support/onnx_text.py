"""Small ONNX networks written down as text, for graphs that have a quirk on purpose.

network("output = Relu (input)")
network("output = Reshape (input, shape)", weights="int64[4] shape = {-1, 32, 32, 2}")
"""

from __future__ import annotations

from typing import Any


def network(
    body: str,
    *,
    dims: str = "N,32,32,2",
    result: str | None = None,
    dtype: str = "float",
    result_dtype: str = "float",
    weights: str = "",
    opset: int = 12,
    ir_version: int = 7,
) -> Any:
    """A ModelProto of `body`, which makes "output" of "input"; `result` are the output's dims, `dims` by default."""
    import onnx

    return onnx.parser.parse_model(
        f'<ir_version: {ir_version}, opset_import: ["" : {opset}]>\n'
        f"network ({dtype}[{dims}] input) => ({result_dtype}[{result or dims}] output)\n"
        + (f"<{weights}>\n" if weights else "")
        + f"{{ {body} }}"
    )


def dims_of(value: Any) -> list[int | str]:
    """Dims of an input or output: numbers, names, "" where unknown."""
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]

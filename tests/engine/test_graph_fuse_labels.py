"""Labels that a network chooses itself are those of the stitch kernel, to the last odd case."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.spec import Task
from tests.support.fusing import made_of, run
from tests.support.onnx_text import network

ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 3e38, 1e-40)


def chosen(labels: tuple[int, ...], *, dims: str = "", opset: int = 13) -> Fused:
    """Labels of the input itself."""
    model = network("output = Relu (input)", dims=dims or f"n,h,w,{len(labels)}", opset=opset)
    model.graph.node[0].op_type = "Identity"
    return fuse(model, Purpose(task=Task.SEGMENTATION, labels=labels))


def labels_of(scores: NDArray[Any], labels: tuple[int, ...]) -> NDArray[Any]:
    return made_of(scores, Task.SEGMENTATION, None, labels)


@given(
    scores=arrays.arrays(np.float32, (1, 3, 4, 3), elements=st.sampled_from([np.float32(x) for x in ODD])),
    labels=st.lists(st.integers(0, 65535), min_size=3, max_size=3).map(tuple) | st.just((1, 2, 3)),
    opset=st.integers(9, 21),
)
@settings(max_examples=80)
def test_ties_and_odd_values(scores: NDArray[Any], labels: tuple[int, ...], opset: int) -> None:
    fused = chosen(labels, opset=opset)
    assert fused.changes == ("labels chosen inside",)
    onnx.checker.check_model(fused.model, full_check=True)
    found = run(fused.model, scores)
    expected = labels_of(scores, labels)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_channels_first() -> None:
    fused = chosen((1, 2, 3), dims="n,3,h,w")
    scores = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    scores[0, 1, 2, 1] = np.nan
    found = run(fused.model, scores.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(found, labels_of(scores, (1, 2, 3)))
    assert found[0, 1, 2] == 0


@pytest.mark.parametrize(("last", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_the_smallest_type_that_holds_all_labels(last: int, dtype: type) -> None:
    scores = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    for labels in ((last - 1, last), (1, last), (last, 1)):
        found = run(chosen(labels).model, scores)
        assert found.dtype == dtype
        assert sorted(np.unique(found)) == sorted(labels)


def test_the_output_says_what_it_is() -> None:
    (value,) = chosen((1, 2), dims="n,64,48,2").model.graph.output
    assert value.name == "output"
    assert value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim] == ["n", 64, 48]


@pytest.mark.parametrize(
    "purpose",
    [
        Purpose(task=Task.SEGMENTATION, labels=(1, 2), confidence=0.5),
        Purpose(task=Task.MULTILABEL, labels=(1, 2), confidence=0.5),
        Purpose(task=Task.REGRESSION, labels=(1, 2)),
        Purpose(task=Task.SEGMENTATION, labels=()),
        Purpose(task=Task.SEGMENTATION, labels=(1, 2, 3)),  # the network has two outputs
        Purpose(task=Task.SEGMENTATION, labels=(1, 65536)),
        Purpose(task=Task.SEGMENTATION, labels=(-1, 2)),
    ],
)
def test_scores_where_labels_cannot_be_chosen_inside(purpose: Purpose) -> None:
    fused = fuse(network("output = Neg (input)", dims="n,32,32,2"), purpose)
    assert (fused.gives, fused.changes, fused.confidence) == ("scores", (), purpose.confidence)


def test_old_opsets_cannot_tell_what_is_no_number() -> None:
    assert chosen((1, 2), opset=8).changes == ()

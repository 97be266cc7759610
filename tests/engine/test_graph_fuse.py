"""A rewritten network gives the labels, thresholds and scores of the network as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto

from czengine.errors import ModelError
from czengine.graph.fuse import Fused, Purpose, fuse, worthwhile
from czengine.graph.signature import parse_onnx, read_signature
from czengine.model import Model, read_model
from czengine.spec import Task
from tests.support.fusing import check, made_of, result_of, scores_of, sure_of
from tests.support.onnx_text import network
from tests.support.shared import reference_names, shared_path
from tests.support.tails import DROPPED, HEIGHT, KEPT, WIDTH, networks


def pixels_for(model: ModelProto, dtype: str, seed: int = 0) -> NDArray[Any]:
    """Two pictures (n, y, x, channel)."""
    channels = read_signature(model).channels or 1
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.random((2, HEIGHT, WIDTH, channels)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (2, HEIGHT, WIDTH, channels), dtype, endpoint=True)


@st.composite
def purposes(draw: st.DrawFn) -> Purpose:
    task = draw(st.sampled_from(list(Task)))
    confidence = draw(st.floats(0.01, 0.99))
    return Purpose(
        task=task,
        confidence=confidence if task is Task.MULTILABEL else None,
        pixels=draw(st.sampled_from([None, "uint8", "uint16", "int16"])),
        divisor=draw(st.sampled_from([1.0, 255.0, 65535.0])),
        turned=draw(st.booleans()),
    )


@given(model=networks(*DROPPED, *KEPT), purpose=purposes(), inside=st.booleans())
@settings(max_examples=150)
def test_random_networks_give_the_same_result(model: ModelProto, purpose: Purpose, inside: bool) -> None:
    classes = read_signature(model).outputs or 0
    labels = tuple(range(1, classes + 1)) if inside else None
    pixels = pixels_for(model, purpose.pixels or "uint16")
    expected = scores_of(model, pixels, purpose.divisor)
    if purpose.task is not Task.REGRESSION and sure_of(expected, purpose).mean() <= 0.5:
        return  # scores of a saturated network say nothing
    fused = check(model, Purpose(**{**vars(purpose), "labels": labels}), pixels)
    assert fused.dtype == (purpose.pixels or "float32")
    assert fused.divisor == (1.0 if purpose.pixels else purpose.divisor)
    assert (fused.gives == "labels") == (inside and purpose.task is Task.SEGMENTATION)


@given(model=networks(*DROPPED))
@settings(max_examples=60)
def test_every_form_of_softmax_is_dropped(model: ModelProto) -> None:
    fused = fuse(model, Purpose(task=Task.SEGMENTATION))
    assert "softmax dropped" in fused.changes
    left = {node.op_type for node in fused.model.graph.node}
    assert left.isdisjoint({"Softmax", "LogSoftmax", "Sigmoid", "Exp", "ReduceSum", "ReduceMax"})


@given(model=networks(*DROPPED, *KEPT))
@settings(max_examples=60)
def test_both_ends_become_channels_first(model: ModelProto) -> None:
    signature = read_signature(model)
    fused = fuse(model, Purpose(task=Task.SEGMENTATION))
    assert fused.layout == "NCHW"
    assert read_signature(fused.model).layout == "NCHW"
    if fused.output_layout == "NHWC":
        assert signature.output_layout == "NHWC"
        assert signature.opset is not None
        # Something along the last axis has to stay, and cannot be along another; or both ways of a concatenation turn.
        assert signature.opset < 13 or any(node.op_type == "Concat" for node in fused.model.graph.node)
    else:
        assert read_signature(fused.model).output_layout == "NCHW"


@given(model=networks(*KEPT))
@settings(max_examples=40)
def test_what_may_not_be_changed_stays(model: ModelProto) -> None:
    """Scores that a person sees, or compares with a number of his own, are those of the network to the last bit."""
    for purpose in (Purpose(task=Task.REGRESSION), Purpose(task=Task.SEGMENTATION, confidence=0.4)):
        pixels = pixels_for(model, "float32")
        if purpose.task is not Task.REGRESSION and sure_of(scores_of(model, pixels), purpose).mean() <= 0.5:
            continue  # scores of a saturated network say nothing
        fused = check(model, purpose, pixels)
        assert fused.gives == "scores"
        assert fused.confidence == purpose.confidence
        scores = scores_of(model, pixels_for(model, "float32"))
        found = result_of(fused, Purpose(task=Task.REGRESSION), pixels_for(model, "float32"), ())
        np.testing.assert_array_equal(found, scores)
    assert fuse(model, Purpose(task=Task.SEGMENTATION)).changes.count("softmax dropped") == 0


def purpose_of(model: Model, *, inside: bool) -> Purpose:
    labels = tuple(item.label for item in model.spec.classes)
    return Purpose(
        task=model.spec.task,
        confidence=0.5 if model.spec.task is Task.MULTILABEL else None,
        labels=labels if inside and labels else None,
        pixels="uint16" if inside else None,
        divisor=65535.0,
    )


@pytest.mark.parametrize("name", reference_names())
def test_reference_archives(name: str) -> None:
    model = read_model(shared_path(f"reference/{name}"))
    proto = parse_onnx(model.network)
    size = (256, 256) if read_signature(proto).size == (None, None) else model.spec.tile
    pixels = np.random.default_rng(0).integers(0, 2**16, (1, *size, model.spec.channels), np.uint16)
    for inside in (False, True):
        fused = check(proto, purpose_of(model, inside=inside), pixels)
        assert ("softmax dropped" in fused.changes) == (model.spec.task is Task.SEGMENTATION)
        assert fused.gives == ("labels" if inside and model.spec.task is Task.SEGMENTATION else "scores")
        assert ("2 loops written out" in fused.changes) == ("N2V" in name)


@pytest.fixture(scope="module")
def nuclei() -> tuple[Model, NDArray[Any]]:
    """The network of ZEN, and a tile of a real image."""
    image = zarr.open_array(str(shared_path("data/pgc/PGC_20X_v05.ome.zarr") / "0"), mode="r")
    model = read_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg"))
    height, width = model.spec.tile
    return model, np.asarray(image[..., :height, :width]).reshape(1, height, width, 1)


def test_a_network_of_zen_on_a_real_image(nuclei: tuple[Model, NDArray[Any]]) -> None:
    model, pixels = nuclei
    proto = parse_onnx(model.network)
    scores = scores_of(proto, pixels, 65535.0)
    for inside in (False, True):
        purpose = purpose_of(model, inside=inside)
        fused = fuse(proto, purpose)
        assert fused.changes[:2] == ("softmax dropped", "output left channels-first")
        left = {node.op_type for node in fused.model.graph.node}
        assert left.isdisjoint({"Exp", "Transpose", "ReduceSum"})
        labels = (1, 2)
        expected = made_of(scores, Task.SEGMENTATION, None, labels)
        sure = sure_of(scores, purpose)
        np.testing.assert_array_equal(result_of(fused, purpose, pixels, labels)[sure], expected[sure])
        assert np.unique(expected[sure]).tolist() == [1, 2]


def test_nothing_to_do_gives_the_network_itself() -> None:
    model = network("output = Relu (input)", dims="N,2,32,32")
    fused = fuse(model, Purpose(task=Task.SEGMENTATION))
    assert fused == Fused(
        model=model,
        layout="NCHW",
        output_layout="NCHW",
        dtype="float32",
        gives="scores",
        divisor=1.0,
        confidence=None,
        changes=(),
    )
    assert fused.model is model


@pytest.mark.parametrize(
    "nodes",
    [
        "output = Softmax <axis = 3> ()",
        "a = Neg (input) output = Softmax <axis = 3> (a, a) b = Loop (a, a)",
        "a = Transpose <perm = [0, 9, 1, 2]> (input) output = Softmax <axis = 1> (a)",
        "a = Softmax (input) output = Transpose <perm = [0, 3, 1, 1]> (a)",
        "a = Neg (input) output, b = Softmax (a)",
        "a = Exp (input) b = ReduceSum <axes = [77]> (a) output = Div (a)",
        "a = Reshape (input, shape) output = Neg (a)",
        "output = Softmax (output)",
        "a = Transpose <perm = [0, 1, 2, 3]> (b) b = Transpose <perm = [0, 1, 2, 3]> (a) output = Softmax (a)",
        "a = Neg (b) b = Neg (a) output = Neg (a)",
    ],
)
def test_malformed_nodes_are_left_to_the_runtime(nodes: str) -> None:
    model = network(nodes, weights="int64[2] shape = {-1, 0}")
    fused = fuse(model, Purpose(task=Task.SEGMENTATION, labels=(1, 2)))
    assert fused.layout == "NHWC"


def test_what_is_no_image_to_image_is_refused() -> None:
    with pytest.raises(ModelError, match="has 3 axes"):
        fuse(network("output = Relu (input)", dims="N,2,32"), Purpose(task=Task.SEGMENTATION))


def test_channels_settle_an_unclear_layout() -> None:
    model = network("output = Softmax <axis = 1> (input)", dims="1,3,8,8", opset=13)
    assert (
        fuse(model, Purpose(task=Task.SEGMENTATION), channels=3).changes == ()
    )  # softmax of an input: all there is
    turned = network("output = Transpose <perm = [0, 3, 1, 2]> (input)", dims="1,3,8,8", opset=13)
    assert fuse(turned, Purpose(task=Task.SEGMENTATION), channels=3).layout == "NCHW"


def test_functions_are_written_out() -> None:
    import onnx

    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        network (float[n,32,32,2] input) => (float[n,32,32,2] output) {
            a = Neg (input) output = own.chances (a) }
        <domain: "own", opset_import: ["" : 17]> chances (x) => (y) { y = Softmax <axis = 3> (x) }"""
    )
    pixels = np.random.default_rng(0).random((1, 32, 32, 2)).astype(np.float32)
    fused = check(model, Purpose(task=Task.SEGMENTATION), pixels)
    assert fused.changes == ("softmax dropped",)
    assert [node.op_type for node in fused.model.graph.node] == ["Neg"]
    assert len(fused.model.functions) == 0


def test_what_pays_differs_between_providers() -> None:
    asked = Purpose(task=Task.SEGMENTATION, labels=(1, 2), pixels="uint8", divisor=255.0)
    scores = Purpose(task=Task.SEGMENTATION, divisor=255.0)
    assert worthwhile(asked, "cpu") == scores
    assert worthwhile(asked, "openvino") == Purpose(task=Task.SEGMENTATION, divisor=255.0, turned=False)
    assert worthwhile(asked, "cuda") == asked
    assert worthwhile(scores, "cuda") == scores
    bare = Purpose(task=Task.SEGMENTATION, turned=False)
    assert worthwhile(bare, "cpu") == bare

"""Models as bytes; those of more than 2 GB are told so wherever they come to be written."""

from __future__ import annotations

import os

import onnx
import pytest

from czconverter.graphs.check import check_onnx
from czconverter.graphs.names import copy_of
from czconverter.graphs.serializing import LARGEST, serialized
from czengine.errors import ModelError
from tests.support.archives import onnx_network

_NEEDED = 8 * 2**30  # bytes of memory, for a model and what protobuf makes of it


def test_bytes_and_copies_are_the_model() -> None:
    model = onnx.ModelProto.FromString(onnx_network())
    assert onnx.ModelProto.FromString(serialized(model)) == model
    copy = copy_of(model)
    copy.graph.name = "another"
    assert model.graph.name != "another"


@pytest.mark.skipif(
    os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < _NEEDED, reason="needs 8 GiB of memory"
)
def test_more_than_2_gb_is_too_much() -> None:
    model = onnx.ModelProto.FromString(onnx_network())
    weights = model.graph.initializer.add(
        name="w", data_type=onnx.TensorProto.UINT8, dims=[LARGEST + 1], raw_data=bytes(LARGEST + 1)
    )
    assert len(weights.raw_data) > LARGEST
    with pytest.raises(ModelError) as caught:
        check_onnx(model)
    assert str(caught.value) == (
        "the network has more than 2 GB, which an ONNX file in an archive cannot hold; make it smaller"
    )

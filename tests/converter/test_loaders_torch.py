"""PyTorch modules, exported programs and their files: what is written computes the same, the source stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from czconverter.graphs.running import OnnxRunner
from czconverter.loaders.torch import TorchNetwork, from_exported, from_module, load_torch_file
from czconverter.steps import RgbToBgr, Shift
from czengine.errors import ModelError, OptionError
from czengine.graph.signature import read_signature
from tests.support.frameworks import need
from tests.support.torch_models import exported, layers, unet


def _pictures(batch: int = 3, height: int = 16, width: int = 24, channels: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random((batch, height, width, channels), dtype=np.float32)


def _check_written(found: TorchNetwork, opset: int) -> None:
    written = found.to_onnx(opset)
    onnx.checker.check_model(written, full_check=True)
    signature = read_signature(written)
    assert (signature.layout, signature.output_layout, signature.opset) == ("NHWC", "NHWC", opset)
    assert (signature.size, signature.channels, signature.fixed_batch) == ((16, 24), 3, None)
    for batch in (1, 3):
        picture = _pictures(batch)
        expected = found.run(picture)
        assert expected.shape == (batch, 16, 24, 2)
        np.testing.assert_allclose(OnnxRunner(written).run(picture), expected, atol=1e-5)


@pytest.mark.parametrize("opset", [12, 17, 18])
def test_a_module(opset: int) -> None:
    need("onnxscript")
    _check_written(from_module(unet()).sized(16, 24, 3), opset)


def test_an_exported_program() -> None:
    need("onnxscript")
    found = from_exported(exported(unet(), 2, 3, 16, 24))
    assert (found.kind, found.channels, found.size) == ("PyTorch exported program", 3, (16, 24))
    _check_written(found, 18)


def test_run_is_what_the_module_does() -> None:
    torch = need("torch")
    module = unet().eval()
    picture = _pictures()
    with torch.no_grad():
        expected = module(torch.from_numpy(picture).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(from_module(module).run(picture), expected, atol=1e-6)


def test_the_users_module_stays_as_it_is() -> None:
    need("onnxscript")
    module = unet().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = from_module(module).sized(16, 24, 3)
    found.run(_pictures())
    found.to_onnx(12)
    assert module.training
    assert all((module.state_dict()[name] == value).all() for name, value in before.items())


def test_half_precision_becomes_float() -> None:
    need("torch")
    found = from_module(layers().half())
    assert found.run(_pictures()).dtype == np.float32


def test_what_it_says_about_itself() -> None:
    need("onnxscript")
    found = from_module(layers())
    assert (found.kind, found.channels, found.size, found.opset) == (
        "PyTorch module",
        None,
        (None, None),
        None,
    )
    assert found.framework.startswith("torch ")
    assert from_module(layers(), channels=3, size=(16, 16)).size == (16, 16)
    assert found.notes == ()


def test_steps_are_put_around_it() -> None:
    need("onnxscript")
    found = from_module(layers()).sized(16, 24, 3)
    written = found.to_onnx(12, before=[RgbToBgr()], after=[Shift(1.0)])
    picture = _pictures()
    expected = found.run(picture[..., ::-1]) + 1
    np.testing.assert_allclose(OnnxRunner(written).run(picture), expected, atol=1e-5)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    need("onnxscript")
    from_module(layers()).sized(16, 24, 3).to_onnx(18)
    assert capfd.readouterr() == ("", "")


# --- refusals


def test_a_module_needs_a_size() -> None:
    need("onnxscript")
    with pytest.raises(ModelError, match="exported for one size; give --spatial-dims HEIGHT WIDTH"):
        from_module(layers()).to_onnx(17)


def test_wrong_channels_are_told_with_the_reason() -> None:
    need("torch")
    with pytest.raises(
        ModelError, match=r"16 × 24 pixels with 1 channels: .*expected input.*to have 3 channels"
    ):
        from_module(layers()).sized(16, 24, 1)
    with pytest.raises(ModelError, match="takes 3 channels, not 1"):
        from_module(layers(), channels=3).sized(16, 24, 1)


def test_an_exported_program_keeps_its_size() -> None:
    need("torch")
    found = from_exported(exported(layers(), 2, 3, 16, 24))
    assert found.sized(16, 24, 3).size == (16, 24)
    with pytest.raises(ModelError, match=r"was exported for 16 × 24 pixels; export it for 32 × 32, or pass"):
        found.sized(32, 32, 3)


def test_an_exported_program_of_open_size_can_be_fixed() -> None:
    torch = need("torch")
    need("onnxscript")
    side = torch.export.Dim("side", min=4)
    dims = ({0: torch.export.Dim("batch"), 2: 2 * side, 3: 2 * torch.export.Dim("width", min=4)},)
    module = torch.nn.Conv2d(3, 2, 3, padding=1).eval()
    found = from_exported(torch.export.export(module, (torch.zeros(2, 3, 20, 28),), dynamic_shapes=dims))
    assert found.size == (None, None)
    _check_written(found.sized(16, 24, 3), 18)


def test_batches_of_exported_programs() -> None:
    need("onnxscript")
    with pytest.raises(ModelError, match=r"takes 2 pictures at a time; export it with dynamic_shapes="):
        from_exported(exported(layers(), 2, 3, 16, 24, batch=False))
    found = from_exported(exported(layers(), 1, 3, 16, 24, batch=False))
    assert found.run(_pictures(3)).shape == (3, 16, 24, 2)
    assert read_signature(found.to_onnx(18)).fixed_batch == 1


def test_an_exported_program_has_no_older_opset() -> None:
    need("onnxscript")
    found = from_exported(exported(layers(), 2, 3, 16, 24))
    with pytest.raises(
        ModelError, match="cannot be written in opset 12 from its opset 17: onnx cannot rewrite"
    ):
        found.to_onnx(12)


def test_operators_that_onnx_does_not_have_are_named() -> None:
    torch = need("torch")
    need("onnxscript")

    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.special.bessel_j0(x)

    found = from_module(Odd()).sized(8, 8, 1)
    for opset in (12, 18):
        with pytest.raises(ModelError, match=rf"as ONNX opset {opset}: .*bessel_j0"):
            found.to_onnx(opset)


def test_results_that_are_no_picture() -> None:
    torch = need("torch")

    class Two(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x, x

    with pytest.raises(ModelError, match="gives a tuple, not one tensor"):
        from_module(Two()).run(_pictures())
    with pytest.raises(ModelError, match="gives 2 axes; a picture for every picture is needed"):
        from_module(torch.nn.Flatten()).run(_pictures())


def test_several_inputs_are_refused() -> None:
    torch = need("torch")

    class Sum(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    program = torch.export.export(Sum(), (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)))
    with pytest.raises(ModelError, match="has 2 inputs and 1 outputs; exactly one of each"):
        from_exported(program)


def test_keras_layers_are_refused() -> None:
    need("torch")
    layer = type("Layer", (), {"__module__": "keras.layers"})()
    with pytest.raises(OptionError, match="Layer is a Keras layer"):
        from_module(layers()).to_onnx(17, before=[layer])


def test_there_is_no_saved_model(tmp_path: Path) -> None:
    need("torch")
    with pytest.raises(ModelError, match="a PyTorch network cannot become a SavedModel"):
        from_module(layers()).to_saved_model(tmp_path)


# --- files


def test_a_program_whose_sizes_follow_from_others(tmp_path: Path) -> None:
    """A U-Net takes even sizes only, which is said as twice something; PyTorch itself cannot write it from a file."""
    torch = need("torch")
    need("onnxscript")
    half = {axis: 2 * torch.export.Dim(f"half{axis}", min=2, max=512) for axis in (2, 3)}
    shapes = ({0: torch.export.Dim("batch"), **half},)
    module = unet(1).eval()
    program = torch.export.export(module, (torch.zeros(2, 1, 16, 16),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    batch = np.random.default_rng(0).random((2, 32, 24, 1)).astype(np.float32)
    found = load_torch_file(tmp_path / "net.pt2").sized(32, 24, 1)
    np.testing.assert_allclose(found.run(batch), from_module(module).run(batch), atol=1e-6)


def test_a_file_of_an_exported_program(tmp_path: Path) -> None:
    torch = need("torch")
    need("onnxscript")
    program = exported(unet(), 2, 3, 16, 24)
    torch.export.save(program, tmp_path / "a.pt2")
    found = load_torch_file(tmp_path / "a.pt2")
    np.testing.assert_array_equal(found.run(_pictures()), from_exported(program).run(_pictures()))
    _check_written(found, 17)


@pytest.mark.parametrize("name", ["a.pt", "a.pth"])
def test_a_file_of_a_module(tmp_path: Path, name: str) -> None:
    torch = need("torch")
    torch.save(layers(), tmp_path / name)
    found = load_torch_file(tmp_path / name, channels=3, size=(16, 24))
    assert (found.kind, found.channels, found.size) == ("PyTorch module file", 3, (16, 24))
    np.testing.assert_array_equal(found.run(_pictures()), from_module(layers()).run(_pictures()))


def test_a_file_of_a_module_in_the_form_before_torch_1_6(tmp_path: Path) -> None:
    torch = need("torch")
    torch.save(layers(), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(
        ModelError, match=r"it needs more than tensors and layers of torch.nn.*torch.export.save"
    ):
        load_torch_file(tmp_path / "a.pt")


def test_a_file_with_a_class_of_its_own(tmp_path: Path) -> None:
    torch = need("torch")
    module = layers()
    module.append(torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(2, 2, 1)).parametrizations)
    torch.save(module, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"a.pt: it needs torch.nn.utils.*no layer of torch.nn.*export.save"):
        load_torch_file(tmp_path / "a.pt")


def test_a_file_of_weights(tmp_path: Path) -> None:
    torch = need("torch")
    torch.save(layers().state_dict(), tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"holds weights only, not the network; load them into your module"):
        load_torch_file(tmp_path / "a.pt")


def test_torchscript(tmp_path: Path) -> None:
    torch = need("torch")
    module = layers().eval()
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.trace"):
        script = torch.jit.trace(module, torch.zeros(1, 3, 16, 24))
    script.save(str(tmp_path / "a.pt"))
    with pytest.raises(ModelError, match=r"a.pt: it is TorchScript.*torch.export.save"):
        load_torch_file(tmp_path / "a.pt")
    with pytest.raises(ModelError, match="the module is TorchScript"):
        from_module(script)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x02 no pickle", b"text"])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    need("torch")
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"a.pt: it (is no PyTorch file, or damaged|needs more than tensors)"
    ):
        load_torch_file(tmp_path / "a.pt")

"""OME-NGFF attributes: what is read, what is forgiven, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from czengine.errors import ImageError, OptionError
from czengine.geometry import Axes
from czengine.sources.axes import given_axes, is_color, plain_axes
from czengine.sources.ngff import dataset_paths, listed_paths, parse_multiscale

YX = [{"name": "y", "type": "space", "unit": "micrometer"}, {"name": "x", "type": "space"}]


def scale(*numbers: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(numbers)}


def image(**changes: Any) -> dict[str, Any]:
    """A minimal 0.4 image, with parts replaced; None removes a part."""
    parts: dict[str, Any] = {
        "version": "0.4",
        "axes": YX,
        "datasets": [{"path": "0", "coordinateTransformations": [scale(0.5, 0.25)]}],
    }
    parts.update(changes)
    return {"multiscales": [{key: value for key, value in parts.items() if value is not None}]}


def test_a_minimal_image_is_read_completely() -> None:
    found = parse_multiscale(image(), "i.zarr")
    assert (found.version, found.axes, found.units) == ("0.4", Axes(("y", "x")), ("micrometer", None))
    assert [(d.path, d.scale, d.translation) for d in found.datasets] == [("0", (0.5, 0.25), (0.0, 0.0))]
    assert (found.channel_names, found.channel_colors) == ((), ())


def test_version_05_lies_under_ome() -> None:
    found = parse_multiscale({"ome": {"version": "0.5", **image()}}, "i.zarr")
    assert found.version == "0.5"


def test_transformations_of_level_and_pyramid_are_composed_in_order() -> None:
    level = [scale(2, 3), {"type": "translation", "translation": [10, 20]}]
    whole = [scale(0.5, 10), {"type": "translation", "translation": [1, 1]}]
    datasets = [{"path": "/0/", "coordinateTransformations": level}]
    found = parse_multiscale(image(datasets=datasets, coordinateTransformations=whole), "i.zarr")
    assert found.datasets[0].path == "0"
    assert found.datasets[0].scale == (1.0, 30.0)
    assert found.datasets[0].translation == (6.0, 201.0)


def test_missing_and_identity_transformations_mean_scale_one() -> None:
    datasets = [{"path": "0"}, {"path": "1", "coordinateTransformations": [{"type": "identity"}, 7]}]
    found = parse_multiscale(image(datasets=datasets), "i.zarr")
    assert [d.scale for d in found.datasets] == [(1.0, 1.0), (1.0, 1.0)]


def test_axis_names_follow_their_type_and_become_lower_case() -> None:
    axes = [
        {"name": "Frame", "type": "time"},
        {"name": "channels", "type": "channel"},
        {"name": "angle"},
        {"name": "Y", "type": "space"},
        {"name": "X", "type": "space"},
    ]
    found = parse_multiscale(image(axes=axes, datasets=[{"path": "0"}]), "i.zarr")
    assert found.axes.names == ("t", "c", "angle", "y", "x")
    assert found.axes.planes == ("t", "angle")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": None}, "the list 'axes' is missing or empty"),
        ({"axes": [{"type": "space"}, YX[1]]}, "an axis has no name"),
        ({"axes": ["y", "x"]}, "an axis has no name"),
        ({"axes": [YX[0], {"name": "z"}]}, "i.zarr has the axes YZ: there is no X axis"),
        ({"axes": [YX[0], YX[0], YX[1]]}, "axis Y is there twice"),
        ({"datasets": []}, "the list 'datasets' is missing or empty"),
        ({"datasets": [{}]}, "an entry of 'datasets' has no path"),
        ({"datasets": ["0"]}, "an entry of 'datasets' has no path"),
        ({"datasets": [{"path": "./"}]}, "an entry of 'datasets' has no path"),
        (
            {"datasets": [{"path": "../j.zarr/0"}]},
            "i.zarr list '../j.zarr/0', which lies outside of it; give its",
        ),
        (
            {"datasets": [{"path": "0", "coordinateTransformations": [scale(1)]}]},
            r"a scale is \[1\], not 2 numbers",
        ),
        (
            {"coordinateTransformations": [{"type": "translation", "path": "t"}]},
            "a translation is None, not 2 numbers",
        ),
        ({"coordinateTransformations": [{"type": "scale", "scale": [1, True]}]}, "not 2 numbers"),
        ({"coordinateTransformations": [scale(1, float("nan"))]}, r"a scale is \[1, nan\], not 2 numbers"),
        ({"coordinateTransformations": [scale(1, float("inf"))]}, r"a scale is \[1, inf\], not 2 numbers"),
        ({"coordinateTransformations": [scale(1, 10**400)]}, "not 2 numbers"),
        ({"version": "0.2"}, r"i.zarr is OME-Zarr 0.2; supported are 0.4 and 0.5"),
    ],
)
def test_damaged_metadata_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_multiscale(image(**changes), "i.zarr")


@pytest.mark.parametrize(
    "attributes", [{}, {"multiscales": {}}, {"multiscales": []}, {"ome": {"version": "0.5"}}]
)
def test_attributes_without_an_image_say_so(attributes: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match=r"the list 'multiscales' is missing or empty"):
        parse_multiscale(attributes, "i.zarr")
    assert dataset_paths(attributes) == ()


def test_a_later_version_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match=r"i.zarr is OME-Zarr 0.6.dev2; supported are 0.4 and 0.5"):
        parse_multiscale({"ome": {"version": "0.6.dev2", **image(version=None)}}, "i.zarr")
    with pytest.raises(ImageError, match=r"multiscales\[0\] is not an object"):
        parse_multiscale({"multiscales": ["0"]}, "i.zarr")


@pytest.mark.parametrize(
    ("omero", "names", "colors"),
    [
        ({"channels": [{"label": "DAPI", "color": "0000FF"}, {}]}, ("DAPI", "1"), ("0000FF", None)),
        ({"channels": [{"color": "0000FF"}, 3]}, (), ("0000FF", None)),
        ({"channels": [{"label": 5, "color": ["FF0000"]}]}, (), (None,)),
        ({"channels": "none"}, (), ()),
        ("broken", (), ()),
        (None, (), ()),
    ],
)
def test_a_broken_omero_block_leaves_the_image_readable(
    omero: Any, names: tuple[str, ...], colors: tuple[str | None, ...]
) -> None:
    found = parse_multiscale({**image(), "omero": omero}, "i.zarr")
    assert (found.channel_names, found.channel_colors) == (names, colors)


def test_listed_paths_keep_order_and_drop_repetitions() -> None:
    wells = {"wells": [{"path": "B/1"}, {"path": "A/1/"}, {"path": "./B//1"}]}
    assert listed_paths(wells, "wells", "p.zarr") == ("B/1", "A/1")
    with pytest.raises(ImageError, match=r"the object that lists 'wells' is missing"):
        listed_paths(None, "wells", "p.zarr")


@pytest.mark.parametrize(
    ("text", "dimensions", "message"),
    [
        ("QYX", 3, "axes 'QYX' has the unknown letter 'q'; use TCZYXS"),
        ("Y,X", 3, "unknown letter ','"),
        ("YX", 3, "axes 'YX' names 2 axes, but the array has 3 dimensions"),
        ("CZY", 3, "there is no X axis"),
        ("CTZ", 3, "there is no Y and no X axis"),
        ("YYX", 3, "axis Y is there twice"),
        ("CYXS", 4, "C and S both hold channels"),
    ],
)
def test_given_axes_that_cannot_be_are_refused(text: str, dimensions: int, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        given_axes(text, dimensions)


@pytest.mark.parametrize(
    ("option", "dimensions", "stored", "expected"),
    [
        ("xcy", 3, [("t", "y", "x")], "xcy"),
        (None, 3, [("time", "Y", "X"), ("c", "y", "x")], "tyx"),
        (None, 3, [(None, "y", "x"), ("channel", "y", "x")], "cyx"),
        (None, 3, [("lat", "lon", "h"), ("c", "y", "x")], "cyx"),
        (None, 2, [("row", "col"), None], "yx"),
        (None, 2, [("x", "y")], "xy"),
        (None, 2, [], "yx"),
    ],
)
def test_plain_axes_come_from_the_best_witness(
    option: str | None, dimensions: int, stored: list[Any], expected: str
) -> None:
    assert plain_axes(option, dimensions, stored, "a.zarr") == Axes(tuple(expected))


@pytest.mark.parametrize("dimensions", [0, 1])
def test_an_image_has_two_dimensions(dimensions: int) -> None:
    message = f"a.zarr is a {dimensions}-D array; an image has at least the axes Y and X"
    with pytest.raises(ImageError, match=message):
        plain_axes(None, dimensions, [None], "a.zarr")


@pytest.mark.parametrize(("dimensions", "example"), [(3, "CYX, ZYX or YXS"), (4, "TCYX"), (5, "TCZYX")])
def test_axes_nobody_names_are_an_error(dimensions: int, example: str) -> None:
    message = f"a.zarr is a {dimensions}-D array whose axes are unknown; name them, e.g. --axes {example}"
    with pytest.raises(ImageError, match=message):
        plain_axes(None, dimensions, [None, None], "a.zarr")


RGB = ("FF0000", "00FF00", "0000FF")


@pytest.mark.parametrize(
    ("axes", "channels", "dtype", "names", "colors", "expected"),
    [
        ("yxs", 3, "u2", (), (), True),
        ("yxs", 4, "f4", (), (), True),
        ("yxs", 2, "u1", (), (), False),
        ("cyx", 3, "u2", (), RGB, True),
        ("cyx", 3, "u2", (), ("#ff0000", "00ff00", "0000ffff"), True),
        ("cyx", 4, "u2", (), (*RGB, "FFFFFF"), True),
        ("cyx", 3, "u2", (), (RGB[2], RGB[1], RGB[0]), False),
        ("cyx", 3, "u2", ("Red", "Green", "Blue"), (), True),
        ("cyx", 4, "f4", ("R", "G", "B", "A"), ("FFFFFF",) * 4, True),
        ("cyx", 3, "u1", (), (), True),
        ("cyx", 3, "u1", (), (None, None, None), True),
        ("cyx", 3, "u1", (), (None, "00FF00", None), False),
        ("cyx", 5, "u1", (), (), False),
        ("cyx", 3, "u2", (), (), False),
        ("yx", 1, "u1", (), (), False),
    ],
)
def test_what_counts_as_a_colour_picture(
    axes: str,
    channels: int,
    dtype: str,
    names: tuple[str, ...],
    colors: tuple[str | None, ...],
    expected: bool,
) -> None:
    assert is_color(Axes.parse(axes), channels, np.dtype(dtype), names, colors) is expected

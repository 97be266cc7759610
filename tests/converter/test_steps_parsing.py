"""Steps as written on a command line."""

from __future__ import annotations

import pytest

from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    RgbaToBgra,
    RgbToBgr,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czconverter.steps.parsing import parse_step, step_names
from czengine.errors import OptionError


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("rgb-to-bgr", RgbToBgr()),
        ("rgba-to-bgra", RgbaToBgra()),
        ("per-image-standardization", PerImageStandardization()),
        ("sigmoid-to-softmax-scores", SigmoidToSoftmaxScores()),
        ("softmax", Softmax()),
        (" softmax ", Softmax()),
        ("transpose-channels:order=2,1,0", TransposeChannels((2, 1, 0))),
        ("transpose-channels:0", TransposeChannels((0,))),
        ("normalize:mean=0.5,std=2", Normalization(0.5, 2.0)),
        ("normalize:std=2,mean=0.5", Normalization(0.5, 2.0)),
        ("normalize:mean=1,2,3,std=4,5,6", Normalization([1, 2, 3], [4, 5, 6])),
        ("normalize:mean=1,2,3,std=4", Normalization([1, 2, 3], 4.0)),
        ("normalize: mean = 1, 2, std = 4", Normalization([1, 2], 4.0)),
        ("shift:-0.5", Shift(-0.5)),
        ("shift:shift=-1e-3", Shift(-1e-3)),
        ("scale:1/65535", Scale(1 / 65535)),
        ("scale:scale=1/255,0.5,2", Scale([1 / 255, 0.5, 2])),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, step: Step) -> None:
    found = parse_step(text)
    assert found == step
    assert type(found) is type(step)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "normalise:mean=1,std=2",
            r"step 'normalise' is unknown; choose rgb-to-bgr, .*normalize:mean=…,std=…",
        ),
        ("", "step '' is unknown; choose rgb-to-bgr"),
        ("softmax:1", "step 'softmax:1' has '1', which it cannot take; write softmax$"),
        ("normalize", "step 'normalize' has arguments none; write normalize:mean=…,std=…"),
        ("normalize:mean=1", "has arguments mean; write normalize:mean=…,std=…"),
        ("normalize:1,2", "has '1', which it cannot take; write normalize:mean=…,std=…"),
        ("normalize:mean=1,std=2,mean=3", "has 'mean=3', which it cannot take"),
        ("normalize:mean=1,std=2,gain=3", "has 'gain=3', which it cannot take"),
        ("normalize:mean=1,std=0", "step 'normalize:mean=1,std=0': std is 0.0; it is divided by"),
        ("normalize:mean=1,2,std=1,2,3", "mean has 2 numbers, std has 3"),
        ("scale:", "step 'scale:' has '', which is no number; write scale:scale=…"),
        ("scale:two", "step 'scale:two' has 'two', which is no number"),
        ("scale:1/0", "has '1/0', which is no number"),
        ("scale:1/2/3", "has '1/2/3', which is no number"),
        ("scale:inf", "step 'scale:inf': scale is inf; give finite numbers"),
        ("scale:1,,2", "has '', which is no number"),
        (
            "transpose-channels:0,2",
            r"step 'transpose-channels:0,2': the channel order is \[0, 2\]; it must name",
        ),
        ("transpose-channels:0,0.5", r"the channel order is \[0, 0.5\]"),
        ("transpose-channels:nan", r"the channel order is \[nan\]"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_step(text)


def test_every_name_in_the_help_is_understood() -> None:
    examples = {"transpose-channels:order=…": "0,1", "normalize:mean=…,std=…": "1"}
    found = [parse_step(name.replace("…", examples.get(name, "1"))) for name in step_names()]
    assert len({type(step) for step in found}) == len(found) == 9

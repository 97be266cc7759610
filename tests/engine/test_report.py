"""What a report derives from what was counted."""

from __future__ import annotations

import pytest

from czengine.meter import StageTime
from czengine.report import ClassCount, class_totals
from tests.support.reports import make_report


@pytest.mark.parametrize(("second_area", "total_area"), [(6.0, 8.0), (None, None)])
def test_totals_add_up_images(second_area: float | None, total_area: float | None) -> None:
    one = ClassCount(name="a", label=1, color=(0, 0, 0), pixels=2, share=1.0, area=2.0)
    two = ClassCount(name="a", label=1, color=(0, 0, 0), pixels=6, share=0.5, area=second_area)
    (total,) = class_totals([make_report(classes=(one,), pixels=4), make_report(classes=(two,), pixels=12)])
    assert (total.pixels, total.share, total.area) == (8, 0.5, total_area)


def test_totals_list_every_label_that_any_image_has_in_order() -> None:
    one, three = (
        ClassCount(name="", label=n, color=(0, 0, 0), pixels=n, share=1.0, area=None) for n in (1, 3)
    )
    totals = class_totals(
        [make_report(classes=(three,), pixels=4), make_report(classes=(one, three), pixels=4)]
    )
    assert [(total.label, total.pixels) for total in totals] == [(1, 1), (3, 6)]


@pytest.mark.parametrize(
    ("busy", "seconds", "share"), [(1.5, 2.0, 0.75), (2.1, 2.0, 1.0), (0.0, 2.0, 0.0), (1.0, 0.0, 0.0)]
)
def test_the_device_is_busy_while_the_network_runs(busy: float, seconds: float, share: float) -> None:
    stages = [
        StageTime(stage=name, busy=time, waiting=9.0, items=1) for name, time in (("read", 8), ("run", busy))
    ]
    assert make_report(stages=tuple(stages), seconds=seconds).device_busy == share


def test_without_a_network_no_device_was_busy() -> None:
    assert make_report(stages=(), seconds=1.0).device_busy == 0.0

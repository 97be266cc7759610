"""What a network is rewritten for, and which rewritings pay on which device.

What pays was measured with `python -m czbench.fusing`, and nothing else: every choice gives the same labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from czengine.spec import Task

# Per provider of `czengine.session`, what is worth doing besides dropping steps, which always is.
# cpu: choosing labels inside took 1.03 to 1.4 times as long as the stitch kernel; raw pixels made no difference.
# openvino: labels inside 1.1 to 1.8 times, even without looking for what is no number; channels-first 1.0 to 1.1
# times; and it divides raw pixels by multiplying, which rounds otherwise than the gather kernel.
_PAYS = {"cpu": ("turned",), "openvino": ()}
_PAYS_ELSEWHERE = (
    "turned",
    "labels",
    "pixels",
)  # not measured: where all has to be copied, fewer bytes should pay


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What the result of a network is needed for, and with that, what may be changed.

    Attributes
    ----------
    task : Task
        What is made of the scores; `REGRESSION` keeps them as they are.
    confidence : float or None
        SEGMENTATION: smallest score that makes a label; with one, scores stay as they are. MULTILABEL: the threshold.
    labels : tuple of int or None
        Label value per class, to have labels come out; None to have scores.
    pixels : str or None
        Type of the pixels to go in, e.g. "uint16"; None for float32 ones that are divided already.
    divisor : float
        What pixels are divided by before the network sees them; 1.0 leaves them as they are.
    turned : bool
        Whether both ends may be channels-first.
    """

    task: Task
    confidence: float | None = None
    labels: tuple[int, ...] | None = None
    pixels: str | None = None
    divisor: float = 1.0
    turned: bool = True


def worthwhile(purpose: Purpose, provider: str) -> Purpose:
    """The purpose without the rewritings that do not pay on a provider, e.g. "cpu" or "openvino"."""
    pays = _PAYS.get(provider, _PAYS_ELSEWHERE)
    return replace(
        purpose,
        labels=purpose.labels if "labels" in pays else None,
        pixels=purpose.pixels if "pixels" in pays else None,
        turned=purpose.turned and "turned" in pays,
    )

"""Gain against pre-training compute: the published figure 1, from the user's own runs.

The law it looks for (Chung et al., FL@FM-NeurIPS 2023): the more compute a model was pre-trained with, the more
averaging gains over standard fine-tuning; where the fitted line crosses zero, averaging begins to pay.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.baselines import arm_of
from reports.gains import Gain, Judged
from reports.pretraining import Pretraining, known_models, pretraining
from reports.tables import signed

MIXTURES = ("iid", "noniid")


@dataclass(frozen=True)
class ModelGain:
    """One model: its pre-training compute in FLOPs and a mixture's gain."""

    model: str
    flops: float
    gain: Gain


@dataclass(frozen=True)
class Trend:
    """A mixture's points on one set of test rows, in one setting, and the line through them.

    That is gain = slope · log10(FLOPs) + offset.
    `slope` is None with fewer than 2 different computes.
    """

    task: str
    mixture: str
    points: list[ModelGain]
    slope: float | None = None
    offset: float = 0.0

    @property
    def crossing(self) -> float | None:
        """log10 of the compute at which the line is zero; None where there is none."""
        return -self.offset / self.slope if self.slope and abs(self.slope) > 1e-12 else None

    def sentence(self) -> str:
        """Say what the line shows, or what is missing for one."""
        where = f"{self.task}, {self.mixture}"
        if self.slope is None:
            return (f"{where}: {len(self.points)} model(s) of known pre-training compute with a gain at the same "
                    "budget; a line needs 2 of different compute.")
        if self.crossing is None:
            return f"{where}: the line through {len(self.points)} models is level and crosses no zero."
        measured = [math.log10(point.flops) for point in self.points]
        inside = min(measured) <= self.crossing <= max(measured)
        return (f"{where}: {signed(self.slope)} points for each tenfold of pre-training compute, zero at "
                f"{power_of_ten(self.crossing)} FLOPs{'' if inside else ', outside of what was measured'} "
                f"({len(self.points)} models).")


def power_of_ten(exponent: float) -> str:
    """Return 10**exponent as `3.1e+19`, of any size."""
    whole = math.floor(exponent)
    return f"{10 ** (exponent - whole):.1f}e{whole:+d}"


def trends(all_judged: Iterable[Judged]) -> tuple[list[Trend], list[str]]:
    """Return a trend for each task and mixture, and a sentence for each model that is left out."""
    known, left_out = known_models(), []
    tasks: dict[tuple[str, str], list[ModelGain]] = {}
    for judged in all_judged:
        compared = judged.compared
        flags = compared.first.config["flags"]
        found = pretraining(compared.first, known)
        flops = found.flops if isinstance(found, Pretraining) else None
        if not flops:
            why = found if isinstance(found, str) else "starts from random weights" if flops == 0 else (
                "its pre-training compute is not known")
            left_out.append(f"{compared.model} is left out of the compute figure: {why}.")
            continue
        about = [f"{flags['test']} rows per domain"] if flags["test"] else []
        about += [f"{name} {value}" for name, value in compared.apart.items()]
        task = ", ".join([compared.task, *about])
        for mixture in MIXTURES:
            arm = arm_of(compared, mixture, judged.named)
            gain = judged.gains[arm][None] if arm in judged.gains else Gain(())
            points = tasks.setdefault((task, mixture), [])
            if gain.differences and gain.same_budget:
                points.append(ModelGain(compared.model, flops, gain))
    return [fit(task, mixture, points) for (task, mixture), points in tasks.items()], list(dict.fromkeys(left_out))


def fit(task: str, mixture: str, points: list[ModelGain]) -> Trend:
    """Return the least-squares line through the models' mean gains."""
    if len({point.flops for point in points}) < 2:
        return Trend(task, mixture, points)
    xs, ys = [math.log10(point.flops) for point in points], [point.gain.mean for point in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs)
    return Trend(task, mixture, points, slope, y - slope * x)

"""The part of `benchmarks.coverage` on gains over the strongest of several baselines, chosen on the same runs."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from reports.answers import Answers
from reports.gains import Gain
from reports.intervals import interval
from reports.resampling import Resampling
from reports.rule import FIRST_LOOK, share

BASELINES = (5, 8)
SEEDS = (3, 5, 10)
ROWS, HELD_OUT, DRAWS = 400, 200, 400
PRIOR = 0.35  # part of the rows that are of class 1
STRENGTH, BY_SEEDS, BY_ROWS = 1.0, 0.25, 0.1  # of all methods; as in coverage's world in which seeds vary most


class Study:
    """Made-up answers of `baselines` baselines and a method that gains nothing on any: of SEEDS[-1] seeds.

    A run's strength is that of its seed on held-out rows and test rows alike, so that their scores go together.
    """

    def __init__(self, baselines: int, random: np.random.Generator) -> None:
        shape = (1 + baselines, SEEDS[-1])
        signal = np.where(random.random(ROWS + HELD_OUT) < PRIOR, 1.0, -1.0)
        noise = np.sqrt(BY_ROWS) * random.normal(size=(1 + baselines, 1, len(signal))) + np.sqrt(
            1 - BY_ROWS) * random.normal(size=(*shape, len(signal)))
        strength = STRENGTH + BY_SEEDS * random.normal(size=shape)
        said = strength[..., None] * signal + noise > 0
        right = said == (signal > 0)
        self.held_out, self.on_test = right[..., ROWS:].mean(2), right[..., :ROWS].mean(2)
        self.runs = [[Answers(np.arange(ROWS), ("a",), np.zeros(ROWS, int), 1.0 * (signal[:ROWS] > 0), 1.0 * each,
                              np.zeros(ROWS)) for each in one[:, :ROWS]] for one in said]
        self.drawn: dict[int, np.ndarray] = {}  # gains over a baseline, [seeds, 1 + DRAWS]

    def gain(self, seeds: int) -> Gain:
        """Return the gain, by the first so many seeds, over the baseline that is strongest on their held-out rows."""
        chosen = 1 + int(self.held_out[1:, :seeds].mean(1).argmax())
        if chosen not in self.drawn:
            pair = self.runs[0], self.runs[chosen]
            resampling = Resampling([*pair[0], *pair[1]], DRAWS)
            ours, theirs = ([resampling.scores("accuracy", run).macro for run in runs] for runs in pair)
            self.drawn[chosen] = np.stack(ours) - np.stack(theirs)
        each = self.drawn[chosen][:seeds]
        return Gain(tuple(map(float, each[:, 0])), both=interval(list(each)), candidates=len(self.runs) - 1)


def over_the_strongest(baselines: int, trials: int) -> dict[str, float]:
    """Return in which part of the trials which thing happens, and how the two scores of a run go together.

    The true gain is 0: what an interval that leaves it out, `ahead` and `behind` say is wrong.
    """
    random, found = np.random.default_rng(2), defaultdict[str, list[float]](list)
    for _ in range(trials):
        study = Study(baselines, random)
        found["correlation of held-out and test scores over seeds"].append(float(np.mean([
            np.corrcoef(*both)[0, 1] for both in zip(study.held_out, study.on_test)])))
        for seeds in SEEDS:
            gain = study.gain(seeds)
            low, high = (gain.both.low, gain.both.high) if gain.both else (0.0, 0.0)
            found[f"{seeds} seeds: the interval holds the truth"].append(low <= 0 <= high)
            found[f"{seeds} seeds: the interval is below 0"].append(high < 0)
            for verdict in ("ahead", "behind"):
                found[f"{seeds} seeds: called {verdict}"].append(gain.verdict == verdict)
        looks = [study.gain(seeds) for seeds in range(FIRST_LOOK, SEEDS[-1] + 1)]
        shares = [replace(gain, alpha=share(len(gain.differences), SEEDS[-1])) for gain in looks]
        found["decided at one of the looks"].append(any(gain.verdict in ("ahead", "behind") for gain in shares))
        found["decided at one of the looks, if p were as for one baseline"].append(any(
            replace(gain, candidates=1).verdict in ("ahead", "behind") for gain in shares))
    return {what: float(np.mean(each)) for what, each in found.items()}

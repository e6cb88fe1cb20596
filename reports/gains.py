"""The gain of averaging over a baseline: paired by seed, at the same budget, with its interval."""

import math
import statistics
from dataclasses import dataclass

from reports.baselines import Baseline, averaging, baseline_of, budget, is_baseline, same_budget
from reports.records import Comparison

LEVEL = 0.95
HOW = ("Gain: a method's score minus that of the baseline's run of the same seed (paired by seed), in points. The "
       "baseline is the strongest one of the same budget, chosen on held-out rows, or what --baseline names. "
       f"[low, high]: the {LEVEL:.0%} confidence interval of its mean, Student's t over the seeds' differences; it "
       "is about the seeds' chance alone, not about the choice of test rows. A gain's ± in a sentence: half of that "
       "interval. ± in scores: the sample standard deviation over seeds.")


@dataclass(frozen=True)
class Gain:
    """The differences to the baseline, one for each seed that both have; `budget` is rows trained over its rows."""

    differences: tuple[float, ...]
    budget: float = 1.0

    @property
    def mean(self) -> float:
        return statistics.mean(self.differences)

    @property
    def half_width(self) -> float | None:
        """Half of the confidence interval of the mean; None for one seed, which has none."""
        n = len(self.differences)
        if n < 2:
            return None
        from scipy.special import stdtrit  # quantiles of Student's t

        return float(stdtrit(n - 1, (1 + LEVEL) / 2)) * statistics.stdev(self.differences) / math.sqrt(n)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The confidence interval of the mean; None where there is none."""
        half = self.half_width
        return None if half is None else (self.mean - half, self.mean + half)

    @property
    def same_budget(self) -> bool:
        return same_budget(self.budget)

    @property
    def verdict(self) -> str:
        """Say in words what the differences show."""
        if not self.differences:
            return "no pair"
        if not self.same_budget:
            return f"other budget: {self.budget:.2g} x the rows"
        if all(abs(value) < 1e-12 for value in self.differences):
            return "tie" if len(self.differences) > 1 else "tie; one seed: no interval"
        if self.half_width is None:
            return "one seed: no interval"
        if abs(self.mean) <= self.half_width:
            return "undecided"
        return "ahead" if self.mean > 0 else "behind"


@dataclass(frozen=True)
class Judged:
    """A comparison on one evaluation set, with the gain of each of its methods over its baseline.

    `gains[method]` are the gains in each domain, and of the macro averages (None); `others[method]` those of the macro
    averages over each baseline of the same budget that is not its own.
    """

    compared: Comparison
    named: str  #: the baseline that was asked for; "": the strongest
    baselines: dict[str, Baseline]
    gains: dict[str, dict[str | None, Gain]]
    others: dict[str, dict[str, Gain]]

    @property
    def averaging(self) -> list[str]:
        """The methods with a gain that average parameters."""
        return [method for method in self.gains if not is_baseline(method)]


def judge(compared: Comparison, named: str = "") -> Judged:
    """Reckon a comparison's gains: of what averages over the strongest baselines, or of all else over the one named."""
    subjects = [method for method in (named and compared.methods) or averaging(compared) or compared.methods
                if method != named]
    baselines = {method: baseline_of(compared, method, named) for method in subjects}
    baselines = {method: found for method, found in baselines.items() if found.name != method}
    gains: dict[str, dict[str | None, Gain]] = {
        method: {domain: gain(compared, method, found.name, domain) for domain in (None, *compared.domains)}
        for method, found in baselines.items()}
    others = {method: {other: gain(compared, method, other) for other in compared.methods
                       if not named and is_baseline(other) and other not in (method, found.name)
                       and same_budget(budget(compared, method, other))}
              for method, found in baselines.items()}
    return Judged(compared, named, baselines, gains, others)


def gain(compared: Comparison, method: str, baseline: str, domain: str | None = None) -> Gain:
    """Return a method's gain over the baseline in one domain, or of the macro averages (domain None)."""
    base = {run.seed: run for run in compared.methods.get(baseline, [])}
    pairs = [(run, base[run.seed]) for run in compared.methods.get(method, []) if run.seed in base]
    return Gain(tuple(compared.score(run, domain) - compared.score(other, domain) for run, other in pairs),
                budget(compared, method, baseline) or 1.0)


def unpaired(judged: Judged) -> list[str]:
    """Return a sentence for each method whose seeds are not all its baseline's, or the other way round."""
    sentences = []
    for method, baseline in judged.baselines.items():
        base = {run.seed for run in judged.compared.methods.get(baseline.name, [])}
        if not base:
            sentences.append(f"No {baseline.name} run here: there is nothing that a gain could be over.")
            continue
        seeds = {run.seed for run in judged.compared.methods[method]}
        for lacking, missing in ((baseline.name, seeds - base), (method, base - seeds)):
            if missing:
                listed = ", ".join(map(str, sorted(missing)))
                sentences.append(f"Missing: {lacking} has no run of seed {listed}, so {method} has no pair there.")
    return list(dict.fromkeys(sentences))

"""The gain of averaging over a baseline: paired by seed, at the same budget, with its interval."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from reports.baselines import Baseline, averaging, baseline_of, budget, is_baseline, pairs_of, same_budget
from reports.comparing import Key, adjusted_p, learnt
from reports.drawn_scores import DrawnScores, alike, drawn_scores
from reports.intervals import LEVEL, Interval, interval
from reports.records import Comparison
from reports.runs import FinishedRun

HOW = ("Gain: a method's score minus that of the baseline's run of the same seed (paired by seed), in points. The "
       "baseline is the strongest one of the same budget, chosen on held-out rows, or what --baseline names. [low, "
       f"high]: the {LEVEL:.0%} confidence interval of its mean. It is about both the seeds' chance and the choice of "
       "test rows where runs keep their answers (predictions.parquet): rows are drawn again, the same for all runs, "
       "beside Student's t over seeds; `seeds alone` is the latter, which is all that older records give. p: the "
       "probability of a difference as large where there is none, by that interval, after Holm's correction over the "
       "methods of the table, each over its baseline, and before it times the number of baselines that its own was "
       "chosen from if the gain is below 0, as the choice on the same runs favours the baseline; a method is ahead or"
       f" behind if it is at most {1 - LEVEL:.2f}. Intervals, and so the columns `over …`, `pooled` and those of "
       "domains, are corrected for nothing. Not learnt: the score is not shown to be above the majority class's, as "
       "the interval of their difference is not all above 0; it gives no gain. A gain's ± in a sentence: half of the "
       "interval. ± in scores: the sample standard deviation over seeds.")


@dataclass(frozen=True)
class Gain:
    """The differences to the baseline, one for each seed that both have, and what they show.

    `budget` is rows trained over the baseline's; `both` the interval over seeds and test rows, None where no pair of
    runs keeps its answers; `learnt`: whether the method is above the majority class; `corrected`: its p value among
    others; `alpha`: up to which p value it is decided; `candidates`: from how many its baseline was chosen, on the same
    runs. The choice favours the baseline, so the p value of a gain below 0 is times their number (Bonferroni).
    """

    differences: tuple[float, ...]
    budget: float = 1.0
    both: Interval | None = None
    learnt: bool = True
    corrected: float | None = None
    alpha: float = 1 - LEVEL
    candidates: int = 1

    @property
    def mean(self) -> float:
        return statistics.mean(self.differences)

    @cached_property
    def alone(self) -> Interval | None:
        """The interval over seeds alone; None for one seed, which has none."""
        if len(self.differences) < 2:
            return None
        return replace(interval([np.array([value]) for value in self.differences]), alpha=self.alpha)

    @property
    def interval(self) -> Interval | None:
        """The interval over seeds and test rows, else that over seeds alone, else None."""
        return self.both or self.alone

    @cached_property
    def p(self) -> float | None:
        """The p value of no gain, corrected if it is one of several; None for one seed: rows alone decide nothing."""
        if self.corrected is not None or self.interval is None or len(self.differences) < 2:
            return self.corrected
        return min(1.0, self.interval.p * (self.candidates if self.mean < 0 else 1))

    @property
    def half_width(self) -> float | None:
        """Half of the interval; None where there is none."""
        return None if self.interval is None else self.interval.half_width()

    @property
    def same_budget(self) -> bool:
        return same_budget(self.budget)

    @property
    def shown(self) -> bool:
        """Whether there is a gain to show."""
        return bool(self.differences) and self.learnt

    @property
    def verdict(self) -> str:
        """Say in words what the differences show."""
        if not self.differences:
            return "no pair"
        if not self.learnt:
            return "not learnt"
        if not self.same_budget:
            return f"other budget: {self.budget:.2g} x the rows"
        if max(self.half_width or 0.0, *map(abs, self.differences)) < 1e-12:
            return "tie" if len(self.differences) > 1 else "tie; one seed: no interval"
        if self.p is None:
            return "one seed: no interval" if self.both is None else "one seed: rows alone"
        if self.p > self.alpha:
            return "undecided"
        return "ahead" if self.mean > 0 else "behind"


@dataclass(frozen=True)
class Judged:
    """A comparison on one evaluation set, with the gain of each of its methods over its baseline.

    `gains[method]` are the gains in each domain, and of the macro averages (None); `others[method]` those of the macro
    averages over each baseline of the same budget that is not its own; `pooled[method]` that of all rows at once, where
    it is recorded. `learnt[method]`: whether a method's score is above the majority class's.
    """

    drawn: DrawnScores
    named: str  #: the baseline that was asked for; "": the strongest
    baselines: dict[str, Baseline]
    gains: dict[str, dict[str | None, Gain]]
    others: dict[str, dict[str, Gain]]
    pooled: dict[str, Gain]
    learnt: dict[str, bool]

    @property
    def compared(self) -> Comparison:
        """What is compared."""
        return self.drawn.compared

    @property
    def averaging(self) -> list[str]:
        """The methods with a gain that average parameters."""
        return [method for method in self.gains if not is_baseline(method)]


def judge(compared: Comparison, named: str = "") -> Judged:
    """Reckon a comparison's gains: of what averages over the strongest baselines, or of all else over the one named."""
    drawn = drawn_scores(compared)
    over_majority = {method: drawn.over_majority(method) for method in compared.methods}
    above = {method: found is None or learnt(found) for method, found in over_majority.items()}
    subjects = [method for method in (named and compared.methods) or averaging(compared) or compared.methods
                if method != named]
    baselines = {method: found for method in subjects
                 if (found := baseline_of(compared, method, named)).name != method}

    def gain(method: str, baseline: str, scores: Callable[[FinishedRun], np.ndarray | None]) -> Gain:
        found = baselines[method]
        return replace(gain_of(compared, method, baseline, scores), learnt=above[method],
                       candidates=max(1, len(found.scores)) if baseline == found.name else 1)

    overall = corrected({method: gain(method, found.name, drawn.of) for method, found in baselines.items()})
    gains: dict[str, dict[str | None, Gain]] = {method: {None: overall[method], **{
        domain: gain(method, found.name, partial(drawn.of, domain=domain))
        for domain in compared.domains}} for method, found in baselines.items()}
    others = {method: {other: gain(method, other, drawn.of) for other in compared.methods
                       if not named and is_baseline(other) and other not in (method, found.name)
                       and same_budget(budget(compared, method, other))}
              for method, found in baselines.items()}
    pooled = {method: gain(method, found.name, drawn.pooled) for method, found in baselines.items()
              if len(compared.domains) > 1}
    return Judged(drawn, named, baselines, gains, others,
                  {method: found for method, found in pooled.items() if found.differences}, above)


def gain_of(compared: Comparison, method: str, baseline: str,
            scores: Callable[[FinishedRun], np.ndarray | None]) -> Gain:
    """Return a method's gain over the baseline by `scores`, float64 [1 + draws] of each run; no gain where it has none.
    """
    found = by_seed(compared, method, baseline, scores)
    if found is None:
        return Gain(())
    differences = [*found.values()]
    both = interval(differences) if any(len(each) > 1 for each in differences) else None
    both = both and replace(both, alpha=compared.alpha)
    return Gain(tuple(float(each[0]) for each in differences), budget(compared, method, baseline) or 1.0, both,
                alpha=compared.alpha)


def by_seed(compared: Comparison, method: str, baseline: str,
            scores: Callable[[FinishedRun], np.ndarray | None]) -> dict[int, np.ndarray] | None:
    """Return {seed: differences to the baseline's run, float64 [1 + draws], [1] where one of them has no answers}.

    None where a run of them has no scores.
    """
    differences = {}
    for run, other in pairs_of(compared, method, baseline):
        ours, theirs = scores(run), scores(other)
        if ours is None or theirs is None:
            return None
        ours, theirs = alike([ours, theirs])
        differences[run.seed] = ours - theirs
    return differences


def corrected(found: Mapping[Key, Gain]) -> dict[Key, Gain]:
    """Return the gains of one table with p values after Holm's correction over those that can be decided."""
    each = {name: replace(one, corrected=None).p for name, one in found.items() if one.shown and one.same_budget}
    after = adjusted_p(each)
    return {name: replace(one, corrected=after.get(name)) for name, one in found.items()}


def of_all(all_judged: Sequence[Judged]) -> dict[tuple[int, str], Gain]:
    """Return the gains of several comparisons by (place, method), their p values corrected for all of them."""
    gains = {(place, method): judged.gains[method][None] for place, judged in enumerate(all_judged)
             for method in judged.averaging}
    return corrected(gains)


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

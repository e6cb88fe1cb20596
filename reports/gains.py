"""The gain of averaging over standard fine-tuning: paired by seed, at the same budget, with its interval."""

import math
import statistics
from dataclasses import dataclass

from reports.records import Comparison

LEVEL = 0.95
SAME_BUDGET = 0.05  # sampled shards differ in size, so rows trained may differ by this part and count as the same
HOW = ("Gain: a method's score minus that of the baseline's run of the same seed (paired by seed), in points. "
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
        return abs(self.budget - 1) <= SAME_BUDGET

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


def gain(compared: Comparison, method: str, baseline: str, domain: str | None = None) -> Gain:
    """Return a method's gain over the baseline in one domain, or of the macro averages (domain None)."""
    base = {run.seed: run for run in compared.methods.get(baseline, [])}
    pairs = [(run, base[run.seed]) for run in compared.methods.get(method, []) if run.seed in base]
    budgets = [run.rows_trained / max(1, other.rows_trained) for run, other in pairs]
    return Gain(tuple(compared.score(run, domain) - compared.score(other, domain) for run, other in pairs),
                max(budgets, key=lambda ratio: abs(ratio - 1), default=1.0))


def unpaired(compared: Comparison, baseline: str) -> list[str]:
    """Return a sentence for each method whose seeds are not all the baseline's, or the other way round."""
    base = {run.seed for run in compared.methods.get(baseline, [])}
    if not base:
        return [f"No {baseline} run here: there is nothing that a gain could be over."]
    sentences = []
    for method, runs in compared.methods.items():
        seeds = {run.seed for run in runs}
        for lacking, missing in ((baseline, seeds - base), (method, base - seeds)):
            if missing:
                listed = ", ".join(map(str, sorted(missing)))
                sentences.append(f"Missing: {lacking} has no run of seed {listed}, so {method} has no pair there.")
    return sentences


def averaging(compared: Comparison) -> list[str]:
    """Return the names of the methods that average parameters."""
    return [method for method in compared.methods if not method.startswith("centralized")]


def in_words(baseline: str) -> str:
    """Return what a sentence calls the baseline."""
    return "standard fine-tuning" if baseline == "centralized" else baseline


def gain_sentence(compared: Comparison, method: str, baseline: str) -> str:
    """Say one gain in a sentence that stands alone."""
    found = gain(compared, method, baseline)
    of = f"on {compared.title} ({method})"
    against = in_words(baseline)
    if not found.differences:
        return f"No pair of runs to compare averaging with {against} {of}"
    points = f"{abs(100 * found.mean):.1f}"
    if found.half_width is None:
        direction = "above" if found.mean >= 0 else "below"
        return f"Averaging ends {points} points {direction} {against} {of}, with one seed: no interval" + (
            "" if found.same_budget else f", at {found.budget:.2g} x its budget")
    n = f"{len(found.differences)} seeds"
    if not found.same_budget:
        return f"Averaging trained on {found.budget:.2g} x the rows of {against} {of}: not the same budget"
    if found.verdict == "tie":
        return f"Averaging and {against} tie in all of {n} {of}"
    plus_minus = f"{points} ± {100 * found.half_width:.1f} points"
    if found.verdict == "undecided":
        ahead = "ahead of" if found.mean >= 0 else "behind"
        return f"Averaging is {plus_minus} {ahead} {against} {of}: undecided with {n}"
    return f"Averaging {'beats' if found.mean > 0 else 'loses to'} {against} by {plus_minus} {of}, {n}"


def headline_sentence(comparisons: list[Comparison], baseline: str) -> str:
    """Say the whole in one sentence: of one comparison its IID (else first) mixture, of several a count.

    The choice is by name, not by result, so that the headline is not the luckiest mixture.
    """
    if len(comparisons) == 1:
        methods = averaging(comparisons[0])
        return gain_sentence(comparisons[0], methods[0], baseline) if methods else "No run of parameter averaging"
    verdicts = [gain(compared, method, baseline).verdict for compared in comparisons for method in averaging(compared)]
    count = {word: verdicts.count(word) for word in ("ahead", "behind", "tie", "undecided")}
    rest = len(verdicts) - sum(count.values())
    more = [f"loses in {count['behind']}"] if count["behind"] else []
    more += [f"ties in {count['tie']}"] if count["tie"] else []
    more += [f"{count['undecided']} undecided"] if count["undecided"] else []
    more += [f"{rest} without an interval"] if rest else []
    return f"Averaging beats {in_words(baseline)} in {count['ahead']} of {len(verdicts)} comparisons" + (
        f"; {', '.join(more)}" if more else "")

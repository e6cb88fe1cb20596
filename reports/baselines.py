"""What a gain is over: the strongest baseline of the same budget, chosen on held-out rows."""

import re
import statistics
from dataclasses import dataclass, field

from reports.best import best_of
from reports.records import Comparison
from reports.runs import FinishedRun
from utils.data.evaluation_sets import HELD_OUT

SAME_BUDGET = 0.05  # sampled shards differ in size, so rows trained may differ by this part and count as the same
#: of methods' names: standard fine-tuning in any form, and a client alone
BASELINE = re.compile(r"centralized|only\d+-")
#: what follows a mixture's name where nothing but the learning rate's schedule is another
SCHEDULE = r"(-linear)?(-warmup[\d.e-]+)?"


@dataclass(frozen=True)
class Baseline:
    """A method that gains are over.

    `scores`: those of the baselines it was chosen from, the mean over seeds; empty where it is named, or the only one.
    """

    name: str
    scores: dict[str, float] = field(default_factory=dict)
    by_held_out: bool = False  #: whether the scores are those on held-out rows, not those on test rows
    equals: tuple[str, ...] = ()  #: those that have the best score

    @property
    def in_words(self) -> str:
        """What a sentence calls it."""
        if not self.scores:
            return "standard fine-tuning" if self.name == "centralized" else self.name
        return f"the strongest baseline ({self.name}{'' if self.by_held_out else ', chosen by test rows'})"

    @property
    def note(self) -> str:
        """How it was chosen, as a sentence; "" where there was no choice."""
        if not self.scores:
            return ""
        scores = ", ".join(f"{name} {100 * score:.1f}" for name, score in self.scores.items())
        how = ("by their mean score on held-out rows" if self.by_held_out else
               "by test rows, as not all of their runs have held-out rows (--val_ratio); that favours the baseline")
        equals = (f" Of equals ({', '.join(self.equals)}) it is the one of the lowest loss there, then the last named."
                  if len(self.equals) > 1 else "")
        return f"{self.name} is the strongest baseline of its budget here, {how}: {scores}.{equals}"


def is_baseline(method: str) -> bool:
    """Say whether a method is fine-tuning without averaging: of all rows, or of one client's."""
    return bool(BASELINE.match(method))


def averaging(compared: Comparison) -> list[str]:
    """Return the names of the methods that average parameters."""
    return [method for method in compared.methods if not is_baseline(method)]


def baseline_of(compared: Comparison, method: str, named: str = "") -> Baseline:
    """Return what a method's gain is over: the baseline `named`, or the strongest one of the same budget.

    Candidates are all baselines with a seed of the method's, of its budget if there are such; each one's score is the
    headline metric's mean over the seeds that all candidates have, on held-out rows if all of their runs have some,
    else on the task's test rows, whatever set the comparison is evaluated on. Of equal scores the lowest loss decides,
    of equal losses the order, last first: plain fine-tuning, over which a gain is had most easily, comes last.
    """
    if named:
        return Baseline(named)
    paired = {other: budget(compared, method, other) for other in compared.methods if is_baseline(other)}
    found = [other for other, ratio in paired.items() if ratio is not None]
    found = [other for other in found if same_budget(paired[other])] or found
    if len(found) < 2:
        return Baseline(found[0] if found else "centralized")
    runs = {other: compared.methods[other] for other in found}
    by_held_out = all(run.held_out is not None for some in runs.values() for run in some)
    seeds = set.intersection(*({run.seed for run in some} for some in runs.values()))

    def means(what: str) -> dict[str, float]:
        return {other: statistics.mean(run.after_all(HELD_OUT if by_held_out else run.sets[0], what) for run in some
                                       if run.seed in seeds or not seeds) for other, some in runs.items()}

    scores, losses = means(compared.metric), means("loss")
    best, equals = best_of({other: scores[other] for other in reversed(found)}, losses)
    return Baseline(best, scores, by_held_out, equals[::-1])


def pairs_of(compared: Comparison, method: str, baseline: str) -> list[tuple[FinishedRun, FinishedRun]]:
    """Return the runs of a method, each with the baseline's of the same seed, where there is one."""
    base = {run.seed: run for run in compared.methods.get(baseline, [])}
    return [(run, base[run.seed]) for run in compared.methods.get(method, []) if run.seed in base]


def budget(compared: Comparison, method: str, baseline: str) -> float | None:
    """Return the method's rows trained over the baseline's, of the seed where they differ most; None without a pair."""
    ratios = [run.rows_trained / max(1, other.rows_trained) for run, other in pairs_of(compared, method, baseline)]
    return max(ratios, key=lambda ratio: abs(ratio - 1), default=None)


def same_budget(ratio: float | None) -> bool:
    """Say whether a ratio of rows trained counts as the same budget."""
    return ratio is not None and abs(ratio - 1) <= SAME_BUDGET


def arm_of(compared: Comparison, mixture: str, named: str = "") -> str | None:
    """Return the plain averaging of a mixture (iid, say), whatever its schedule; None where there is none.

    Of several schedules it is the baseline's, so that both sides have the same; else the first.
    """
    arms = [method for method in averaging(compared) if re.fullmatch(re.escape(mixture) + SCHEDULE, method)]
    for arm in arms:
        base = compared.methods.get(baseline_of(compared, arm, named).name)
        own = compared.methods[arm][0]
        if base and all(own.flag(name) == base[0].flag(name) for name in ("lr_schedule", "warmup_ratio")):
            return arm
    return arms[0] if arms else None

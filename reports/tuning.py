"""Which value of a flag each method is reported with: the best on held-out training rows, never on test rows."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.best import best_of
from reports.runs import INCIDENTAL, FinishedRun
from utils.data.evaluation_sets import HELD_OUT
from utils.errors import UserError

Value = tuple[object, ...]  # of the tuned flags, in their order


@dataclass(frozen=True)
class Choice:
    """What was tried of one method: `tried[value]` are the runs of each value of `flags`, and `value` is the one taken.

    `seeds` are those that every value has: the choice is by them. Empty where one value alone was tried. `equals` are
    the values with the best score.
    """

    flags: tuple[str, ...]
    tried: dict[Value, list[FinishedRun]]
    seeds: tuple[int, ...]
    value: Value
    equals: tuple[Value, ...] = ()

    @property
    def runs(self) -> list[FinishedRun]:
        """The runs of the value that was taken, of all their seeds."""
        return self.tried[self.value]

    @property
    def method(self) -> str:
        """The name of the method, with the value that was taken where that is part of it."""
        return self.runs[0].method

    @property
    def spent(self) -> list[FinishedRun]:
        """The runs that served the choice alone: those of the other values."""
        return [run for value, runs in self.tried.items() if value != self.value for run in runs]

    def score(self, value: Value) -> float | None:
        """Return the mean held-out score of a value over `seeds`; None where one value alone was tried."""
        metric = self.tried[value][0].metric
        return mean_held_out(self.tried[value], self.seeds, metric) if self.seeds else None


def chosen_values(runs: Iterable[FinishedRun], flags: Sequence[str]) -> list[Choice]:
    """Return a choice for each method and setting: for the runs that are alike but for seed and the tuned `flags`.

    Raises UserError as `choose` does.
    """
    found = list(runs)
    names = sorted({name for run in found for name in run.config["flags"]} - INCIDENTAL - {*flags})
    alike: dict[tuple, list[FinishedRun]] = defaultdict(list)
    for run in found:
        alike[run.config["data_fingerprint"], *map(run.flag, names)].append(run)
    return [choose(some, flags) for some in alike.values()]


def choose(runs: Sequence[FinishedRun], flags: Sequence[str]) -> Choice:
    """Return which value of `flags` these runs, of one method and setting, are reported with: one for all seeds.

    It is the one with the best mean of the headline metric on held-out rows (last round), over the seeds that all
    values have; of equals, the one of the lowest loss there, then the one that sorts first. Raises UserError, naming a
    run, where there is something to choose, and a run has no held-out rows or the values share no seed.
    """
    tried: dict[Value, list[FinishedRun]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (*((str(type(run.flag(name))), run.flag(name)) for name in flags),
                                             run.seed)):
        tried[tuple(map(run.flag, flags))].append(run)
    if len(tried) == 1:
        return Choice(tuple(flags), dict(tried), (), next(iter(tried)))
    spelt = ", ".join(f"--{name}" for name in flags)
    for run in runs:
        if run.held_out is None:
            raise UserError(f"{run.folder}: has no held-out rows to choose {spelt} by; give its runs --val_ratio above "
                            "0 (test rows are not for choosing)")
    seeds = set.intersection(*({run.seed for run in some} for some in tried.values()))
    if not seeds:
        raise UserError(f"{runs[0].folder}: the values of {spelt} tried for {runs[0].method} have no seed that all of "
                        "them have; run each with the same seed")
    scores, losses = ({value: mean_held_out(some, seeds, what) for value, some in tried.items()}
                      for what in (runs[0].metric, "loss"))
    best, equals = best_of(scores, losses)
    return Choice(tuple(flags), dict(tried), tuple(sorted(seeds)), best, equals)


def mean_held_out(runs: Iterable[FinishedRun], seeds: Iterable[int], what: str) -> float:
    """Return the mean of the runs' held-out metric or loss over these seeds."""
    return statistics.mean(run.after_all(HELD_OUT, what) for run in runs if run.seed in {*seeds})

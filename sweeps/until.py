"""Seeds one by one until the headline of a study is decided: a rule that is fixed before the first run."""

from collections.abc import Iterator, Sequence

from reports.comparing import FIRST_LOOK, decided
from reports.gains import judge
from reports.records import read_records
from reports.sentences import headline_method
from sweeps.study import PlannedRun, Study
from utils.console import NOTES
from utils.errors import UserError

RULE = ("--until decided: the gain in the headline is looked at after %d seeds and after each further one, up to %d; "
        "the looks share a 5 %% chance of calling a gain decided that is none: the k-th of n has (k/n)^3 - ((k-1)/n)^3 "
        "of it (docs/study.md has the rate in simulations)")


def check_until(study: Study, at_most: int) -> None:
    """Say the rule. Raises UserError unless there are seeds to go on from, and room for more."""
    least = max(FIRST_LOOK, len(study.seeds))
    if not study.seeds:
        raise UserError(f"{study.path}: --until decided: there are no seeds to go on from; give seed = [1, 2, 3] in "
                        "[grid]")
    if at_most < least:
        raise UserError(f"--at_most {at_most}: must be a number of seeds from {least}")
    NOTES.info(RULE, FIRST_LOOK, at_most)


def further(study: Study, at_most: int) -> Iterator[Study]:
    """Yield the study on one seed more, from the largest on, until it has `at_most`."""
    seeds = study.seeds
    while len(seeds) < at_most:
        seeds = [*seeds, max(seeds) + 1]
        yield study.with_seeds(seeds)


def is_decided(study: Study, runs: Sequence[PlannedRun], at_most: int) -> bool:
    """Say, by the finished ones of these runs alone, whether the headline gain of each comparison is decided."""
    folders = [run.folder for run in runs if run.has_ended]
    if len(study.seeds) < FIRST_LOOK or not folders:
        return False
    for compared in read_records(folders, study.tuned).comparisons:
        judged = judge(compared)
        method = headline_method(judged)
        found = judged.gains[method][None] if method else None
        if not found or not found.shown or not found.interval or not decided(found.interval, at_most):
            return False
    return True

"""Which runs of a study are made to choose values of tuned flags by, and which are left once the values are chosen."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from reports.runs import FinishedRun, read_run
from reports.tuning import choose
from sweeps.study import PlannedRun, Study
from utils.console import NOTES


def tuning_runs(study: Study, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the runs by which values are chosen: each value of each arm, on the seeds for it."""
    seeds = study.tuning_seeds
    return [run for run in runs if run.value and (not seeds or run.config.seed in seeds)]


def chosen_values(study: Study, runs: Sequence[PlannedRun]) -> dict[str, str]:
    """Return {cell: the value that is best on held-out rows}, of the cells whose runs of `tuning_runs` are there.

    One choice for each arm and point of the grid, by the mean over the seeds that all values have. A value without a
    finished run, whose training diverged, cannot be chosen, and a line names it.
    """
    found: dict[str, dict[Path, PlannedRun]] = defaultdict(dict)
    for run in tuning_runs(study, runs):
        found[run.cell][run.folder] = run
    values = {}
    for cell, planned in found.items():
        finished = [record for folder, run in planned.items() if run.has_ended
                    and isinstance(record := read_run(folder), FinishedRun)]
        if finished:
            values[cell] = planned[choose(finished, study.tuned).runs[0].folder].value
        left_out = {run.value for run in planned.values()} - {planned[record.folder].value for record in finished}
        if finished and left_out:
            NOTES.warning("%s: no run of %s has ended: the choice is without it", cell, ", ".join(sorted(left_out)))
    return values


def runs_left(runs: Sequence[PlannedRun], values: dict[str, str]) -> list[PlannedRun]:
    """Return the runs that are not tuned, and those of the values that were chosen."""
    return [run for run in runs if not run.value or run.value == values.get(run.cell)]

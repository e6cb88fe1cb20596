"""The scores of runs on one evaluation set, with those on draws of its rows where runs keep their answers."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reports.answers import Answers, read_answers
from reports.comparing import commonest
from reports.intervals import Interval, interval
from reports.records import Comparison
from reports.resampling import Resampling, Scores
from reports.runs import FinishedRun
from utils.errors import UserError
from utils.record.runlog import PREDICTIONS

CLOSE = 1e-6  # by how much a score of a run's answers may differ from the recorded one: rounding


@dataclass(frozen=True)
class DrawnScores:
    """Scores float64 [1 + draws] of a comparison's runs: on the rows as they are, then on each draw of them.

    `runs[folder]` are a run's and `floors[folder]` those of saying the commonest label on its rows, of the runs with a
    predictions.parquet; others have their recorded scores alone: [1]. `rows`, int64, are all rows that were drawn.
    """

    compared: Comparison
    answers: dict[Path, Answers]
    runs: dict[Path, Scores]
    floors: dict[Path, Scores]
    rows: np.ndarray

    def of(self, run: FinishedRun, domain: str | None = None) -> np.ndarray:
        """Return a run's scores in one domain, or the macro averages."""
        found = self.runs.get(run.folder)
        return np.array([self.compared.score(run, domain)]) if found is None else found.of(domain)

    def pooled(self, run: FinishedRun) -> np.ndarray | None:
        """Return a run's scores over all rows at once; None for an older run, which has neither those nor answers."""
        found, score = self.runs.get(run.folder), self.compared.pooled(run)
        if score is None:
            return None
        return np.array([score]) if found is None else found.pooled

    def over_majority(self, method: str) -> Interval | None:
        """Return the interval of how far a method is above the majority class; None where that is not recorded."""
        differences = []
        for run in self.compared.methods[method]:
            recorded = run.majority(self.compared.evaluated)
            if recorded is None:
                return None
            floor = self.floors.get(run.folder)
            differences.append(self.of(run) - (recorded[self.compared.metric] if floor is None else floor.macro))
        return interval(differences)


def drawn_scores(compared: Comparison) -> DrawnScores:
    """Draw the rows of a comparison's evaluation set, the same for all runs, and score its runs on each draw.

    Raises UserError where a predictions.parquet is malformed, or does not give the scores that the summary has.
    """
    runs = {run.folder: run for some in compared.methods.values() for run in some}
    found = {folder: read_answers(folder, compared.evaluated) for folder in runs}
    answers = {folder: each for folder, each in found.items() if each is not None}
    scores: dict[Path, Scores] = {}
    floors: dict[Path, Scores] = {}
    if not answers:
        return DrawnScores(compared, answers, scores, floors, np.empty(0, np.int64))
    resampling = Resampling([*answers.values()], parallel=compared.first.parallel(compared.evaluated))
    always_the_same: dict[tuple[bytes, ...], Scores] = {}  # test rows, and so these answers to them, are all runs'
    for folder, each in answers.items():
        scores[folder] = resampling.scores(compared.metric, each)
        check(compared, runs[folder], scores[folder])
        if majority := runs[folder].majority(compared.evaluated):
            always = commonest(compared.metric, each, majority[compared.metric])
            key = always.rows.tobytes(), always.labels.tobytes(), always.predictions.tobytes()
            if key not in always_the_same:
                always_the_same[key] = resampling.scores(compared.metric, always)
            floors[folder] = always_the_same[key]
    return DrawnScores(compared, answers, scores, floors, resampling.rows)


def check(compared: Comparison, run: FinishedRun, scores: Scores) -> None:
    """Raise UserError unless a run's answers have its domains and give its recorded scores."""
    path = run.folder / PREDICTIONS
    if {*scores.domains} != {*compared.domains}:
        raise UserError(f"{path}: has other domains of {compared.evaluated} than summary.json")
    for domain in (None, *compared.domains):
        here, there = float(scores.of(domain)[0]), compared.score(run, domain)
        if not math.isclose(here, there, abs_tol=CLOSE):
            where = f" in {domain}" if domain else ""
            raise UserError(f"{path}: its rows of {compared.evaluated} give {compared.metric} {here:.6g}{where}, where "
                            f"summary.json has {there:.6g}; are both of one run?")


def alike(scores: list[np.ndarray]) -> list[np.ndarray]:
    """Return the scores with their draws if all have some, else those on the rows as they are: [1] each."""
    shortest = min(map(len, scores), default=0)
    return [each[:shortest] for each in scores]

"""The best round by the held-out rows, whose model is kept beside the last one's."""

from collections.abc import Iterable
from pathlib import Path

from utils.clock import timed
from utils.data.evaluation_sets import HELD_OUT
from utils.record.averaged_model import AveragedModel

FOLDER = "best_model"


class BestModel:
    """Keeps `model` as it is after the best round in `folder`, by `metric`; `records` are of an earlier process.

    `record`: that of the best round so far; None where no rows are held out. Of equals the first is the best. Without a
    `model` that record is all that is kept.
    """

    def __init__(self, model: AveragedModel | None, metric: str, folder: Path, records: Iterable[dict]) -> None:
        self.model, self.metric, self.folder = model, metric, folder
        self.record: dict | None = None
        for record in records:
            self._is_best(record)

    @property
    def number(self) -> int | None:
        """The best round so far, None where no rows are held out."""
        return self.record["round"] if self.record else None

    def round(self, record: dict) -> None:
        """Write the model if it is the best so far."""
        if self._is_best(record) and self.model:
            with timed(record["seconds"], "checkpoint"):
                self.model.save(self.folder / FOLDER, record["round"])

    def _is_best(self, record: dict) -> bool:
        best = HELD_OUT in record and (self.record is None or self._score(record) > self._score(self.record))
        if best:
            self.record = record
        return best

    def _score(self, record: dict) -> float:
        return record[HELD_OUT][self.metric]

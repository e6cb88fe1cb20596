"""How models do on a task, in this process: the numbers that main_lm.py --n_iterations 0 gives for each."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clients.job import Job
from clients.worker import LoadedModel, Worker
from merging.models import SavedModel
from utils.config import RunConfig
from utils.console import NOTES
from utils.data.dataset import TaskData
from utils.errors import UserError
from utils.machine.precision import resolve_arithmetic
from utils.machine.scratch import private_folder
from utils.model import loading
from utils.model.task_head import describe_head
from utils.model.tied import untied
from utils.record.parents import trained_before
from utils.record.results import columns_of, majorities, results_of
from utils.vectors.parameters import ParameterVector

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Results = Mapping[str, dict]  # an evaluation set's name → its metrics, as `results_of` has them


@dataclass(frozen=True)
class Evaluated:
    """What models come to on `data`, by their names, the merged one first; None: its head is for another task.

    `majority`: what the commonest training label comes to.
    """

    data: TaskData
    results: Mapping[str, Results | None]
    majority: Results

    @property
    def merged(self) -> Results:
        """The merged model's."""
        first = next(iter(self.results.values()))
        assert first is not None
        return first


class Evaluator:
    """Evaluates models that fit together, on the evaluation sets of `data`."""

    def __init__(self, config: RunConfig, data: TaskData, frame: SavedModel) -> None:
        self.config, self.data, self.frame = config, data, frame
        self.worker: Worker | None = None

    @classmethod
    def of(cls, config: RunConfig, frame: SavedModel, models: Sequence[SavedModel]) -> "Evaluator":
        """Return one for the task that `config` names, whose rows are made first where they are absent.

        What the runs that the `models` are of trained on is looked for in these rows. Raises UserError, naming
        `--data`, when the head of the merged model, which is the frame's or like it, was not trained on such a task.
        """
        import preprocess.common as preprocess

        config = resolve_arithmetic(replace(config, data_dir=str(Path(config.data_dir).resolve())))
        preprocess.prepare(config.data, config.source or None, Path(config.data_dir))
        names = [model.name for model in models]
        before = trained_before(names, config.data_dir, preprocess.spec_of, of_runs=True)
        found = cls(config, TaskData(config, preprocess.spec_of(config.data), from_=before), frame)
        found.data.overlap()
        if not found.has_head(frame):
            raise UserError(f"--data {config.data}: the head of {frame.name} is not for this task but for "
                            f"{frame.architecture or 'none'} ({', '.join(frame.labels)}); keep one that is by --head, "
                            "or leave --data out")
        return found

    def has_head(self, model: SavedModel) -> bool:
        """Return whether a model has a head that was trained on a task with these labels."""
        answers_in_words = loading.text_to_text_model(model.config, self.config.text_to_text)
        return answers_in_words or bool(model.head) and self.order(model) is not None

    def order(self, model: SavedModel) -> list[int] | None:
        """Return which output of a model's head means each of the task's labels; None if they mean others."""
        spec = self.data.table.spec
        return describe_head(copy.deepcopy(model.config), spec, spec.kind).order

    def parents(self, models: Sequence[SavedModel]) -> dict[str, Results | None]:
        """Return how each of the models does, by its name; None where its head is for another task."""
        return {model.name: self.results(model.name, model.name) if self.has_head(model) else None
                for model in models}

    def results(self, name: str, called: str) -> Results:
        """Return how the model that `name` stands for does, as for `--model`. Raises UserError as `loading.load`."""
        NOTES.info("evaluating %s", called)
        worker = self.loaded(name, called)
        answers = worker.evaluate(worker.vector.numpy(), 0, 1)
        columns = columns_of(worker.data, 0, {each: [whole] for each, whole in answers.items()})
        return results_of(worker.data, columns)

    def evaluated(self, results: Mapping[str, Results | None]) -> Evaluated:
        """Return the results with what they are on."""
        assert self.worker is not None
        return Evaluated(self.worker.data, results, majorities(self.worker.data))

    def loaded(self, name: str, called: str) -> Worker:
        """Return a run's worker, of which evaluation and probes are used, with the model that `name` stands for."""
        config = self.config
        wanted = loading.Wanted(name, config.seed, config.max_length, text_to_text=config.text_to_text, trained=True,
                                called=called)
        model, tokenizer = loading.load(wanted, self.data.table.spec)
        if self.worker is None:
            self.worker = self._worker(model, tokenizer)
        self.worker.vector.load(ParameterVector(model).numpy())
        return self.worker

    def _worker(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> Worker:
        """Return the worker, with a model of this architecture."""
        with private_folder() as scratch:
            job = Job(self.config, self.data.table.spec, str(scratch), str(scratch), "", self.data.table.fingerprint,
                      untied=" ".join(untied(model)), dropped=json.dumps(self.data.dropped))
            job.save_skeleton(model, tokenizer)
            level = NOTES.level
            NOTES.setLevel("WARNING")  # that its weights are drawn: they come with each model
            try:
                loaded = LoadedModel(job)
            finally:
                NOTES.setLevel(level)
            return Worker(job, loaded)

"""What the rounds of a run begin with: a model, and the state after the last round on record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.model import loading
from utils.model.pretraining import pretraining_of
from utils.model.ready import make_ready
from utils.ood_data import asked_sets
from utils.record.run_folder import RunFolder
from utils.record.runlog import RunLog
from utils.vectors.frozen import FrozenWeights
from utils.vectors.parameters import ParameterVector


@dataclass(frozen=True)
class Start:
    """`vector` are the trained parameters of `model`, the driver's own, in its memory; `frozen` are its others.

    `values`: float32 [n], the global vector after the last of `records`, the rounds that an earlier process has done;
    `states`: likewise, what the strategy keeps beside it, none before the first round.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    vector: ParameterVector
    frozen: FrozenWeights
    values: np.ndarray
    states: Sequence[np.ndarray]
    records: list[dict]

    @property
    def model_facts(self) -> dict[str, object]:
        """What the record says of the model: the hub's commit; how many parameters are in the vector, and in all."""
        in_vector = self.vector.n_parameters
        return {"model_commit": loading.commit_of(self.model), "parameters": in_vector,
                "all_parameters": in_vector + self.frozen.n_parameters}

    @property
    def round(self) -> int:
        """The last round on record; 0 before the first."""
        return max(0, len(self.records) - 1)

    @property
    def merged(self) -> dict[int, int]:
        """Of each client the last round on record that its update is in."""
        return {client: record["round"] for record in self.records for client in record["participants"]}


def load_model(config: RunConfig, data: TaskData, commit: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Return the model that the flags name, of the hub at `commit` if that is given, and open the tokens of `data`."""
    model, tokenizer = loading.load(loading.Wanted.by(config, commit), data.table.spec)
    data.tokenise(tokenizer, loading.is_text_to_text(model))
    return model, tokenizer


def start_of(run: RunFolder, data: TaskData, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Start:
    """Return the start of a run whose folder is open, from `model`, made ready in place, or its last checkpoint.

    Raises UserError when its record is not whole, or of another model.
    """
    vector, frozen = ParameterVector(model), FrozenWeights(model)
    records, last = run.go_back()
    if last is None:
        make_ready(model, tokenizer, data)
        return Start(model, tokenizer, vector, frozen, vector.numpy(), (), [])
    run.check_model(loading.commit_of(model), frozen.fingerprint)
    return Start(model, tokenizer, vector, frozen, last.vector, last.states, records)


def write_config(log: RunLog, data: TaskData, start: Start, workers: int) -> None:
    """Write config.json, unless the run goes on after a round; `workers`: processes that run clients at once."""
    if not start.records:
        log.write_config({
            "data_fingerprint": data.table.fingerprint, "data_source": data.table.source,
            **start.model_facts, "pretraining": pretraining_of(data.config, start.model),
            "frozen_fingerprint": start.frozen.fingerprint, "workers": workers,
            "shards": data.shards_by_domain(), "shard_labels": data.shards_by_label(),
            "rows_cut": {key: tokens.cuts(data.config.max_length).rows for key, tokens in data.tokens.items()},
            "evaluation_sets": data.set_names, "sets": set_facts(data), "ood": ood_facts(data),
            "overlap": data.overlap()})


def set_facts(data: TaskData) -> dict[str, dict]:
    """Return what config.json says of each evaluation set, by their names: the same rows have one fingerprint."""
    return {each.name: {"out_of_domain": each.name in data.out_of_domain, "rows_fingerprint": each.fingerprint,
                        **({"parallel": each.parallel} if each.parallel else {})}
            for each in data.chosen}


def ood_facts(data: TaskData) -> dict[str, dict]:
    """Return what config.json says of each set that `--ood_data` names, by the sets' names."""
    chosen = {each.name: each for each in data.chosen}
    return {asked.name: {"task": asked.task, "split": each.split, "rows": sum(map(len, each.domains.rows)),
                         "fingerprint": each.table.own.fingerprint, "source": each.table.source}
            for asked in asked_sets(data.config.ood_data) if (each := chosen.get(asked.name))}

"""The card of a run's model, `model/README.md`: for the hub, and for any reader of the folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import PreTrainedModel

from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.partition import n_participants
from utils.data.task import TaskSpec
from utils.flags import shown, values_of
from utils.hub_names import MINILM, split_revision, with_layers
from utils.machine.durable import whole_file
from utils.model import loading
from utils.model.pretraining import pretraining_of, sentence
from utils.model.trainable import counts
from utils.plugins import STRATEGIES, TRAINED
from utils.record.adapter_base import Base
from utils.record.runlog import metric_names, versions

_HUB_METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr"}
_LARGEST = 10**6  # bytes of a card that is read
_PAPERS = """\
- Chung, Cho, Thorne, Yun: *Parameter Averaging Laws for Multitask Language Models*. FL@FM-NeurIPS 2023.
- Weller et al.: *Pretrained Models for Multilingual Federated Learning*. NAACL 2022."""


@dataclass(frozen=True)
class Facts:
    """What a card has beside the flags, the task and the summary."""

    n_clients: int
    splits: dict[str, str]  #: of the table, by the evaluation set that has rows of it; the headline first
    text_to_text: bool = False
    license: str | None = None  #: of the model that the run started from
    data_commit: str | None = None  #: of the hub's data set that the rows are of, where they are
    loading: str = ""  #: of adapters alone, the code that adds them to their base
    #: of evaluation sets that are of other tasks: the task, and the hub's commit, by the sets' names
    foreign: Mapping[str, tuple[TaskSpec, str | None]] = field(default_factory=dict)
    parameters: tuple[int, int] = (0, 0)  #: that are trained, and that the model has
    layers: int = 0  #: that the model has where the run starts from it; 0: not known
    pretraining: Mapping[str, Any] | None = None  #: the card of a model of pretrain.py

    @classmethod
    def of(cls, data: TaskData, model: PreTrainedModel) -> "Facts":
        """Return those of a run on `data` whose model was loaded as `model`."""
        return cls(len(data.plan.shards), {each.name: each.split for each in data.chosen},
                   loading.is_text_to_text(model), license_of(Path(model.config.name_or_path)), data.table.commit,
                   parameters=counts(model), layers=loading.layers_before(model),
                   pretraining=pretraining_of(data.config, model),
                   foreign={each.name: (each.table.own.spec, each.table.commit) for each in data.chosen
                            if each.table is not data.table})


def license_of(folder: Path) -> str | None:
    """Return the licence that the card in a model's folder states, by the hub's name for it; None without one."""
    card = folder / "README.md"
    if not card.is_file() or card.stat().st_size > _LARGEST:
        return None
    try:
        stated = ModelCard(card.read_text(encoding="utf-8")).data.license
    except Exception:  # YAML from anywhere
        return None
    return stated if isinstance(stated, str) else None


def adding(base: Base, model: PreTrainedModel) -> str:
    """Return the code that adds the adapters of `model` to their base."""
    auto, name = type(model).__name__, _shown(base.name)
    revision = f', revision="{base.revision}"' * bool(base.revision)
    return f"""\
from peft import PeftModel
from transformers import AutoConfig, {auto}

config = AutoConfig.from_pretrained("adapter")  # this folder: it has the head's labels
base = {auto}.from_pretrained("{name}", config=config{revision})
model = PeftModel.from_pretrained(base, "adapter")"""


def write_card(folder: Path, config: RunConfig, spec: TaskSpec, summary: dict, facts: Facts) -> None:
    """Write the card of the model in `folder`, whole or not at all; `summary` is what summary.json gets."""
    with whole_file(folder / "README.md") as path:
        path.write_text(str(model_card(config, spec, summary, facts)), encoding="utf-8")


def model_card(config: RunConfig, spec: TaskSpec, summary: dict, facts: Facts) -> ModelCard:
    """Return the card. It names no path of this machine: of a local model it has the folder's name only."""
    start, origin = model_called(config.load_model or config.model), spec.origin
    base = None if config.random_init else hub_id(config.load_model or config.model)
    name = f"{config.data}-{with_layers(start.rpartition('/')[2], config.layers)}-{config.method}-seed{config.seed}"
    averaged = config.n_iterations and n_participants(facts.n_clients, config.frac_fit) > 1
    data = ModelCardData(
        model_name=name, library_name="peft" if facts.loading else "transformers", base_model=base,
        language=[*origin.languages], license=None if config.random_init else facts.license,
        datasets=[origin.repo] if origin.repo else None,
        metrics=[_HUB_METRICS.get(metric, metric) for metric in spec.metrics],
        pipeline_tag=None if facts.text_to_text else _task_type(spec),
        eval_results=eval_results(spec, summary, facts),
        tags=["text2text-generation"] * facts.text_to_text + ["parameter-averaging"] * bool(averaged))
    commit = f" (commit `{summary['model_commit']}`)" if summary.get("model_commit") else ""
    done = "fine-tuned" if config.n_iterations else "evaluated"
    kept = f", its first {config.layers}{f' of {facts.layers}' * bool(facts.layers)} layers" * bool(config.layers)
    parts = [
        f"# {name}",
        f"`{start}`{commit}{kept}, {done} on **{spec.name}** ({spec.kind.replace('_', ' ')}"
        + (f" of {', '.join(f'`{label}`' for label in spec.labels)}" if spec.labels else "") + ").",
        *([sentence(facts.pretraining)] if facts.pretraining else []),
        *(["The adapters and the head alone, which PEFT adds to their base:", f"```python\n{facts.loading}\n```"]
          if facts.loading else []),
        "## Data", _data(spec, summary, facts),
        "## How it was trained", _training(config, summary, facts),
        "## Metrics", _metrics(summary, facts),
        "## Flags", "\n".join(["```", *_flags(config), "```"]),
        "Versions: " + ", ".join(f"{library} {version}" for library, version in versions().items()) + ".",
        "## Citation", "The method:", _PAPERS, *([f"The data: {spec.citation}."] if spec.citation else [])]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _is_local(name: str) -> bool:
    return name != "minilm" and (name.startswith((".", "/", "~")) or os.path.exists(os.path.expanduser(name)))


def _shown(name: str) -> str:
    """Return a model as the card names it: a hub id whole, of a local folder only the last part."""
    return Path(name).expanduser().resolve().name if _is_local(name) else name


def model_called(name: str) -> str:
    """Return what a card calls the model that `name` stands for: of NAME@REV without REV, of a path the last part."""
    if name == "minilm":
        return MINILM
    return _shown(name) if _is_local(name) else split_revision(name)[0]


def hub_id(name: str) -> str | None:
    """Return the hub id of the model that `name` stands for; None for a local folder."""
    return None if _is_local(name) else model_called(name)


def _task_type(spec: TaskSpec) -> str:
    return "multiple-choice" if spec.kind == "multiple_choice" else "text-classification"


def eval_results(spec: TaskSpec, summary: dict, facts: Facts) -> list[EvalResult]:
    """Return the macro averages, the pooled figures and each domain's, by the hub's names of the data and its splits.

    The domains are no configurations of the data set, so a figure's name says whose it is; so it does of the evaluation
    sets but for the headline. Where there is one domain, all three are the same.
    """
    results = []
    for number, (name, split) in enumerate(facts.splits.items()):
        result, (of, commit) = summary[name], facts.foreign.get(name, (spec, facts.data_commit))
        origin = of.origin
        parts = [*_pooled(result).items(), *result["domains"].items()] if len(result["domains"]) > 1 else []
        for domain, figures in (("", result), *parts):
            whose = ", ".join([name] * (number > 0) + [domain] * bool(domain))
            results += [EvalResult(
                task_type=_task_type(spec), dataset_type=origin.repo or of.name, dataset_name=of.name,
                dataset_config=origin.config or None, dataset_revision=commit,
                dataset_split=split.replace("dev", "validation") if origin.repo else split,
                metric_type=_HUB_METRICS.get(metric, metric), metric_value=figures[metric],
                metric_name=f"{metric} ({whose})" if whose else metric) for metric in metric_names(result)]
    return results


def _data(spec: TaskSpec, summary: dict, facts: Facts) -> str:
    origin, columns = spec.origin, " and ".join(f"`{column}`" for column in spec.text)
    rows = [f"{summary[name]['rows']} rows of the split `{split}`"
            + (f" of {facts.foreign[name][0].name}" if name in facts.foreign else "") + f" (`{name}`)" * (number > 0)
            for number, (name, split) in enumerate(facts.splits.items())]
    words = (f"Read: {columns}. Evaluated on {', and on '.join(rows)}; "
             f"{summary['rows_trained']} rows were trained on, all passes counted.")
    if origin.repo:
        words += (f" The hub has the data set as [`{origin.repo}`](https://huggingface.co/datasets/{origin.repo}), "
                  f"configuration `{origin.config}`"
                  + (f"; the rows are those of its commit `{facts.data_commit}`." if facts.data_commit else "."))
    return words + f" Licence of the data, as publicly known: {origin.license or 'none is stated'}."


def _training(config: RunConfig, summary: dict, facts: Facts) -> str:
    if not config.n_iterations:
        return "It was not trained in this run, only evaluated."
    passes = f"{config.epoch} local epoch(s) of AdamW in each of {config.n_iterations} round(s)"
    formula = STRATEGIES.sentence(config.strategy) or "as its file says."
    made = f"{given(config.strategy_flags)} makes the next model of what is trained: {formula}"
    cut = (f"with lang_mix {config.lang_mix:g}" if config.partitioner == RunConfig.partitioner
           else f"by the partitioner {config.partitioner}{given(config.partitioner_flags)}")
    if config.one_client:
        words = f"Standard fine-tuning (`{config.method}`): one client holds all rows, {passes}."
        if config.only_client >= 0:
            words = (f"One client alone (`{config.method}`): of the shards that the rows are cut into {cut}, only that "
                     f"of client {config.only_client} is trained on, {passes}.")
        if config.large_batch:
            words += " Each step takes the batches of all the clients that averaging would have."
        if config.strategy != RunConfig.strategy:
            words += f" After each round the strategy `{config.strategy}`{made}"
    else:
        share = "all of them take part" if config.frac_fit == 1 else f"a part of {config.frac_fit:g} is drawn"
        words = (f"Parameter averaging (`{config.method}`): the rows are cut into the shards of {facts.n_clients} "
                 f"client(s) {cut}; {passes}, in which {share}. After each round the strategy "
                 f"`{config.strategy}`{made}")
    if config.train != RunConfig.train:
        trained, plain = facts.parameters
        words += (f" It has {plain:,} parameters, and {trained:,} were trained (`--train {config.train}`"
                  f"{given(config.train_flags)}): {TRAINED.sentence(config.train)}")
    if config.client_average != "none":
        words += (" What a client returns of a round is the running average of its weights "
                  f"(`{config.client_average}`), from {config.client_average_from:g} of its steps on.")
    best = summary.get("best")
    return words + " This is the model after the last round." + (
        f" The best on held-out rows was that after round {best['round']}." if best else "")


def given(flags: Any) -> str:
    """Return a plug-in's flags in brackets, but for empty ones; "" if it has none."""
    words = ", ".join(f"{name} {shown(value)}" for name, value in values_of(flags).items() if value != "")
    return f" ({words})" if words else ""


def _metrics(summary: dict, facts: Facts) -> str:
    """Return a table for each evaluation set; those after the headline have their name above."""
    first, *others = facts.splits
    parts = [_table(summary[first], summary["majority"])]
    for name in others:
        parts += [f"On `{name}`:", _table(summary[name], summary["majority_of"][name])]
    return "\n\n".join(parts)


def _table(result: dict, majority: dict) -> str:
    """Return a set's figures: the macro average, the majority class for comparison, the pooled ones, each domain's."""
    names, rows = metric_names(result), [("**macro average**", result), ("majority class", majority),
                                         *_pooled(result).items(), *result["domains"].items()]
    return "\n".join([f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *(
        f"| {row.replace('|', chr(92) + '|')} | {' | '.join(f'{figures[name]:.4f}' for name in names)} |"
        for row, figures in rows)])


def _pooled(result: dict) -> dict[str, dict]:
    """Return a set's figures over all rows at once, by their name; none where a run goes on after an older round."""
    return {"pooled": result["pooled"]} if "pooled" in result else {}


def _flags(config: RunConfig) -> list[str]:
    """Return the flags that a run keeps to, as a command line has them; defaults are in it too."""
    lines = []
    for name, value in config.flags(fixed=True).items():
        if value is not False and value != "":
            value = _shown(value) if name in ("model", "load_model") else value
            lines.append(f"--{name}" + ("" if value is True else f" {value}"))
    return lines

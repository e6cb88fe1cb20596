"""The card of a run's model, `model/README.md`: what the hub, and who finds the folder, has to know of it."""

import dataclasses
import os
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from utils.config import RunConfig
from utils.durable import whole_file
from utils.runlog import metric_names, versions
from utils.task import TaskSpec

_HUB_METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr"}
_MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_PAPERS = """\
- Chung, Cho, Thorne, Yun: *Parameter Averaging Laws for Multitask Language Models*. FL@FM-NeurIPS 2023.
- Weller et al.: *Pretrained Models for Multilingual Federated Learning*. NAACL 2022."""


def write_card(folder: Path, config: RunConfig, spec: TaskSpec, summary: dict, text_to_text: bool,
               n_clients: int) -> None:
    """Write the card of the model in `folder`, whole or not at all; `summary` is what summary.json gets."""
    with whole_file(folder / "README.md") as path:
        path.write_text(str(model_card(config, spec, summary, text_to_text, n_clients)), encoding="utf-8")


def model_card(config: RunConfig, spec: TaskSpec, summary: dict, text_to_text: bool, n_clients: int) -> ModelCard:
    """Return the card. It names no path of this machine: of a local model it has the folder's name only."""
    start = _start(config)
    name = f"{config.data}-{start.rpartition('/')[2]}-{config.method}-seed{config.seed}"
    split = config.test_split or spec.test_split
    data = ModelCardData(
        model_name=name, library_name="transformers", base_model=_base_model(config),
        metrics=[_HUB_METRICS.get(metric, metric) for metric in spec.metrics],
        pipeline_tag=None if text_to_text else _task_type(spec), eval_results=_results(spec, split, summary["test"]),
        tags=["text2text-generation"] * text_to_text + ([] if config.centralized else ["parameter-averaging"]))
    parts = [
        f"# {name}",
        f"`{start}`, fine-tuned on **{spec.name}** ({spec.kind.replace('_', ' ')}"
        + (f" of {', '.join(f'`{label}`' for label in spec.labels)}" if spec.labels else "") + ").",
        "## Data", _data(spec, split, summary),
        "## How it was trained", _training(config, n_clients, summary),
        "## Metrics", _metrics_table(summary),
        "## Flags", "\n".join(["```", *_flags(config), "```"]),
        "Versions: " + ", ".join(f"{library} {version}" for library, version in versions().items()) + ".",
        "## Citation", "The method:", _PAPERS, *([f"The data: {spec.citation}."] if spec.citation else [])]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _shown(name: str) -> str:
    """Return a model as the card names it: a hub id whole, of a local folder only the last part."""
    return Path(name).expanduser().resolve().name if os.path.exists(os.path.expanduser(name)) else name


def _start(config: RunConfig) -> str:
    return _MINILM if (config.load_model or config.model) == "minilm" else _shown(config.load_model or config.model)


def _base_model(config: RunConfig) -> str | None:
    """Return the hub id that the run started from; None for a local folder, or random weights."""
    name = config.load_model or config.model
    local = name != "minilm" and os.path.exists(os.path.expanduser(name))
    return None if config.random_init or local else _start(config)


def _task_type(spec: TaskSpec) -> str:
    return "multiple-choice" if spec.kind == "multiple_choice" else "text-classification"


def _results(spec: TaskSpec, split: str, test: dict) -> list[EvalResult]:
    """Return the macro averages, then each domain's figures as a configuration of the data set."""
    domains = test["domains"] if len(test["domains"]) > 1 else {}
    return [EvalResult(task_type=_task_type(spec), dataset_type=spec.name, dataset_name=spec.name, dataset_split=split,
                       dataset_config=domain, metric_type=_HUB_METRICS.get(metric, metric), metric_name=metric,
                       metric_value=figures[metric])
            for domain, figures in ((None, test), *domains.items()) for metric in metric_names(test)]


def _data(spec: TaskSpec, split: str, summary: dict) -> str:
    columns = " and ".join(f"`{column}`" for column in spec.text)
    return (f"Read: {columns}. Evaluated on {summary['test']['rows']} rows of the split `{split}`; "
            f"{summary['rows_trained']} rows were trained on, all passes counted.")


def _training(config: RunConfig, n_clients: int, summary: dict) -> str:
    if not config.n_iterations:
        return "It was not trained in this run, only evaluated."
    passes = f"{config.epoch} local epoch(s) of AdamW in each of {config.n_iterations} round(s)"
    if config.centralized:
        words = f"Standard fine-tuning (`{config.method}`): one client holds all rows, {passes}."
    else:
        share = "all of them take part" if config.frac_fit == 1 else f"a part of {config.frac_fit:g} is drawn"
        cut = (f"with lang_mix {config.lang_mix:g}" if config.partitioner == "lang_mix"
               else f"by the partitioner {config.partitioner}")
        cut += f" (alpha {config.alpha:g})" * (config.partitioner == "dirichlet")
        after = "" if config.strategy == "averaging" else f"what the server optimizer {config.strategy} makes of "
        words = (f"Parameter averaging (`{config.method}`): the rows are cut into the shards of {n_clients} client(s) "
                 f"{cut}; {passes}, in which {share}. After each round the model is {after}the "
                 "mean of the clients' parameters, weighted by their rows.")
    best = summary.get("best")
    return words + " This is the model after the last round." + (
        f" The best on held-out rows was that after round {best['round']}." if best else "")


def _metrics_table(summary: dict) -> str:
    """Return the test figures as a table: the macro average, the majority class for comparison, each domain."""
    names, test = metric_names(summary["test"]), summary["test"]
    rows = {"**macro average**": test, "majority class": summary["majority"], **test["domains"]}
    return "\n".join([f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *(
        f"| {row.replace('|', chr(92) + '|')} | {' | '.join(f'{figures[name]:.4f}' for name in names)} |"
        for row, figures in rows.items())])


def _flags(config: RunConfig) -> list[str]:
    """Return the flags that decide the result, as a command line has them; defaults are in it too."""
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata["changes_results"] and value is not False and value != "":
            value = _shown(value) if field.name in ("model", "load_model") else value
            lines.append(f"--{field.name}" + ("" if value is True else f" {value}"))
    return lines

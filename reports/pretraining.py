"""What a model was pre-trained with, in two units: from its card in the run's record, or the table of known models.

FLOPs are 6·N·D: N parameters, D tokens (Kaplan et al. 2020, arXiv:2001.08361). The unit of the published figure 1
(Chung et al., FL@FM-NeurIPS 2023) is 10^15 · 6 · N · sequences, with N the parameters without embeddings.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from reports.runs import FinishedRun
from utils.hub_names import split_revision

TABLE = Path(__file__).with_name("pretraining.json")
FIGURE_1 = Path(__file__).with_name("figure1.json")
FIGURE_1_UNIT = 1e15  #: FLOPs of 6 · N · sequences


@dataclass(frozen=True)
class Pretraining:
    """A model's pre-training; None where it is not known."""

    flops: float | None = None  #: 6·N·D
    figure_1: float | None = None  #: compute in the published figure's unit
    words: float | None = None  #: words of text, each counted once, of models that differ in that


@dataclass(frozen=True)
class PublishedPoint:
    """A model of the published figure 1: its compute in the figure's unit, and the gains in points."""

    model: str  #: "" where the paper does not say enough to name it
    compute: float
    gains: dict[str, float]  #: {mixture (iid, noniid): points}


def known_models(table: Path = TABLE) -> dict[str, Pretraining]:
    """Return {model's name, lower case, without its owner: what it was pre-trained with} of all models in the table."""
    return {name.format(k=thousands).lower(): _of_entry(entry, thousands)
            for entry in json.loads(table.read_bytes())["models"]
            for thousands in entry.get("thousands", [1]) for name in entry["names"]}


def _of_entry(entry: dict, thousands: int) -> Pretraining:
    parameters = entry.get("active_parameters", entry.get("parameters"))
    return Pretraining(_product(parameters, entry.get("tokens"), thousands),
                       _product(entry.get("body_parameters"), entry.get("sequences"), thousands / FIGURE_1_UNIT),
                       entry.get("words"))


def _product(parameters: float | None, data: float | None, factor: float) -> float | None:
    return None if parameters is None or data is None else 6.0 * parameters * data * factor


def pretraining(run: FinishedRun, known: dict[str, Pretraining]) -> Pretraining | str:
    """Return what a run's model was pre-trained with, or why that is not known: a part of a sentence.

    The object `pretraining` in the run's config.json comes first, then the model's name among the `known_models`.
    Random weights have had 0 FLOPs.
    """
    flag = run.config["flags"].get
    if flag("load_model"):
        return "starts from another run's weights"
    if flag("random_init"):
        return Pretraining(0.0, 0.0)
    card = run.config.get("pretraining")
    if flag("layers") and not (card and flag("layers") == card["layers"]):  # else: all of them
        return "is a part of a model: the compute of the whole is not its own"
    if card is not None:
        return Pretraining(float(card["flops"]), 6.0 * card["body_parameters"] * card["sequences"] / FIGURE_1_UNIT)
    name = split_revision(run.summary["model"])[0].rstrip("/").rpartition("/")[2].lower()
    return known.get(name, f"its pre-training compute is not in {TABLE.parent.name}/{TABLE.name}")


def published_points(path: Path = FIGURE_1) -> list[PublishedPoint]:
    """Return the monolingual models of the published figure 1, of rising compute."""
    return [PublishedPoint(point["model"], point["compute"], {name: point[name] for name in ("iid", "noniid")})
            for point in json.loads(path.read_bytes())["points"]]

"""What a merge is made of: the models opened and checked, their base, their weights, the method."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from merging.adapters import opened
from merging.fitting import Fitted, fitted
from merging.flags import Asked
from merging.models import SavedModel
from merging.records import common_start, origin_of, weights_of
from strategies import Participant, Round, Strategy, check_strategy
from utils.console import NOTES
from utils.errors import UserError
from utils.model.layers import cut_note, keep_layers, layers_of
from utils.plugins import STRATEGIES

TRAINING = ("client-side terms", "adapters")  # groups of methods that are half what clients do


@dataclass(frozen=True)
class Plan:
    """`models` that fit together (`fitted`), updates of `base` (None: measured from zero).

    They weigh `weights`, in their mean at least; `weighed_by` says in words where these are from.
    """

    models: tuple[SavedModel, ...]
    base: SavedModel | None
    fitted: Fitted
    weights: tuple[int, ...]
    weighed_by: str

    def round(self, method: Strategy, seed: int) -> Round:
        """Return the models as a method's first round has its participants."""
        participants = tuple(Participant(k, weight, 0) for k, weight in enumerate(self.weights))
        return Round(1, seed, len(self.models), participants, tuple(map(method.weight, participants)))


def plan_of(asked: Asked, scratch: Path) -> Plan:
    """Open and check all that a command line names; what is made of adapters lies in `scratch`.

    Raises UserError, naming the flag or the model, for a method that needs training, a base that is needed and not
    known, and as `open_model`, `weights_of` and `fitted` do.
    """
    cls = STRATEGIES.load(asked.config.strategy)
    check_method(asked, cls)
    models = [opened(asked, scratch, name) for name in asked.models]
    origins = [origin_of(model) for model in models]
    weights, weighed_by = weights_of(asked.flags.weights, models, origins)
    head = model_of(asked, "head", asked.flags.head, models, scratch)
    if head and not head.head:
        raise UserError(f"{head.asked}: has no head to keep; name a model that has, or leave it out")
    base = None if measures(cls) else base_of(asked, cls, models, common_start(origins), scratch)
    base = base and first_layers(base, models[0])
    found = fitted(models, base, head, cls.from_zero)
    words = [f"{model.name} {weight}" for model, weight in zip(models, weights)]
    whose = asked.config.strategy + (": weights" if cls.weighted else " counts models alike; weights of their mean")
    NOTES.info("%s (%s): %s; %s", whose, weighed_by, ", ".join(words),
               f"updates of {base.name}" if base else "without a base: the models themselves, measured from zero")
    return Plan(tuple(models), base, found, tuple(weights), weighed_by)


def first_layers(base: SavedModel, model: SavedModel) -> SavedModel:
    """Return a base without the layers that `model` has not: that of runs with `--layers` is whole on disk."""
    n, have = layers_of(model.config), layers_of(base.config)
    if n >= have:
        return base
    NOTES.info("%s: %s", base.asked, cut_note(have, n, len(base.body.keys() - model.body.keys())))
    config = copy.deepcopy(base.config)
    keep_layers(base.asked, config, n)
    return replace(base, config=config, body={key: tensor for key, tensor in base.body.items() if key in model.body})


def check_method(asked: Asked, cls: type[Strategy]) -> None:
    """Raise UserError for a method that is in part what clients do as they train, or that needs more models."""
    if needs_training(cls):
        raise UserError(f"--strategy {asked.config.strategy}: is in part what clients do as they train, and "
                        f"finished models are trained: give one of {', '.join(without_training())}")
    flags = asked.flags
    if flags.weights and not cls.weighted:
        raise UserError(f"--weights {flags.weights}: --strategy {asked.config.strategy} counts models alike: leave "
                        "--weights out, or give another --strategy")
    if measures(cls) and (flags.base or flags.head or not flags.data):
        raise UserError(f"--strategy {asked.config.strategy}: measures whole models on rows of a task: name it by "
                        "--data, and leave --base and --head out")
    try:
        check_strategy(asked.config, len(asked.models))
    except UserError as error:  # how a run has more clients is of no use here
        raise UserError(f"{str(error).partition('; ')[0]}; each model is a client here: give more of them") from None


def measures(cls: type[Strategy]) -> bool:
    """Return whether a method measures each model on rows."""
    return cls.measured is not Strategy.measured


def needs_training(cls: type[Strategy]) -> bool:
    """Return whether a method is in part what clients do as they train."""
    return cls.group in TRAINING or cls.term is not Strategy.term or bool(cls.client_vectors)


def without_training() -> list[str]:
    """Return the names of the methods that finished models can be merged by, but for files that are broken."""
    found = []
    for name in STRATEGIES.names():
        with suppress(UserError):
            found += [name] * (not needs_training(STRATEGIES.load(name)))
    return found


def model_of(asked: Asked, flag: str, name: str, models: Sequence[SavedModel], scratch: Path) -> SavedModel | None:
    """Return the model that a flag names, which may be one of `models`; None if the flag is not given."""
    if not name:
        return None
    return next((model for model in models if model.name == name), None) or opened(asked, scratch, name, flag)


def base_of(asked: Asked, cls: type[Strategy], models: Sequence[SavedModel], start: str | None, scratch: Path
            ) -> SavedModel | None:
    """Return the model that the others are updates of; None where whole models may stand for updates."""
    if asked.flags.base:
        return model_of(asked, "base", asked.flags.base, models, scratch)
    needed = not (cls.from_zero or cls.is_plain())
    if start is None and needed:
        raise UserError(f"--strategy {asked.config.strategy}: acts on what training has changed, and these models do "
                        "not all name one that they were trained from: give it by --base MODEL")
    if start is None:
        return None
    try:
        return model_of(asked, "base", start, models, scratch)
    except UserError as error:
        if needed:
            raise
        NOTES.info("%s: so there is no base", error)
        return None

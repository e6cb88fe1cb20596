"""Methods: each file NAME.py here is what `--strategy NAME` takes, one subclass of `Strategy` with its own flags.

A strategy says what becomes of the clients' vectors, and what a client adds to its training. The engine does the rest:
it draws the participants, carries vectors, reads them a window at a time, and keeps what a strategy keeps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol

import numpy as np

from utils.config import RunConfig
from utils.plugins import STRATEGIES
from utils.vectors.layout import Layout

Array = np.ndarray  # float32 [elements of a window], unless said otherwise


@dataclass(frozen=True)
class Participant:
    """A client whose update a round has: the `rows` that it holds and the optimizer `steps` that it has made."""

    client: int
    rows: int
    steps: int


@dataclass(frozen=True)
class Round:
    """A round whose updates are there: its `number`, from 1, the run's `seed`, and the participants in client order.

    `weights` are theirs, as `Strategy.weight` gives them; `n_clients` are all of the run.
    """

    number: int
    seed: int
    n_clients: int
    participants: tuple[Participant, ...]
    weights: tuple[float, ...]

    @property
    def shares(self) -> Array:
        """What part each weight is of all, float64 [participants]."""
        return np.array(self.weights, np.float64) / sum(self.weights)


@dataclass(frozen=True)
class Term:
    """What a client adds to its training.

    `gradient(values, place)`: float32 tensor of the shape of `values`, which are the parameters at `place` (a slice) of
    the vector; it is added to their gradient in each step, before clipping. `direction(values, place)`: likewise, but
    what the step's learning rate times it is subtracted from the parameters, beside the optimizer, which rescales
    gradients. `returned(values, travelled)`: the vectors, float32 [n], that go back beside the trained model `values`,
    where `travelled` is the sum of the learning rates of the steps made. It may change the client's own vectors in
    place; they are kept once it has returned.
    """

    gradient: Callable[[Any, slice], Any] | None = None
    direction: Callable[[Any, slice], Any] | None = None
    returned: Callable[[Any, float], Sequence[Any]] | None = None


class Probe(Protocol):
    """A trained model and rows that it was trained on, to be measured; nothing of the model changes.

    `values`, `start`: the model as a vector, and the one that its round began with, float32 tensors [n].
    """

    values: Any
    start: Any

    def rows(self, n: int) -> Iterator[Any]:
        """Yield a batch of each of `n` of the rows (0: of all), drawn from the seed."""

    def scores(self, batch: Any) -> Any:
        """Return what the model says of a batch, without dropout, a float64 tensor [rows, scores] with its graph.

        Logits; a text-to-text model's log-likelihoods of the label words; or one score.
        """

    def gradient(self, value: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the gradient of a `value` with a graph: elements of the vector and what it is there; else it is 0.

        Elements are a slice or, of embeddings, an int64 tensor.
        """

    def inputs(self, batch: Any) -> Iterator[tuple[int, Any]]:
        """Yield the inputs of each call of a linear layer in training on a batch, a float32 tensor [tokens, inputs].

        With the number of its weight in the layout's places. Padding is left out.
        """


class Strategy:
    """FedAvg (McMahan et al. 2017, algorithm 1), whose parts the methods of this folder replace.

    `flags` are the method's own, `layout` names each tensor's place in a vector, `trained` are the flags of `--train`.
    Vectors are float32 [n]; a hook of the server gets their elements `window`, a slice, as arrays of its length.
    """

    @dataclass(frozen=True)
    class Flags:
        """None of its own."""

    #: what `--help` lists the method under
    group = "means"
    #: whether it is for one client, too, as --centralized and --only_client have it: a rule for the server's step
    alone = False
    #: Whether the server needs the weighted mean alone, which is made while clients still train. Else `merge` sees all
    #: updates of a round at once, which need a buffer each.
    streams = True
    #: whether a client counts by its rows, or by what `weight` makes of them; else all count alike
    weighted = True
    #: how often all windows are looked at before they are merged
    looks = 0
    #: whether a window holds whole tensors, and all of one `unit`, for what needs a matrix at once
    whole = False
    #: whether whole models may stand for updates: `before` may be zero, as in a merge of models that began anywhere
    from_zero = False
    #: whether it is to withstand spoilt updates, which the plain mean does not
    robust = False
    #: vectors that the server, and each client, keeps from round to round; zeros at first
    server_vectors = client_vectors = 0
    #: what `--train` must name; "": it may name anything
    trains = ""
    #: whether the matrices that have adapters beside them (`--train lora`) are in the vectors, for the server to change
    moves_base = False
    #: whether clients may have adapters of different ranks (`--lora_r 4,8`)
    mixes_ranks = False
    #: whether clients train the same tensors in each round, and from what their last round made of them
    goes_on = True
    #: Vectors out and back: the global one, then the first of the server's; the model, then what a Term returns, then
    #: what `measured` does.
    sent = returned = 1

    def __init__(self, flags: Any, layout: Layout, trained: Any = None) -> None:
        self.flags, self.layout, self.trained = flags, layout, trained

    def __init_subclass__(cls) -> None:
        """Raise TypeError for a method that would silently be another one: a hook misspelt, or that is never called."""
        own = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
        for name in own:
            if not hasattr(Strategy, name):
                raise TypeError(f"{cls.__name__}.{name}: a Strategy has nothing of this name; one of its own begins "
                                "with _")
            hook = getattr(Strategy, name)
            if callable(hook) and not isinstance(hook, type) and [*signature(getattr(cls, name)).parameters] != [
                    *signature(hook).parameters]:
                raise TypeError(f"{cls.__name__}.{name}: must take ({', '.join(signature(hook).parameters)})")
        if cls.streams and {"merge", "look"} & own.keys():
            raise TypeError(f"{cls.__name__}: with streams = True, merge and look are never called; set it to False")
        if not cls.streams and ("step" in own or cls.merge is Strategy.merge):
            raise TypeError(f"{cls.__name__}: with streams = False, step is never called, and merge must be there")
        if bool(cls.looks) != (cls.look is not Strategy.look):
            raise TypeError(f"{cls.__name__}: looks = {cls.looks} and a hook look go together")

    @classmethod
    def against(cls, config: RunConfig) -> str:
        """Return what contradicts the method in a run's other flags, in a line that says what to do; "" if nothing."""
        asked = f"--strategy {config.strategy}"
        if config.one_client and not cls.alone:
            return f"{asked} and {config.one_client} contradict each other: it is for several clients, and there is " \
                   "one; give one of them, or a server optimizer"
        if cls.trains and config.train != cls.trains:
            return f"{asked}: is for adapters alone; give --train {cls.trains}, too"
        if "," in getattr(config.train_flags, "lora_r", "") and not cls.mixes_ranks:
            mixing = " or ".join(name for name in STRATEGIES.names() if STRATEGIES.load(name).mixes_ranks)
            return f"--lora_r {config.train_flags.lora_r}: {asked} needs adapters of one rank; give one, or " \
                   f"--strategy {mixing}"
        if config.optimizer_state == "keep" and not cls.goes_on:
            return f"--optimizer_state keep: {asked} has clients train other adapters in each round, of which there " \
                   "are no moments; give fresh"
        if not config.match_norm:
            return ""
        if cls.is_plain():
            return f"--match_norm: the step of {asked} is the plain mean's; leave it out, or give another strategy"
        if cls.moves_base:
            return f"--match_norm: a step of another length is not the exact mean that {asked} makes; leave it out"
        if cls.robust:
            return f"--match_norm: how long the plain mean's step is, a spoilt update decides, which {asked} is to " \
                   "withstand; leave it out"
        return ""

    @classmethod
    def is_plain(cls) -> bool:
        """Whether the new global vector is the mean of the models, weighted by rows."""
        return cls.streams and cls.step is Strategy.step and cls.weight is Strategy.weight and cls.weighted

    @property
    def has_step(self) -> bool:
        """Whether the new global vector is another one than the mean."""
        return type(self).step is not Strategy.step

    @property
    def has_weight(self) -> bool:
        """Whether updates weigh something else than rows."""
        return type(self).weight is not Strategy.weight or not self.weighted

    @property
    def has_term(self) -> bool:
        """Whether clients train with a term of the method's."""
        return type(self).term is not Strategy.term

    @property
    def has_measures(self) -> bool:
        """Whether a client's trained model is measured on its rows."""
        return type(self).measured is not Strategy.measured

    @property
    def measuring_bytes(self) -> int:
        """What a client's model takes to be measured, beside what training takes."""
        return 0

    @classmethod
    def check(cls, flags: Any, participants: int) -> None:
        """Raise UserError, or make a note, where a round may have so few `participants`; called before the first."""

    def weight(self, participant: Participant) -> float:
        """Return what an update weighs in the means: its client's rows, or 1 where clients count alike."""
        return participant.rows if self.weighted else 1

    def unit(self, name: str) -> str:
        """Return what the tensor `name` shares with the neighbours that come in one window with it (whole = True)."""
        return name

    def freezes(self, server_round: int, name: str) -> bool:
        """Return whether clients keep the tensor `name` as they got it in a round: no gradient, step or decay.

        The matrices that have adapters beside them they keep in any case.
        """
        return False

    def frozen(self, server_round: int) -> set[str]:
        """Return the names of the tensors that clients keep in a round."""
        return {place.name for place in self.layout.places
                if place.name.endswith(".base_layer.weight") or self.freezes(server_round, place.name)}

    def step(self, round: Round, window: slice, before: Array, mean: Any, kept: Sequence[Array]) -> None:
        """Turn the `mean` of the models into the new global vector, in place.

        `before` is the global vector that the round began with; `kept` are the server's own vectors, to be changed in
        place. Where clients return more than the model, `mean` is a tuple: of the models, then of each other vector.
        """

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Any],
             seen: Sequence[Array]) -> Array | tuple[slice, Array]:
        """Return sums over a window of the `clients`' vectors, for look `number`, from 0 (streams = False).

        They are of one shape for all windows, or a row for each tensor that the window has, with the numbers of these
        in the layout's places. They are added up over the windows in order, in float64, and later looks and `merge`
        find them, with a row for every tensor, in `seen[number]`. Threads look at windows side by side: nothing is kept
        in `self`. Where clients return more than the model, each of `clients` is a tuple, as `mean` is in `step`.
        """
        raise NotImplementedError

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Any], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        """Return the new global vector's window (streams = False) from the `clients`', which `look` describes."""
        raise NotImplementedError

    def term(self, received: Sequence[Any], own: Sequence[Any]) -> Term | None:
        """Return what a client adds to its training in a round; None: nothing.

        `received` are the vectors sent, the global one first, `own` the client's: float32 tensors [n] on its device.
        """
        return None

    def measured(self, probe: Probe) -> Sequence[Any]:
        """Return the vectors that go back beside a client's trained model, measured on it: float32 [n] each."""
        return []


def check_strategy(config: RunConfig, participants: int) -> None:
    """Raise UserError, naming flags, where what `--strategy` names needs more than the fewest `participants`."""
    STRATEGIES.load(config.strategy).check(config.strategy_flags, participants)


def strategy_of(config: RunConfig, layout: Layout) -> Strategy:
    """Return what `--strategy` names, with its flags, for vectors of a `layout`."""
    return STRATEGIES.load(config.strategy)(config.strategy_flags, layout, config.train_flags)

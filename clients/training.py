"""The one training loop: a client's local epochs, and standard fine-tuning as a client that holds all rows."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil

import numpy as np
import torch
from transformers import PreTrainedModel

from clients.average import RunningAverage, share_of_step
from clients.optimizer import FlatAdamW
from strategies import Term
from utils.config import RunConfig
from utils.data.batches import training_batches
from utils.data.tokens import Tokens
from utils.errors import Diverged
from utils.model.dropout import Masks, fast_dropout
from utils.model.feed import Feeder, feeding
from utils.model.heads import Head
from utils.model.trainable import begin_training
from utils.model.used_embeddings import embedding_table
from utils.seeds import generator, torch_seed
from utils.vectors.parameters import ParameterVector, zeros

LARGEST = 2.0 ** 57  # of a parameter: the mean's sums of squared distances hold it in float32 (utils/vectors/sums.py)
STEP_AS_TOKENS = 64  # tokens whose training takes about as long as what each step costs beside its tokens


@dataclass(frozen=True)
class Trained:
    """What is trained, in place: a `model` whose parameters are `vector`, by `optimizer`, for the loss of `head`."""

    model: PreTrainedModel
    vector: ParameterVector
    optimizer: FlatAdamW
    head: Head


@dataclass(frozen=True)
class Shard:
    """A client's rows: positions `rows` (int64 [n]) in the split's `tokens` and `labels` (float64 [split rows])."""

    tokens: Tokens
    labels: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Turn:
    """What a client does in a round: `config` has its epochs, rates and seed; `term` is what the strategy adds."""

    config: RunConfig
    server_round: int
    client: int
    term: Term | None = None


@dataclass
class SoFar:
    """How far a client has come in its round: steps `made`, the `loss` summed over its terms, `seconds` of work.

    `travelled`: the sum of the learning rates of its steps. `average`: what the client is at the end, `travelled`
    included, with `--client_average`. `shown`: a view, int64 [1], of the rows trained on so far,
    from which a status line is made; or None.
    """

    made: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    travelled: float = 0.0
    average: RunningAverage | None = None
    shown: np.ndarray | None = None


@dataclass(frozen=True)
class Way:
    """How a client computes: `feed` brings a batch to the device; dropout comes from `masks`, or from torch if None."""

    feed: Feeder
    masks: Masks | None = None


def steps_per_round(n_rows: int, config: RunConfig) -> int:
    """Return the optimizer steps a client of `n_rows` makes each round."""
    batches = -(-n_rows // config.batch_size)
    return config.epoch * -(-batches // config.batch_accum)


def share_of_rate(config: RunConfig, made: int, steps: int) -> float:
    """Return what part of `--lr` the next step has where a client has `made` that many of the whole run's `steps`.

    It rises from 0 in the first ⌈warmup_ratio · steps⌉, as transformers' get_linear_schedule_with_warmup has it, then
    stays 1, or falls to 0 after the last step.
    """
    rising = ceil(Fraction(str(config.warmup_ratio)) * steps)
    if made < rising:
        return made / rising
    return 1 - (made - rising) / (steps - rising) if config.lr_schedule == "linear" else 1.0


def round_steps(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> Iterator[list[np.ndarray]]:
    """Yield the batches of each optimizer step of a client's round: positions into its `lengths` (tokens per row)."""
    for epoch in range(config.epoch):
        rng = generator(config.seed, "batches", server_round, client, epoch)
        batches = training_batches(lengths, config.batch_size, rng, config.batching)
        for start in range(0, len(batches), config.batch_accum):
            yield batches[start:start + config.batch_accum]


def step_costs(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> np.ndarray:
    """Return what each step of a client's round costs, float64 [steps], in tokens."""
    return np.array([STEP_AS_TOKENS + sum(lengths[batch].sum() for batch in batches)
                     for batches in round_steps(lengths, config, server_round, client)], dtype=np.float64)


def local_training(trained: Trained, shard: Shard, turn: Turn, so_far: SoFar | None = None, end: int = 0) -> float:
    """Train for the round's local epochs, in place; return the mean loss per row (or target token).

    A pure function of (vector, optimizer, shard, turn): order and dropout are drawn from the seed, the round, the
    client and the step alone. So training can stop after step `end` (0: the last), and go on from `so_far`, which is
    kept up to date. An effective batch is `batch_accum` batches, each weighted by its part of the terms that the loss
    averages, so its gradient is that of the one large batch; the last of an epoch may have fewer batches and still
    makes its step.

    Raises Diverged when the loss is no longer a finite number, or a parameter none below LARGEST.
    """
    so_far = so_far or SoFar()
    if turn.config.client_average != "none" and so_far.average is None:
        so_far.average = RunningAverage(zeros(trained.vector.size, device=trained.vector.values.device))
    begin_training(trained.model, turn.config)
    with ExitStack() as shortcuts:
        train_steps(trained, shard, turn, so_far, end, take_shortcuts(shortcuts, trained, shard, turn))
        if so_far.average and not end:
            so_far.average.hand_over(trained.optimizer.tensors)
            so_far.travelled = so_far.average.travelled
    mean = so_far.loss / (turn.config.epoch * trained.head.terms(shard.labels[shard.rows]))
    low, high = torch.aminmax(trained.vector.values)  # NaN if a parameter is
    if not (np.isfinite(mean) and -LARGEST < low and high < LARGEST):
        raise Diverged(f"diverged (training loss {mean:.4g}); a lower --lr or --max_grad_norm 1 may help")
    return mean


def train_steps(trained: Trained, shard: Shard, turn: Turn, so_far: SoFar, end: int, way: Way) -> None:
    """Make the steps of `local_training`."""
    config, numbers, device = turn.config, (turn.server_round, turn.client), trained.vector.values.device
    per_round = steps_per_round(len(shard.rows), config)
    total_loss = torch.tensor(so_far.loss, dtype=torch.float64, device=device)
    steps = enumerate(round_steps(shard.tokens.lengths[shard.rows], config, *numbers))
    for step, batches in islice(steps, so_far.made, end or None):

        # Dropout is drawn from the step's own name, whatever ran before
        torch.manual_seed(torch_seed(config.seed, "dropout", *numbers, step))
        if way.masks:
            way.masks.rng = generator(config.seed, "dropout", *numbers, step)

        # The gradient of the mean loss over an effective batch, a forward and a backward pass for each of its parts
        group = [shard.rows[batch] for batch in batches]
        terms = [trained.head.terms(shard.labels[rows]) for rows in group]
        trained.optimizer.optimizer.zero_grad()
        for rows, count in zip(group, terms):
            batch = way.feed(trained.head.collate(shard.tokens, rows, shard.labels[rows]))
            with autocast(device, config.precision):
                loss = trained.head.loss(trained.model, batch)
            (loss * (count / sum(terms))).backward()
            total_loss += loss.detach() * count

        # The strategy's own terms, the clipping, and the step at the schedule's rate
        if turn.term and turn.term.gradient:
            add_gradient(trained.vector, turn.term)
        if config.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(trained.optimizer.parameters, config.max_grad_norm)
        made, whole_run = (turn.server_round - 1) * per_round + step, config.n_iterations * per_round
        rate = config.lr * share_of_rate(config, made, whole_run)
        if turn.term and turn.term.direction:
            move(trained.vector, turn.term, rate)
        trained.optimizer.update(rate)

        so_far.made, so_far.travelled = step + 1, so_far.travelled + rate
        if so_far.average and (share := share_of_step(config, so_far.made, per_round)):
            so_far.average.add(trained.optimizer.tensors, so_far.travelled, share)
        if so_far.shown is not None:
            so_far.shown[0] = config.epoch * len(shard.rows) * so_far.made // per_round
    so_far.loss = float(total_loss)


def add_gradient(vector: ParameterVector, term: Term) -> None:
    """Add what `term` has for each parameter that is trained to its gradient."""
    assert term.gradient is not None
    for parameter, place in vector.parts:
        if not parameter.requires_grad:
            continue
        added = term.gradient(vector.values[place], place).view_as(parameter)
        # A copy where there is no gradient yet: what is added may be a part of a vector that others read.
        parameter.grad = added.clone() if parameter.grad is None else parameter.grad.add_(added)


def move(vector: ParameterVector, term: Term, rate: float) -> None:
    """Take `rate` times what `term` has for each parameter that is trained off it."""
    assert term.direction is not None
    for parameter, place in vector.parts:
        if not parameter.requires_grad:
            continue
        values = vector.values[place]
        values.sub_(term.direction(values, place), alpha=rate)


def take_shortcuts(shortcuts: ExitStack, trained: Trained, shard: Shard, turn: Turn) -> Way:
    """Let the model train faster until `shortcuts` closes: the same sums in fewer or faster passes. Return its way.

    On the CPU its dropout comes from `masks`. On a GPU, and where it is compiled, it is torch's own.
    """
    config, device = turn.config, trained.vector.values.device
    if device.type != "cpu" or config.compile:
        return Way(shortcuts.enter_context(feeding(trained.model, device, config, config.precision)))
    masks = Masks()
    shortcuts.enter_context(fast_dropout(trained.model, masks))
    feed = shortcuts.enter_context(feeding(trained.model, device, config, config.precision, masks))
    table = embedding_table(trained.model)
    # Embeddings of tokens that the shard lacks stay as they are where nothing but the loss moves them.
    alone = config.optimizer_state == "fresh" and not config.weight_decay and not turn.term
    if table is not None and table.weight.requires_grad and alone:
        sequences = [ids for row in shard.rows for ids in shard.tokens.sequences(row)]
        ids = np.unique(np.concatenate([[trained.head.pad_id], *sequences]))
        shortcuts.enter_context(trained.optimizer.only_rows(table, ids))
    return Way(feed, masks)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context of a forward pass: bf16 arithmetic over float32 weights, or plain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

"""The one training loop: a client's local epochs, and standard fine-tuning as a client that holds all rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from utils.batches import training_batches
from utils.config import RunConfig
from utils.heads import Head
from utils.seeds import generator, torch_seed
from utils.tokens import Tokens
from utils.vector import ParameterVector


STEP = 64  # tokens whose training takes about as long as what each step costs beside its tokens


class FlatAdamW:
    """AdamW (Loshchilov & Hutter 2019) on a ParameterVector, with moments that can be cleared, saved and loaded.

    `moments`: float32 [2, n], the running means of the gradient and of its square; `steps`: the number of updates
    made, as the optimizer counts it for each of its two parameter groups.
    """

    def __init__(self, vector: ParameterVector, weight_decay: float) -> None:
        cut = vector.n_decayed
        self.moments = torch.zeros(2, vector.size, device=vector.values.device)
        groups = []
        for part, decay in ((slice(0, cut), weight_decay), (slice(cut, vector.size), 0.0)):
            parameter = torch.nn.Parameter(vector.values[part])
            parameter.grad = vector.grads[part]
            groups.append({"params": [parameter], "weight_decay": decay, "part": part})
        # lr is set at each step; fused is one pass over memory instead of five.
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, fused=True)
        self.steps = []
        for group in self.optimizer.param_groups:
            step = torch.zeros((), device=vector.values.device)
            self.steps.append(step)
            self.optimizer.state[group["params"][0]] = {
                "step": step, "exp_avg": self.moments[0, group["part"]],
                "exp_avg_sq": self.moments[1, group["part"]]}

    @property
    def step(self) -> int:
        """Updates made since the moments were zero."""
        return int(self.steps[0])

    def restore(self, moments: Sequence[np.ndarray] | None, step: int) -> None:
        """Start from saved `moments` (two of float32 [n]) and `step`, or afresh when there are none."""
        if moments is None:
            self.moments.zero_()
        else:
            for mine, saved in zip(self.moments, moments):
                mine.copy_(torch.from_numpy(saved))
        for tensor in self.steps:
            tensor.fill_(step)

    def update(self, lr: float) -> None:
        """Make one step at learning rate `lr` with the vector's gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()


@dataclass(frozen=True)
class Shard:
    """A client's rows: positions `rows` (int64 [n]) in the split's `tokens` and `labels` (float64 [split rows])."""

    tokens: Tokens
    labels: np.ndarray
    rows: np.ndarray


@dataclass
class Progress:
    """How far a client has come in its round: `step`s made, the `loss` summed over its terms, `seconds` of work."""

    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def steps_per_round(n_rows: int, config: RunConfig) -> int:
    """Return the optimizer steps a client of `n_rows` makes each round."""
    batches = -(-n_rows // config.batch_size)
    return config.epoch * -(-batches // config.batch_accum)


def round_steps(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> Iterator[list[np.ndarray]]:
    """Yield the batches of each optimizer step of a client's round: positions into its `lengths` (tokens per row)."""
    for epoch in range(config.epoch):
        rng = generator(config.seed, "batches", server_round, client, epoch)
        batches = training_batches(lengths, config.batch_size, rng)
        for start in range(0, len(batches), config.batch_accum):
            yield batches[start:start + config.batch_accum]


def step_costs(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> np.ndarray:
    """Return what each step of a client's round costs, float64 [steps], in tokens: a step itself costs as STEP."""
    return np.array([STEP + sum(lengths[batch].sum() for batch in batches)
                     for batches in round_steps(lengths, config, server_round, client)], dtype=np.float64)


def local_training(model: torch.nn.Module, vector: ParameterVector, optimizer: FlatAdamW, head: Head,
                   shard: Shard, config: RunConfig, server_round: int, client: int, progress: Progress | None = None,
                   end: int = 0) -> float:
    """Train `model` for the round's local epochs, in place; return the mean loss per row (or target token).

    A pure function of (vector, optimizer, shard, config, round, client): order and dropout are drawn from the
    seed, the round, the client and the step alone. So training can stop after step `end` (0: the last), and go on
    from `progress`, which is kept up to date. An effective batch is `batch_accum` batches, each weighted by its
    part of the terms that the loss averages, so its gradient is that of the one large batch; the last of an
    epoch may have fewer batches and still makes its step.

    Raises FloatingPointError when the loss or a parameter is no longer a finite number.
    """
    device = vector.values.device
    progress = progress or Progress()
    model.train()
    lengths = shard.tokens.lengths[shard.rows]
    per_round = steps_per_round(len(shard.rows), config)
    total_loss = torch.tensor(progress.loss, dtype=torch.float64, device=device)
    steps = enumerate(round_steps(lengths, config, server_round, client))
    for step, batches in islice(steps, progress.step, end or None):
        torch.manual_seed(torch_seed(config.seed, "dropout", server_round, client, step))
        group = [shard.rows[batch] for batch in batches]
        terms = [head.terms(shard.labels[rows]) for rows in group]
        vector.grads.zero_()
        for rows, count in zip(group, terms):
            batch = head.collate(shard.tokens, rows, shard.labels[rows])
            batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
            with autocast(device, config.precision):
                loss = head.loss(model, batch)
            (loss * (count / sum(terms))).backward()
            total_loss += loss.detach() * count
        if config.max_grad_norm:
            norm = vector.grads.norm()
            vector.grads.mul_(torch.clamp(config.max_grad_norm / (norm + 1e-6), max=1.0))
        done = ((server_round - 1) * per_round + step) / (config.n_iterations * per_round)
        optimizer.update(config.lr * (1 - done if config.lr_schedule == "linear" else 1.0))
        progress.step = step + 1
    progress.loss = float(total_loss)
    mean = progress.loss / (config.epoch * head.terms(shard.labels[shard.rows]))
    if not (np.isfinite(mean) and bool(torch.isfinite(vector.values.sum(dtype=torch.float64)))):
        raise FloatingPointError(f"client {client} diverged in round {server_round} (training loss {mean:.4g}); "
                                 "a lower --lr or --max_grad_norm 1 may help")
    return mean


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context of a forward pass: bf16 arithmetic over float32 weights, or plain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

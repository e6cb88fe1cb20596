"""The one training loop: a client's local epochs, and standard fine-tuning as a client that holds all rows."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from utils.config import RunConfig
from utils.data.batches import training_batches
from utils.data.tokens import Tokens
from utils.errors import Diverged
from utils.model.dropout import Masks, fast_dropout
from utils.model.encoder import fast_encoder
from utils.model.heads import Head
from utils.model.used_embeddings import embedding_table, used_embeddings
from utils.seeds import generator, torch_seed
from utils.vectors.parameters import ParameterVector, zeros

LARGEST = 2.0 ** 57  # of a parameter: the mean's sums of squared distances hold it in float32 (utils/vectors/sums.py)
STEP = 64  # tokens whose training takes about as long as what each step costs beside its tokens


class FlatAdamW:
    """AdamW (Loshchilov & Hutter 2019) on a ParameterVector, with moments that can be cleared, saved and loaded.

    `moments`: float32 [2, n], the running means of the gradient and of its square, at each parameter's part of the
    vector; `steps`: the number of updates made, as the optimizer counts it for each of its tensors; `covered`: the
    parts (start, stop) of the vector that an update changes; `written`: those of the moments that may not be zero.

    Gradients are autograd's own tensors, new in each step: to add them to one vector would read and write them twice
    more.
    """

    def __init__(self, vector: ParameterVector, weight_decay: float) -> None:
        self.vector, self.weight_decay = vector, weight_decay
        self.moments = zeros(2, vector.size, device=vector.values.device)
        self.written: set[tuple[int, int]] = set()
        self._cover(vector.parts, step=0)

    def _cover(self, parts: Sequence[tuple[torch.nn.Parameter, slice]], step: int) -> None:
        """From now on update these tensors, each with the moments at its part of the vector."""
        self.covered = {(part.start, part.stop) for _, part in parts}
        self.steps = [torch.tensor(float(step), device=self.vector.values.device) for _ in parts]
        groups: list[dict] = [{"params": [], "weight_decay": decay} for decay in (self.weight_decay, 0.0)]
        state: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
        for (parameter, part), number in zip(parts, self.steps):
            parameter.grad = None
            groups[part.start >= self.vector.n_decayed]["params"].append(parameter)
            state[parameter] = {"step": number, "exp_avg": self.moments[0, part].view_as(parameter),
                                "exp_avg_sq": self.moments[1, part].view_as(parameter)}
        # lr is set at each step; fused is one pass over memory instead of five.
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, fused=True)
        self.optimizer.state.update(state)

    @contextmanager
    def only_rows(self, table: torch.nn.Embedding, ids: np.ndarray) -> Iterator[None]:
        """Update only the rows `ids` of `table`, whose weights lie in the vector, inside the `with`; all else as ever.

        The same update, for moments that start at zero and no weight decay. Those of the rows lie at the beginning of
        the table's, so only an optimizer of the same rows can go on with them.
        """
        with used_embeddings(table, ids) as weight:
            self._cover([(weight, slice(part.start, part.start + weight.numel())) if parameter is table.weight
                         else (parameter, part) for parameter, part in self.vector.parts], self.step)
            try:
                yield
            finally:
                self._cover(self.vector.parts, self.step)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The tensors that it updates, each with its gradient."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @property
    def step(self) -> int:
        """Updates made since the moments were zero, as any tensor that has had a gradient counts them."""
        return max(map(int, self.steps))

    def restore(self, moments: np.ndarray | Sequence[np.ndarray] | None, step: int) -> None:
        """Start from saved `moments` (float32 [2, n], or two of [n]) and `step`, or afresh when there are none."""
        whole = (0, self.vector.size)
        if moments is None:
            for start, stop in {whole} if whole in self.written else self.written:
                self.moments[:, start:stop].zero_()
            self.written.clear()
        else:
            self.written = {whole}
            for mine, saved in zip(self.moments, moments):
                mine.copy_(torch.from_numpy(saved))
        for tensor in self.steps:
            tensor.fill_(step)

    def update(self, lr: float) -> None:
        """Make one step at learning rate `lr` with the parameters' gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.written |= self.covered
        self.optimizer.step()


@dataclass(frozen=True)
class Shard:
    """A client's rows: positions `rows` (int64 [n]) in the split's `tokens` and `labels` (float64 [split rows])."""

    tokens: Tokens
    labels: np.ndarray
    rows: np.ndarray


@dataclass
class Steps:
    """How far a client has come in its round: steps `made`, the `loss` summed over its terms, `seconds` of work.

    `shown`: a view, int64 [1], in which whoever shows the run at work finds the rows trained on so far; or None.
    """

    made: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    shown: np.ndarray | None = None


def steps_per_round(n_rows: int, config: RunConfig) -> int:
    """Return the optimizer steps a client of `n_rows` makes each round."""
    batches = -(-n_rows // config.batch_size)
    return config.epoch * -(-batches // config.batch_accum)


def round_steps(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> Iterator[list[np.ndarray]]:
    """Yield the batches of each optimizer step of a client's round: positions into its `lengths` (tokens per row)."""
    for epoch in range(config.epoch):
        rng = generator(config.seed, "batches", server_round, client, epoch)
        batches = training_batches(lengths, config.batch_size, rng, config.batching)
        for start in range(0, len(batches), config.batch_accum):
            yield batches[start:start + config.batch_accum]


def step_costs(lengths: np.ndarray, config: RunConfig, server_round: int, client: int) -> np.ndarray:
    """Return what each step of a client's round costs, float64 [steps], in tokens: a step itself costs as STEP."""
    return np.array([STEP + sum(lengths[batch].sum() for batch in batches)
                     for batches in round_steps(lengths, config, server_round, client)], dtype=np.float64)


def local_training(model: torch.nn.Module, vector: ParameterVector, optimizer: FlatAdamW, head: Head,
                   shard: Shard, config: RunConfig, server_round: int, client: int, so_far: Steps | None = None,
                   end: int = 0) -> float:
    """Train `model` for the round's local epochs, in place; return the mean loss per row (or target token).

    A pure function of (vector, optimizer, shard, config, round, client): order and dropout are drawn from the
    seed, the round, the client and the step alone. So training can stop after step `end` (0: the last), and go on
    from `so_far`, which is kept up to date. An effective batch is `batch_accum` batches, each weighted by its
    part of the terms that the loss averages, so its gradient is that of the one large batch; the last of an
    epoch may have fewer batches and still makes its step.

    Raises Diverged when the loss is no longer a finite number, or a parameter none below LARGEST.
    """
    so_far = so_far or Steps()
    model.train()
    with ExitStack() as shortcuts:
        masks = None
        if vector.values.device.type == "cpu":
            masks = take_shortcuts(shortcuts, model, optimizer, head, shard, config)
        _steps(model, vector, optimizer, head, shard, config, server_round, client, so_far, end, masks)
    mean = so_far.loss / (config.epoch * head.terms(shard.labels[shard.rows]))
    low, high = torch.aminmax(vector.values)  # NaN if a parameter is
    if not (np.isfinite(mean) and -LARGEST < low and high < LARGEST):
        raise Diverged(f"diverged (training loss {mean:.4g}); a lower --lr or --max_grad_norm 1 may help")
    return mean


def take_shortcuts(shortcuts: ExitStack, model: torch.nn.Module, optimizer: FlatAdamW, head: Head, shard: Shard,
                   config: RunConfig) -> Masks:
    """Let `model` train faster on a CPU until `shortcuts` closes: the same arithmetic in fewer passes.

    Returns where its dropout comes from.
    """
    masks = Masks()
    shortcuts.enter_context(fast_dropout(model, masks))
    shortcuts.enter_context(fast_encoder(model, masks))
    table = embedding_table(model)
    if table is not None and config.optimizer_state == "fresh" and not config.weight_decay:
        sequences = [ids for row in shard.rows for ids in shard.tokens.sequences(row)]
        shortcuts.enter_context(optimizer.only_rows(table, np.unique(np.concatenate([[head.pad_id], *sequences]))))
    return masks


def _steps(model: torch.nn.Module, vector: ParameterVector, optimizer: FlatAdamW, head: Head, shard: Shard,
           config: RunConfig, server_round: int, client: int, so_far: Steps, end: int,
           masks: Masks | None) -> None:
    """Make the steps of `local_training`."""
    device = vector.values.device
    lengths = shard.tokens.lengths[shard.rows]
    per_round = steps_per_round(len(shard.rows), config)
    total_loss = torch.tensor(so_far.loss, dtype=torch.float64, device=device)
    steps = enumerate(round_steps(lengths, config, server_round, client))
    for step, batches in islice(steps, so_far.made, end or None):
        torch.manual_seed(torch_seed(config.seed, "dropout", server_round, client, step))
        if masks:
            masks.rng = generator(config.seed, "dropout", server_round, client, step)
        group = [shard.rows[batch] for batch in batches]
        terms = [head.terms(shard.labels[rows]) for rows in group]
        optimizer.optimizer.zero_grad()
        for rows, count in zip(group, terms):
            batch = head.collate(shard.tokens, rows, shard.labels[rows])
            batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
            with autocast(device, config.precision):
                loss = head.loss(model, batch)
            (loss * (count / sum(terms))).backward()
            total_loss += loss.detach() * count
        if config.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(optimizer.parameters, config.max_grad_norm)
        done = ((server_round - 1) * per_round + step) / (config.n_iterations * per_round)
        optimizer.update(config.lr * (1 - done if config.lr_schedule == "linear" else 1.0))
        so_far.made = step + 1
        if so_far.shown is not None:
            so_far.shown[0] = config.epoch * len(shard.rows) * so_far.made // per_round
    so_far.loss = float(total_loss)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context of a forward pass: bf16 arithmetic over float32 weights, or plain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

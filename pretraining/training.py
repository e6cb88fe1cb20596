"""The training of one student: step after step over its text, with all that the next step depends on."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import BertModel, PreTrainedTokenizerFast

from pretraining.flags import PretrainFlags
from pretraining.student import batch_of
from utils.data.batches import training_batches
from utils.data.tokens import Tokens
from utils.errors import UserError
from utils.machine.durable import whole_file
from utils.seeds import generator


@dataclass
class Done:
    """What a student has behind it: steps, and the tokens and sequences that it has read; `seconds` of training.

    `loss` is the sum of those of `n_losses` steps, the ones since the last budget.
    """

    steps: int = 0
    tokens: int = 0
    sequences: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    n_losses: int = 0


class Training:
    """A student in training by an objective. `done` is where it is; `flags` and `tokens` decide each step's bits."""

    def __init__(self, flags: PretrainFlags, tokens: Tokens, tokenizer: PreTrainedTokenizerFast,
                 student: BertModel, objective: torch.nn.Module) -> None:
        self.flags, self.tokens, self.tokenizer = flags, tokens, tokenizer
        self.student, self.objective = student, objective
        self.done = Done()
        named = [(f"{kind}.{name}", parameter) for kind, module in (("student", student), ("objective", objective))
                 for name, parameter in module.named_parameters()]
        self.parameters: dict[str, torch.nn.Parameter] = dict(named)
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=0.0, weight_decay=0.0, fused=True)

    @property
    def steps_per_pass(self) -> int:
        """Batches that the text makes."""
        return -(-self.tokens.n_rows // self.flags.batch_size)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the texts of each step from here on, int64 [texts]: pass after pass, each text once in each."""
        number, first = divmod(self.done.steps, self.steps_per_pass)
        while True:
            yield from self._pass(number)[first:]
            number, first = number + 1, 0

    def texts_read(self) -> np.ndarray:
        """Return the texts that the steps so far have read, int64, each once."""
        if self.done.steps >= self.steps_per_pass:
            return np.arange(self.tokens.n_rows)
        return np.concatenate([np.zeros(0, np.int64), *self._pass(0)[:self.done.steps]])

    def _pass(self, number: int) -> list[np.ndarray]:
        """Return the batches of a pass over the text."""
        rng = generator(self.flags.seed, "pretraining order", number)
        return training_batches(self.tokens.lengths, self.flags.batch_size, rng)

    def step(self, texts: np.ndarray) -> None:
        """Make one step of AdamW on some texts. Raises UserError where the loss is no finite number."""
        began, done = time.perf_counter(), self.done
        loss = self.objective(self.student, batch_of(self.tokenizer, self.tokens, texts), texts, done.steps)
        loss.backward()
        self.optimizer.param_groups[0]["lr"] = self.flags.lr * min(1.0, (done.steps + 1) / self.flags.warmup)
        self.optimizer.step()
        self.optimizer.zero_grad()
        value = loss.item()
        if not np.isfinite(value):
            raise UserError(f"--lr {self.flags.lr:g}: the loss of step {done.steps} is no finite number; give less")
        done.steps += 1
        done.tokens += int(self.tokens.lengths[texts].sum())
        done.sequences += len(texts)
        done.loss += value
        done.n_losses += 1
        done.seconds += time.perf_counter() - began

    def save(self, path: Path) -> None:
        """Write all of this, whole or not at all. Raises OSError."""
        tensors = {}
        for name, parameter in self.parameters.items():
            tensors[name] = parameter.detach()
            for kind, moment in self.optimizer.state[parameter].items():
                tensors[f"{kind} {name}"] = moment
        with whole_file(path) as file:
            save_file(tensors, file, metadata={"done": json.dumps(asdict(self.done))})

    def restore(self, path: Path) -> None:
        """Go on from a saved one. Raises UserError, naming the file, where it is not of these flags, or damaged."""
        self.done = saved(path)
        with readable(path) as file:
            there = {*file.keys()}
            for name, parameter in self.parameters.items():
                parameter.data.copy_(file.get_tensor(name))
                if f"step {name}" in there:  # what no loss depends on has no moments
                    self.optimizer.state[parameter] = {
                        kind: file.get_tensor(f"{kind} {name}") for kind in ("step", "exp_avg", "exp_avg_sq")}


def saved(path: Path) -> Done:
    """Return where the training of a checkpoint is. Raises UserError, naming the file, where it is damaged."""
    with readable(path) as file:
        return Done(**json.loads(file.metadata()["done"]))


@contextmanager
def readable(path: Path) -> Iterator[Any]:
    """Yield an open checkpoint; whatever its reader finds wrong inside the `with` is one line that names the file."""
    try:
        with safe_open(path, "pt") as file:
            yield file
    except Exception as error:  # safetensors, JSON and torch have no common class
        raise UserError(f"{path}: is no whole checkpoint of these flags ({type(error).__name__}); remove it, and the "
                        "training begins anew") from error

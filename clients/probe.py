"""Measures a trained model on a client's rows, for methods that weigh parameters by data."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch

from clients.training import Shard, Trained
from utils.model.used_embeddings import embedding_table


class ModelProbe:
    """A `strategies.Probe`: a model as it is `trained`, on rows of `shard`, in an order that is drawn from `rng`.

    `start`: float32 [n], the vector that the training began with. It computes by the model's own forward pass, one row
    at a time, whatever makes training fast. Made by `probing`.
    """

    def __init__(self, trained: Trained, shard: Shard, start: torch.Tensor, rng: np.random.Generator) -> None:
        self.trained, self.shard, self.start, self.rng = trained, shard, start, rng
        self.model, self.head, self.values = trained.model, trained.head, trained.vector.values
        self.parts = [(p, part) for p, part in trained.vector.parts if p.requires_grad]

    def rows(self, n: int) -> Iterator[dict[str, torch.Tensor]]:
        """See `strategies.Probe`."""
        order = self.rng.permutation(self.shard.rows)
        for row in order[:n or len(order), None]:
            batch = self.head.collate(self.shard.tokens, row, self.shard.labels[row])
            yield {name: tensor.to(self.values.device) for name, tensor in batch.items()}

    def scores(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """See `strategies.Probe`."""
        return self.head.scores(self.model, batch)

    def gradient(self, value: torch.Tensor) -> Iterator[tuple[slice | torch.Tensor, torch.Tensor]]:
        """See `strategies.Probe`."""
        gradients = torch.autograd.grad(value, [p for p, _ in self.parts], retain_graph=True, allow_unused=True)
        for (_, part), gradient in zip(self.parts, gradients):
            if gradient is None:
                continue
            if gradient.is_sparse:
                gradient = gradient.coalesce()
                width = gradient.shape[1]
                columns = torch.arange(width, device=gradient.device)
                yield (part.start + gradient.indices()[0, :, None] * width + columns).flatten(), \
                    gradient.values().flatten()
            else:
                yield part, gradient.reshape(-1)

    def inputs(self, batch: dict[str, torch.Tensor]) -> Iterator[tuple[int, torch.Tensor]]:
        """See `strategies.Probe`."""
        seen: list[tuple[int, torch.Tensor]] = []
        real = batch["attention_mask"].flatten().bool()

        def note(number: int, module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            x = arguments[0].flatten(0, -2)
            seen.append((number, x[real] if len(x) == len(real) else x))

        numbers: dict[object, int] = {p: number for number, (p, _) in enumerate(self.trained.vector.parts)}
        places = self.trained.vector.layout.places
        with torch.no_grad(), ExitStack() as hooks:
            for module in self.model.modules():
                number = numbers.get(getattr(module, "weight", None))
                if number is not None and places[number].inputs is not None:
                    hook = module.register_forward_pre_hook(partial(note, number))
                    hooks.callback(hook.remove)
            self.head.loss(self.model, batch)
        yield from seen


@contextmanager
def probing(trained: Trained, shard: Shard, start: torch.Tensor, rng: np.random.Generator) -> Iterator[ModelProbe]:
    """Yield a probe of a model, which is in eval mode, not compiled, and has sparse gradients of its embeddings.

    That is where nothing but one lookup reads them.
    """
    model, table = trained.model, embedding_table(trained.model)
    compiled = vars(model).pop("forward", None)
    model.eval()
    try:
        if table is not None:
            table.sparse = True
        yield ModelProbe(trained, shard, start, rng)
    finally:
        if table is not None:
            table.sparse = False
        if compiled is not None:
            model.forward = compiled

"""AdamW on a model that is one vector."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from utils.model.used_embeddings import used_embeddings
from utils.vectors.parameters import ParameterVector, zeros


class FlatAdamW:
    """AdamW (Loshchilov & Hutter 2019) on a ParameterVector, with moments that can be cleared, saved and loaded.

    `moments`: float32 [2, n], the running means of the gradient and of its square, at each parameter's part of the
    vector; `parts`: those tensors of the vector that are trained; `steps`: the number of updates made, as the optimizer
    counts it for each of its tensors; `tensors`: what an update changes, each with its part of the vector; `written`:
    parts (start, stop) of the moments that may not be zero.

    Gradients are autograd's own tensors, new in each step: to add them to one vector would read and write them twice
    more.
    """

    def __init__(self, vector: ParameterVector, weight_decay: float) -> None:
        self.vector, self.weight_decay = vector, weight_decay
        self.moments = zeros(2, vector.size, device=vector.values.device)
        self.written: set[tuple[int, int]] = set()
        self.parts = vector.parts
        self._cover(self.parts, step=0)

    def freeze(self, names: Collection[str]) -> None:
        """From now on leave the tensors `names` of the vector as they are, without a gradient; train all others."""
        tensors = list(zip(self.vector.parts, self.vector.layout.places))
        for (parameter, _), place in tensors:
            parameter.requires_grad_(place.name not in names)
            parameter.grad = None
        parts = [part for part, place in tensors if place.name not in names]
        if len(parts) != len(self.parts) or any(one[1] != other[1] for one, other in zip(parts, self.parts)):
            self.parts = parts
            self._cover(parts, self.step)

    def _cover(self, parts: Sequence[tuple[torch.nn.Parameter, slice]], step: int) -> None:
        """From now on update these tensors, each with the moments at its part of the vector."""
        self.tensors = parts
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
                         else (parameter, part) for parameter, part in self.parts], self.step)
            try:
                yield
            finally:
                self._cover(self.parts, self.step)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The tensors that it updates, each with its gradient."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @property
    def step(self) -> int:
        """Updates made since the moments were zero, as any tensor that has had a gradient counts them."""
        return int(torch.stack(self.steps).max())  # one copy from a GPU

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
        self.written |= {(part.start, part.stop) for _, part in self.tensors}
        self.optimizer.step()

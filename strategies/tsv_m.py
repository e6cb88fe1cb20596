"""TSV-Merge: the clients' first singular vectors, made orthogonal (Gargiulo et al. 2025, arXiv:2412.00081)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import NUMBER, flag
from utils.vectors.spectral import matrices, orthogonal, rounding, svd
from utils.vectors.sums import mean_of


class TsvM(Strategy):
    """W ← before + scale·U⊥·diag(σ)·V⊥ᵀ for each matrix: U, σ, V are each Wₖ − before's first 1/K, side by side.

    U⊥ and V⊥ are the matrices with orthonormal columns that are nearest to U and V. Of each client at least one vector
    is taken. Other tensors become their mean. Clients count alike, whatever their rows. As published, embeddings are
    matrices, too.
    """

    @dataclass(frozen=True)
    class Flags:
        scale: float = flag(1.0, "what the merged update of each matrix is multiplied by",
                            valid=NUMBER)

    group = "merging"
    weighted = False
    streams = False
    whole = True

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new = mean_of(clients, [1.0] * len(clients))
        for part, shape in matrices(self.layout, window):
            most = max(1, min(shape) // len(clients))
            floor = rounding(before[part].reshape(shape), 1)
            found = [svd((client[part] - before[part]).reshape(shape), most, floor) for client in clients]
            lefts, values, rights = (np.concatenate(each, axis) for each, axis in zip(zip(*found), (1, 0, 0)))
            new[part] = before[part]
            if values.size:
                update = orthogonal(lefts) * values @ orthogonal(rights)
                new[part] += (self.flags.scale * update).ravel()
        return new

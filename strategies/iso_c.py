"""Iso-C: a matrix's summed update made isotropic (Marczak et al. 2025, arXiv:2502.04959, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies import Array, Round, Strategy
from utils.flags import NUMBER, flag
from utils.vectors.spectral import matrices, rounding, svd


class IsoC(Strategy):
    """W ← before + scale·σ̄·U·Vᵀ for each matrix, where U·diag(σ)·Vᵀ = Σ (Wₖ − before) and σ̄ is the mean of σ.

    Other tensors become their mean. Clients count alike, whatever their rows. As published, embeddings are matrices,
    too; singular values that are 0 but for rounding, the models' own to float32 included, do not count in σ̄.
    """

    @dataclass(frozen=True)
    class Flags:
        scale: float = flag(1.0, "what the isotropic update of each matrix is multiplied by (published: chosen on "
                                 "held-out rows)", valid=NUMBER)

    group = "merging"
    weighted = False
    whole = True

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        for part, shape in matrices(self.layout, window):
            summed = len(round.participants) * (mean[part] - before[part]).reshape(shape)
            floor = rounding(before[part].reshape(shape), len(round.participants))
            left, values, right = svd(summed, floor=floor)
            mean[part] = before[part]
            if values.size:
                mean[part] += (self.flags.scale * values.mean() * left @ right).ravel()

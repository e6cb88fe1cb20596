"""The rows a global model is evaluated on, cut into parts for the workers and put together again."""

from dataclasses import dataclass

import numpy as np

from utils.data.batches import evaluation_batches
from utils.data.partition import Domains

ROWS_PER_BATCH = 32  # the fastest of 4 to 128 on one core, by little; fixed, as a row's last bits depend on its batch


@dataclass(frozen=True)
class EvaluationSet:
    """Rows of one split with their domains. `rows` int64 [n]; `labels` float64 [n]; `batches` positions into both."""

    name: str  # "test" or "val"
    split: str
    rows: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    positions: tuple[np.ndarray, ...]  # per domain, its positions in `rows`
    batches: tuple[np.ndarray, ...]

    def part(self, part: int, parts: int) -> list[np.ndarray]:
        """Return the batches that worker `part` of `parts` evaluates.

        They are dealt out to and fro, longest first, so that all parts cost about the same.
        """
        to_and_fro = part, 2 * parts - 1 - part
        return [batch for k, batch in enumerate(self.batches) if k % (2 * parts) in to_and_fro]

    def assemble(self, parts: list[np.ndarray]) -> np.ndarray:
        """Return [3, n] (prediction, loss, weight) in row order from each part's [3, rows of the part]."""
        result = np.full((3, len(self.rows)), np.nan)
        for part, columns in enumerate(parts):
            mine = self.part(part, len(parts))
            if mine:
                result[:, np.concatenate(mine)] = columns
        return result


def evaluation_set(name: str, split: str, domains: Domains, labels: np.ndarray, lengths: np.ndarray,
                   choices: int) -> EvaluationSet:
    """Build the set of a split's `domains`; `labels` and `lengths` (tokens) are those of the whole split."""
    rows = np.concatenate(domains.rows)
    ends = np.cumsum([len(part) for part in domains.rows])
    positions = tuple(np.split(np.arange(len(rows)), ends[:-1]))
    batches = evaluation_batches(lengths[rows], max(1, ROWS_PER_BATCH // choices))
    return EvaluationSet(name, split, rows, labels[rows].astype(np.float64), domains.names, positions,
                         tuple(batches))

"""Scores of resampled test rows: the same draws of rows for all runs, so that their differences are paired by row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reports.answers import Answers
from reports.weighted import WEIGHTED
from utils.seeds import generator

DRAWS = 2000  # the standard error of an interval's half-width is 1.6 % of it
SEED = 0
AT_ONCE = 100_000  # numbers of rows at once: 800 kB, which stay in the cache


@dataclass(frozen=True)
class Scores:
    """A run's scores, float64 [1 + draws]: on its rows as they are, and on each draw of them.

    `macro` is the mean over the domains, `pooled` that of all rows at once, `domains` has each domain's.
    """

    macro: np.ndarray
    pooled: np.ndarray
    domains: dict[str, np.ndarray]

    def of(self, domain: str | None) -> np.ndarray:
        """Return the scores in one domain, or the macro averages."""
        return self.macro if domain is None else self.domains[domain]


class Resampling:
    """Draws of the rows that any of some runs has answered, with replacement, within each domain.

    Runs may have rows of their own, as held-out rows are: draws are of all rows there are, and each run takes the
    counts of its own, so runs share what they have in common. Of a domain's n rows n − 1 are drawn, by which the
    draws' variance is unbiased (Rao and Wu 1988). The draws are the same for the same rows, always.
    `parallel`: rows whose numbers are a multiple of it apart are one sentence in several languages, say: they are drawn
    together, of all domains at once. A domain that has none in a draw has all of its rows there.
    `counts` uint8 [1 + draws, rows]: how often a row counts, once in the first.
    """

    def __init__(self, runs: Sequence[Answers], draws: int = DRAWS, parallel: int | None = None) -> None:
        self.rows, first = np.unique(np.concatenate([run.rows for run in runs]), return_index=True)
        names = np.concatenate([np.array(run.domains)[run.domain] for run in runs])[first]
        self.counts = np.ones((1 + draws, len(self.rows)), np.uint8)
        domains = [np.flatnonzero(names == name) for name in np.unique(names)]
        for k, mine in enumerate([np.arange(len(names))] if parallel else domains):
            drawn_as, place = np.unique(self.rows[mine] % (parallel or self.rows[-1] + 1), return_inverse=True)
            random = generator(SEED, "rows of a report", k)
            for some in self.chunks(len(mine), 1):
                here = drawn(random, len(range(*some.indices(1 + draws))), len(drawn_as))
                self.counts[some, mine] = here[:, place]
        for mine in domains if parallel else ():
            none = np.flatnonzero(~self.counts[:, mine].any(1))
            self.counts[none[:, None], mine] = 1

    def scores(self, metric: str, run: Answers) -> Scores:
        """Return a run's scores by one of the metrics of `WEIGHTED`; `run` has rows that were given."""
        place, parts = np.searchsorted(self.rows, run.rows), [np.flatnonzero(run.domain == k)
                                                              for k in range(len(run.domains))]
        by_part, pooled = np.empty((len(parts), len(self.counts))), np.empty(len(self.counts))
        for some in self.chunks(len(place)):
            counts = self.counts[some, place].astype(np.float64)
            pooled[some] = WEIGHTED[metric](run.labels, run.predictions, counts)
            for k, part in enumerate(parts):
                by_part[k, some] = WEIGHTED[metric](run.labels[part], run.predictions[part], counts[:, part])
        return Scores(by_part.mean(0), pooled, dict(zip(run.domains, by_part)))

    def chunks(self, width: int, start: int = 0) -> Iterator[slice]:
        """Yield slices of the draws from `start` on, of which `width` numbers each are AT_ONCE together or fewer."""
        step = max(1, AT_ONCE // width)
        for begin in range(start, len(self.counts), step):
            yield slice(begin, min(begin + step, len(self.counts)))


def drawn(random: np.random.Generator, draws: int, n: int) -> np.ndarray:
    """Return how often each of n rows is among n − 1 (of one, 1) drawn with replacement: int64 [draws, n]."""
    chosen = random.integers(0, n, (draws, max(1, n - 1))) + n * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n)

"""The tasks' metrics of rows that count several times or not at all, for many such draws at once.

Each is that of `utils/model/metrics.py` on the rows repeated as often as they count. A function here takes labels and
predictions, float64 [n], and `counts` float64 [draws, n], and returns float64 [draws]; a score that is not defined (no
row counts, a constant prediction, one class only) is 0, as there.
"""

from collections.abc import Callable

import numpy as np

Weighted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
EMPTY = 1e-12  # a variance below this part of the second moment is a constant's, but for rounding


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, 0 where below is not positive."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def accuracy(labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Part of the rows predicted right."""
    return ratio(counts @ (labels == predictions).astype(float), counts.sum(1))


def f1(labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """F1 of class 1."""
    ours, said = labels == 1, predictions == 1
    hits, total = (counts @ np.stack([ours & said, 1.0 * ours + said], axis=1)).T
    return ratio(2 * hits, total)


def matthews(labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Matthews correlation for any number of classes (Gorodkin 2004), by the sums of the confusion matrix."""
    classes = np.union1d(labels, predictions)
    ours, said = labels[:, None] == classes, predictions[:, None] == classes
    sums = counts @ np.concatenate([(labels == predictions)[:, None], ours, said], axis=1).astype(float)
    right, ours, said = sums[:, 0], sums[:, 1:len(classes) + 1], sums[:, len(classes) + 1:]
    rows = ours.sum(1)
    scale = (rows ** 2 - (ours ** 2).sum(1)) * (rows ** 2 - (said ** 2).sum(1))
    return ratio(right * rows - (ours * said).sum(1), np.sqrt(scale))


def pearson(labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Pearson correlation, by moments about the medians, which are 0 for a constant."""
    x, y = labels - np.median(labels), predictions - np.median(predictions)
    rows = np.maximum(counts.sum(1), 1)
    of_x, of_y, xx, yy, xy = (counts @ np.stack([x, y, x * x, y * y, x * y], axis=1)).T
    in_x, in_y = xx - of_x ** 2 / rows, yy - of_y ** 2 / rows
    defined = (in_x > EMPTY * xx) & (in_y > EMPTY * yy)
    return ratio(xy - of_x * of_y / rows, np.sqrt(np.where(defined, in_x * in_y, 0)))


def spearman(labels: np.ndarray, predictions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman rank correlation, ties sharing their mean rank."""
    middle = (counts.sum(1, keepdims=True) + 1) / 2  # the mean of all ranks
    x, y = mean_ranks(labels, counts) - middle, mean_ranks(predictions, counts) - middle
    weighted = counts * x
    xx, xy = np.einsum("dn,dn->d", weighted, x), np.einsum("dn,dn->d", weighted, y)
    return ratio(xy, np.sqrt(xx * np.einsum("dn,dn,dn->d", counts, y, y)))


def mean_ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the ranks, float64 [draws, n], of values that occur `counts` times, the mean one of equal values."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    times = np.add.reduceat(counts[:, order], starts, axis=1)
    return (np.cumsum(times, axis=1) - (times - 1) / 2)[:, group]


WEIGHTED: dict[str, Weighted] = {"accuracy": accuracy, "f1": f1, "matthews": matthews, "pearson": pearson,
                                 "spearman": spearman}

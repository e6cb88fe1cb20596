"""Test metrics from every row's prediction: exact, whatever the batches and workers were.

Matthews correlation: Matthews 1975. F1, Pearson and Spearman as GLUE reports them (Wang et al. 2019). A
correlation that is not defined (a constant prediction, or one class only) counts as 0, as in scikit-learn.
"""

from collections.abc import Sequence

import numpy as np

from utils.data.task import TaskSpec


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Part of the rows predicted right; [rows] each."""
    return float(np.mean(labels == predictions))


def matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Matthews correlation of class indices, for any number of classes (Gorodkin 2004)."""
    classes = np.union1d(labels, predictions)
    return pearson_of_indicators(labels[:, None] == classes, predictions[:, None] == classes)


def pearson_of_indicators(x: np.ndarray, y: np.ndarray) -> float:
    """Gorodkin's R_K: the covariance of two one-hot codings [rows, classes] over the root of their variances."""
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale > 0 else 0.0


def f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """F1 of class 1."""
    hits = np.sum((labels == 1) & (predictions == 1))
    said = np.sum(predictions == 1) + np.sum(labels == 1)
    return float(2 * hits / said) if said else 0.0


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Pearson correlation of two float arrays [rows]."""
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        return 0.0
    return float(np.corrcoef(labels, predictions)[0, 1])


def spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Spearman rank correlation, ties sharing their mean rank."""
    from scipy.stats import rankdata  # half a second to import, and only STS-B needs it

    return pearson(rankdata(labels), rankdata(predictions))


METRICS = {"accuracy": accuracy, "matthews": matthews, "f1": f1, "pearson": pearson, "spearman": spearman}


def evaluate_domains(spec: TaskSpec, names: tuple[str, ...], rows: Sequence[np.ndarray], labels: np.ndarray,
                     predictions: np.ndarray, loss: np.ndarray, weight: np.ndarray) -> dict:
    """Return each domain's metrics, their macro average, and the pooled ones, which papers report.

    `rows[d]` are domain d's positions in the other arrays: labels, predictions, loss (summed over the row's
    terms) and weight (its number of terms), each float64 [rows]. The result is {"rows", "loss", metric…,
    "pooled": {"loss", metric…}, "domains": {name: {"rows", "loss", metric…}}}; "pooled" is of all the rows at once,
    and each number outside it and "domains" is the mean of the domains', but for "rows", their sum.
    """
    def scores(mine: np.ndarray) -> dict[str, float]:
        return {"loss": float(loss[mine].sum() / weight[mine].sum()),
                **{metric: METRICS[metric](labels[mine], predictions[mine]) for metric in spec.metrics}}

    domains = {name: {"rows": len(mine), **scores(mine)} for name, mine in zip(names, rows)}
    overall = {key: float(np.mean([domain[key] for domain in domains.values()]))
               for key in ("loss", *spec.metrics)}
    return {"rows": sum(map(len, rows)), **overall, "pooled": scores(np.concatenate(rows)), "domains": domains}


def majority_baseline(spec: TaskSpec, names: tuple[str, ...], rows: Sequence[np.ndarray], labels: np.ndarray,
                      train_labels: np.ndarray) -> dict:
    """Return the metrics, as evaluate_domains does, of always saying the commonest training label.

    For regression it is the mean training score. The loss means nothing here and is left out.
    """
    constant = train_labels.mean() if spec.kind == "regression" else np.bincount(train_labels.astype(int)).argmax()
    ones = np.ones(len(labels))
    result = evaluate_domains(spec, names, rows, labels, constant * ones, 0 * ones, ones)
    for scores in (result, result["pooled"], *result["domains"].values()):
        del scores["loss"]
    return result

"""A small table of made-up sentence pairs that a model can learn, in the shape of RTE: no data needed to test with."""

from pathlib import Path

import numpy as np

import preprocess.common as preprocess
from utils.data.table import Table, write_table

WORDS = "river stone market letter garden music winter bridge doctor paper morning engine window field".split()


def toy_rows(n: int, seed: int) -> list[dict]:
    """Return n rows whose second sentence repeats words of the first (label 0) or not (label 1)."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        first = rng.permutation(WORDS)[:rng.integers(2, 6)]
        others = [word for word in WORDS if word not in first]
        second = first[:2] if k % 2 == 0 else rng.permutation(others)[:2]
        rows.append({"sentence1": " ".join(first), "sentence2": " ".join(second), "label": k % 2, "domain": "all"})
    return rows


def toy_table(data_dir: Path, n_train: int = 60, n_test: int = 24) -> Table:
    """Write data_dir/rte, as if `python preprocess/rte.py` had made it, and return it."""
    spec = preprocess.load("rte").SPEC
    return write_table(data_dir / "rte", spec, {"train": toy_rows(n_train, 1), "dev": toy_rows(n_test, 2)}, "toy")


def toy_choices(data_dir: Path, n_train: int = 48, n_test: int = 12) -> Table:
    """Write data_dir/copa, a table of made-up questions with two choices, and return it."""
    def rows(n: int, seed: int) -> list[dict]:
        return [{"question": row["sentence1"], "choices": [row["sentence2"], "nothing"][::1 - 2 * row["label"]],
                 "label": row["label"], "domain": "all"} for row in toy_rows(n, seed)]

    return write_table(data_dir / "copa", preprocess.load("copa").SPEC, {"train": rows(n_train, 1),
                                                                         "dev": rows(n_test, 2)}, "toy")

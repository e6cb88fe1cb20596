"""Rows → batches of rows of like length: padding is the largest waste of this work."""

import numpy as np

MEGABATCH = 50  # batches sorted together at most; within it, rows of like length meet


def training_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return one epoch: int64 positions into `lengths` (tokens per row), each once, in random batches.

    Rows are shuffled and cut into mega-batches (a quarter of the epoch at most, so that small shards stay
    random too); each is sorted by length and cut into batches; then the order of all batches is random.
    """
    order = rng.permutation(len(lengths))
    mega = batch_size * max(1, min(MEGABATCH, len(lengths) // (4 * batch_size)))
    # The sort is stable, so rows of equal length keep their random order.
    chunks = [order[start:start + mega] for start in range(0, len(order), mega)]
    by_length = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = cut(by_length, batch_size)
    return [batches[k] for k in rng.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return positions into `lengths`, longest rows first, in batches that depend on nothing else.

    The batches are the same whatever the number of workers they are dealt to, so every row's logits are too.
    """
    return cut(np.argsort(-lengths.astype(np.int64), kind="stable"), batch_size)


def cut(positions: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut an array into consecutive parts of `size`, the last one shorter if need be."""
    return [positions[start:start + size] for start in range(0, len(positions), size)]

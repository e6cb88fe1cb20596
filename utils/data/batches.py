"""Rows → batches of rows of like length: padding is the largest waste of this work."""

import numpy as np

JITTER = 0.05  # a row meets rows at most about 10 % longer or shorter, and others in each epoch


def training_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator,
                     batching: str = "length") -> list[np.ndarray]:
    """Return one epoch: int64 positions into `lengths` (tokens per row), each once, in random batches.

    `random` is a plain shuffle. `length` sorts the rows by their length times a random 1 ± JITTER and cuts the
    sorted rows into batches, which come in random order: what shares a batch is drawn anew in each epoch, also
    in a shard of a few batches, and yet little is padding.
    """
    if batching == "random":
        return cut(rng.permutation(len(lengths)), batch_size)
    batches = cut(np.argsort(lengths * rng.uniform(1 - JITTER, 1 + JITTER, len(lengths))), batch_size)
    return [batches[k] for k in rng.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return positions into `lengths`, longest rows first, in batches that depend on nothing else.

    The batches are the same whatever the number of workers they are dealt to, so every row's logits are too.
    """
    return cut(np.argsort(-lengths.astype(np.int64), kind="stable"), batch_size)


def cut(positions: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut an array into consecutive parts of `size`, the last one shorter if need be."""
    return [positions[start:start + size] for start in range(0, len(positions), size)]

"""Every random draw of a run, from its seed and its own name: never from process state."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return the NumPy generator of one purpose, e.g. `generator(seed, "shuffle", round, client)`.

    Draws of different purposes, rounds or clients are independent (NumPy's SeedSequence mixes the entropy);
    the same arguments give the same stream on any machine and in any process.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def torch_seed(seed: int, purpose: str, *numbers: int) -> int:
    """Return a 63-bit seed for `torch.manual_seed` from the same derivation as `generator`."""
    return int(generator(seed, purpose, *numbers).integers(2**63))

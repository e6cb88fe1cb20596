"""Made-up updates of three matrices and a bias, for methods of whole tensors."""

from collections.abc import Sequence

import numpy as np

from engine.flower_strategy import ServerState
from strategies import Strategy
from tests.strategies.rounds import play, server
from utils.vectors.layout import Layout, Place

#: a wide and a tall matrix, a bias, and one column, with padding between them
SHAPES = {"wide": (40, 70), "tall": (90, 30), "bias": (50,), "column": (20, 1)}


def laid_out() -> Layout:
    """Return where they lie in a vector."""
    places, start = [], 0
    for name, shape in SHAPES.items():
        stop = start + int(np.prod(shape))
        places.append(Place(name, shape, slice(start, stop)))
        start = -(-stop // 16) * 16
    return Layout(start, tuple(places))


LAYOUT = laid_out()


def vectors(clients: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a global vector and so many updates of it, float32, with a part that all share."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(LAYOUT.size, np.float32)
    for place in LAYOUT.places:
        inside[place.part] = 1
    before, common, *own = rng.standard_normal((clients + 2, LAYOUT.size)).astype(np.float32) * inside
    return before, [before + np.float32(0.1) * (common + each) for each in own]


def made_of(method: Strategy, before: np.ndarray, clients: Sequence[np.ndarray], folder: str) -> np.ndarray:
    """Return what a first round that begins with `before` makes of clients, whose vectors travel as `server` says."""
    return play(server(method, folder, ServerState(0, before)), 1, 1, lambda vector, number: clients).vector

"""Vectors with adapters, as `--train lora` lays them out, and what they stand for: the matrices with products added."""

import numpy as np

from engine.flower_strategy import ServerState
from strategies import Strategy
from tests.strategies.rounds import ROWS, play, server
from utils.model.trained.lora import Flags
from utils.vectors.layout import Layout, Place
from utils.vectors.parameters import ALIGNMENT

RANK, ALPHA = 4, 6.0
#: [out, in], and two as GPT-2 keeps its: [in, out], one of them square
MATRICES = {"plain": ((24, 16), False), "turned": ((16, 40), True), "square": ((16, 16), True)}
SHARES = np.array(ROWS) / sum(ROWS)


def layout(moves_base: bool = True) -> Layout:
    """Return the layout of adapters beside MATRICES, with the matrices or without, and of a head."""
    places, start = [], 0
    def add(name: str, shape: tuple[int, ...], turned: bool = False) -> None:
        nonlocal start
        places.append(Place(name, shape, slice(start, start + int(np.prod(shape))), 0 if turned else 1))
        start = -(-places[-1].part.stop // ALIGNMENT) * ALIGNMENT

    for layer, (shape, turned) in MATRICES.items():
        out, inputs = shape[::-1] if turned else shape
        if moves_base:
            add(f"{layer}.base_layer.weight", shape, turned)
        add(f"{layer}.lora_A.default.weight", (RANK, inputs))
        add(f"{layer}.lora_B.default.weight", (out, RANK))
    add("head.weight", (3, 5))
    return Layout(start, tuple(places))


def tensors(vector: np.ndarray, moves_base: bool = True) -> dict[str, np.ndarray]:
    """Return the tensors of a vector by name, as views."""
    return {place.name: vector[place.part].reshape(place.shape) for place in layout(moves_base).places}


def begin(moves_base: bool = True) -> np.ndarray:
    """Return a vector as a run begins with: B is 0."""
    vector = np.zeros(layout(moves_base).size, np.float32)
    rng = np.random.default_rng(2)
    for name, tensor in tensors(vector, moves_base).items():
        tensor[:] = 0 if ".lora_B." in name else rng.normal(0, 0.3, tensor.shape)
    return vector


def trained(method: Strategy, vector: np.ndarray, number: int) -> list[np.ndarray]:
    """Return what the clients make of `vector` in round `number`: what they train moves, up to their ranks."""
    moves_base, frozen, updates = method.moves_base, method.frozen(number), []
    for k in range(len(ROWS)):
        rng, own = np.random.default_rng((number, k)), vector.copy()
        for name, tensor in tensors(own, moves_base).items():
            if name not in frozen:
                tensor += rng.normal(0, 0.3, tensor.shape)
            rank = method.trained.rank(k)
            if ".lora_A." in name:
                tensor[rank:] = 0
            if ".lora_B." in name:
                tensor[:, rank:] = 0
        updates.append(own)
    return updates


def effective(vector: np.ndarray, scale: float, moves_base: bool = True) -> dict[str, np.ndarray]:
    """Return, as float64, each matrix with `scale` times its product added (or that alone), and the head."""
    parts = {name: tensor.astype(np.float64) for name, tensor in tensors(vector, moves_base).items()}
    found = {"head": parts["head.weight"]}
    for layer, (_, turned) in MATRICES.items():
        product = scale * parts[f"{layer}.lora_B.default.weight"] @ parts[f"{layer}.lora_A.default.weight"]
        found[layer] = (product.T if turned else product) + parts.get(f"{layer}.base_layer.weight", 0)
    return found


def errors(cls: type[Strategy], rounds: int, lora_r: str = str(RANK)) -> list[float]:
    """Return, after each round, how far the matrices are from the mean of the clients', as a part of its update."""
    flags = Flags(lora_r=lora_r, lora_alpha=ALPHA)
    method = cls(cls.Flags(), layout(cls.moves_base), flags)
    state, found = begin(cls.moves_base), []
    for number in range(1, rounds + 1):
        clients = trained(method, state, number)
        wanted = [effective(client, flags.scale(k), cls.moves_base) for k, client in enumerate(clients)]
        before, state = effective(state, flags.scale(0), cls.moves_base), merged(method, state, clients, number)
        after = effective(state, flags.scale(0), cls.moves_base)
        mean = {name: sum(share * each[name] for share, each in zip(SHARES, wanted)) for name in after}
        wrong = sum(np.square(after[name] - mean[name]).sum() for name in MATRICES)
        found.append(float(np.sqrt(wrong / sum(np.square(mean[name] - before[name]).sum() for name in MATRICES))))
        np.testing.assert_allclose(after["head"], mean["head"], rtol=0, atol=1e-6)
    return found


def merged(method: Strategy, before: np.ndarray, clients: list[np.ndarray], number: int) -> np.ndarray:
    """Return the global vector that the real server makes of a round's updates."""
    strategy = server(method, start=ServerState(number - 1, before))
    return play(strategy, number, number, lambda vector, _: clients).vector

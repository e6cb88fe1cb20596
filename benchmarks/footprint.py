"""What a run's vectors take of memory, and what a round moves, as arithmetic: benchmarks/scale.py measures beside it.

A process takes more than that: its libraries, half a gigabyte, and a client's activations, which grow with
`--batch_size` and `--max_length`, not with the clients.
"""

from dataclasses import dataclass

from engine.messages import nodes_for
from engine.room import buffers
from strategies.averaging import Averaging
from utils.vectors.layout import Layout
from utils.vectors.sums import GROUP

FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Setting:
    """A run of so many `trained` parameters, float32, with so many `clients` in a round on so many `workers`.

    `trains`: whether the clients do. `still`: of the trained parameters those whose gradients never come: embeddings of
    tokens that the shards lack. `frozen`: parameters beside the trained ones, which never travel.
    """

    trained: int
    clients: int
    workers: int
    transport: str = "reference"
    trains: bool = True
    still: int = 0
    frozen: int = 0


@dataclass(frozen=True)
class Footprint:
    """Bytes: of the `driver`, of each `worker`, `shared` by those of a machine, and `moved` in a round."""

    driver: int
    worker: int
    shared: int
    moved: int


def footprint(of: Setting) -> Footprint:
    """Return what a run of FedAvg takes; with v = 4 · trained bytes, a vector:

    worker = v (model) + 3 · (v − 4 · still) (AdamW's two moments, gradients)
             + 3 v by message: the one received, the answer, and the answer as Ray writes it
    driver = v (model) + v (its copy while a checkpoint is written)
             + by message (3 + min(clients, GROUP)) v: global vector, message, mean, updates; and 4 v, two float64
             sums, where there are more clients than GROUP
    shared = v · buffers (engine/room.py: the room that a run asks for, of which it may leave some untouched)
             or by message 2 v for each message on its way, and its answer: Ray's object store
             + 4 · frozen: one file that all processes map
    moved  = v · (2 · clients + workers): out, back, and out for the evaluation
    """
    v, by_message = FLOAT * of.trained, of.transport == "message"
    nodes = nodes_for(v, of.workers)
    worker = v + of.trains * 3 * (v - FLOAT * of.still) + by_message * 3 * v
    driver = v + of.trains * v
    if by_message:
        driver += (3 + min(of.clients, GROUP) + 4 * (of.clients > GROUP)) * v
        shared = 2 * v * min(of.clients, nodes)
    else:
        method = Averaging(Averaging.Flags(), Layout(of.trained, ()))
        shared = v * buffers(method, of.clients, nodes, of.workers)
    return Footprint(driver, worker, shared + FLOAT * of.frozen, v * (2 * of.clients + of.workers))


def lora_parameters(rank: int, matrices: list[tuple[int, int]]) -> int:
    """Return how many parameters adapters of a `rank` have, for matrices of (inputs, outputs) each.

    LoRA (Hu et al. 2021): W + B·A, where A is [rank, inputs] and B is [outputs, rank].
    """
    return sum(rank * (inputs + outputs) for inputs, outputs in matrices)

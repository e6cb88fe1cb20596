"""What padding costs: padded over real tokens of an epoch, with batches of rows of like length and of any rows.

    python -m benchmarks.batching

RTE and CoLA, batches of 16, a client's shard of 200 rows and a whole one of a third of the task.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, Figure, parser, report
from benchmarks.rows import open_rows, toy_flags
from utils.data.batches import training_batches
from utils.data.dataset import TaskData
from utils.seeds import generator

LIMIT = 1.10
BATCH_SIZE, EPOCHS = 16, 20


def padded_per_real(data: TaskData, batching: str) -> float:
    """Return the padded tokens over the real ones of the first client's shard, mean of EPOCHS epochs."""
    lengths = data.tokens["train"].lengths[data.plan.shards[0]]
    epochs = [training_batches(lengths, BATCH_SIZE, generator(0, "batches", epoch), batching)
              for epoch in range(EPOCHS)]
    padded = [sum(len(batch) * int(lengths[batch].max()) for batch in batches) for batches in epochs]
    return float(np.mean(padded) / lengths.sum())


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--source", default="", help="where the tasks' tables are made from when they are absent")
    options = flags.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for task in ("rte", "cola"):
            for rows in (200, 0):
                run = ["--data", task, "--data_dir", ROOT / "data", "--test", rows]
                data = open_rows(toy_flags(Path(folder)) if options.small else run, options.source)
                words = f"{task}, {len(data.plan.shards[0])} rows: padded / real tokens"
                figures += [Figure.at_most(f"{words}, --batching length", padded_per_real(data, "length"), "×", LIMIT),
                            Figure(f"{words}, --batching random", padded_per_real(data, "random"), "×")]
    report("batching", figures, options)


if __name__ == "__main__":
    main()

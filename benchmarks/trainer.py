"""Standard fine-tuning against Hugging Face's own Trainer: the same rows, the same hyperparameters, the same scores?

    python -m benchmarks.trainer                         CoLA, three seeds, three epochs: a quarter of an hour
    python -m benchmarks.trainer --seeds 1 2 3 4 5       a narrower interval

`main_lm.py --centralized` and `transformers.Trainer` in turn, from the same weights: batches of 16, 5e-5, float32, the
learning rate constant (as published) or, with `--lr_schedule linear`, falling to 0. The Trainer tokenises and shuffles
by itself, draws its own head and dropout, and its AdamW is PyTorch's; it is told to decay and clip nothing, which are
this project's defaults. Scores are over all test rows at once, as GLUE has them; their difference has the interval that
reports have, over seeds and rows.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from benchmarks.common import ROOT, Figure, parser, report, timed_lines
from benchmarks.rows import export_shards, open_rows, toy_flags, workspace
from benchmarks.stock_flower import load_rows
from reports.answers import Answers, read_answers
from reports.intervals import interval
from reports.resampling import Resampling
from utils.config import RunConfig
from utils.data.evaluation_sets import HEADLINE
from utils.model import loading


def trainer_answers(config: RunConfig, shards: Path, labels: tuple[str, ...]) -> np.ndarray:
    """Return what the Trainer's model says to each row of test.parquet: float64 [n]."""
    folder = loading.resolve(config.model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    train, test = (load_rows(shards / name, tokenizer, config.max_length)[0]
                   for name in ("client-0.parquet", "test.parquet"))
    arguments = TrainingArguments(
        output_dir=str(shards / "trainer"), num_train_epochs=config.n_iterations, learning_rate=config.lr,
        per_device_train_batch_size=config.batch_size, lr_scheduler_type=config.lr_schedule, weight_decay=0.0,
        max_grad_norm=0.0, seed=config.seed, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no",
        disable_tqdm=True)
    set_seed(config.seed)  # the new head is drawn before the Trainer is there
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))
    trainer = Trainer(model=model, args=arguments, data_collator=DataCollatorWithPadding(tokenizer),
                      train_dataset=train)
    trainer.remove_callback(PrinterCallback)  # stdout is for the figures
    trainer.train()
    logits = trainer.predict(test).predictions
    return np.argmax(logits, axis=1).astype(np.float64)


def answers_of_both(seed: int, options: argparse.Namespace, folder: Path) -> tuple[Answers, Answers]:
    """Fine-tune with main_lm.py, then with the Trainer; return what both answer to the same test rows."""
    flags = (toy_flags(folder) if options.small else
             ["--data", "cola", "--data_dir", ROOT / "data", "--model", "minilm"])
    flags += ["--centralized", "--n_iterations", 1 if options.small else 3, "--skip_evalnum", 3, "--batch_size", 16,
              "--lr", 5e-5, "--lr_schedule", options.lr_schedule, "--precision", "fp32", "--seed", seed]
    data, run = open_rows(flags, options.source), folder / f"run-{seed}"
    shards = export_shards(data, folder / f"shards-{seed}")
    timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", run]).at("summary")
    ours = read_answers(run, HEADLINE)
    assert ours is not None, "a run keeps its predictions"
    # The exported rows stand by domain, in each by number
    rows, place = np.concatenate(data.plan.test.rows), np.argsort(ours.rows)
    place = place[np.searchsorted(ours.rows, rows, sorter=place)]
    said = trainer_answers(data.config, shards, data.table.spec.labels)
    labels = pq.read_table(shards / "test.parquet")["label"].to_numpy()
    if not np.array_equal(labels, ours.labels[place]):
        raise RuntimeError(f"seed {seed}: the two were not tested on the same rows")
    theirs = Answers(rows, ours.domains, ours.domain[place], ours.labels[place], said, np.full(len(rows), np.nan))
    return ours, theirs


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    flags.add_argument("--lr_schedule", choices=("constant", "linear"), default="constant")
    flags.add_argument("--source", default="", help="where a missing table is made from: the official files, or hub")
    options = flags.parse_args()
    with workspace() as folder:
        pairs = [answers_of_both(seed, options, Path(folder)) for seed in options.seeds]
    drawn, figures = Resampling([pairs[0][0]]), []
    title = f"CoLA by a rate that is {options.lr_schedule}" if not options.small else "toy rows"
    for metric in ("accuracy", "matthews"):
        scores = [[100 * drawn.scores(metric, each).pooled for each in pair] for pair in pairs]
        for k, name in enumerate(("main_lm.py --centralized", "Hugging Face's Trainer")):
            each = ", ".join(f"{score[k][0]:.1f}" for score in scores)
            figures.append(Figure(f"{title}, {metric} of {name}, mean of {each}",
                                  float(np.mean([score[k][0] for score in scores])), "points"))
        found = interval([ours - theirs for ours, theirs in scores])
        figures.append(Figure(f"{title}, {metric}: ours less the Trainer's, [{found.low:+.1f}, {found.high:+.1f}]",
                              found.mean, "points", "the interval holds 0", found.low <= 0 <= found.high))
    report("trainer", figures, options)


if __name__ == "__main__":
    main()

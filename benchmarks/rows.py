"""The rows that a benchmark runs on: a task's table with a warm token cache, or made-up ones; shards as plain files."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import preprocess.common as preprocess
from benchmarks.common import RESULTS, ROOT
from utils.command_line import parse_flags
from utils.data.dataset import TaskData
from utils.model import loading
from utils.record.known_evaluation import EVALUATIONS

OFFICIAL_FILES = ROOT.parent / "shared" / "data"  # where a checkout may have them; see --source


def workspace() -> tempfile.TemporaryDirectory:
    """Return a folder for the runs' records and shards, on the disk where records go, that is removed at the end."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=RESULTS)


def open_rows(flags: list, source: str = "") -> TaskData:
    """Return the rows of the run that `main_lm.py` makes of `flags`, its table and its token cache made if absent.

    What earlier runs have kept of round 0 is removed: one that is timed evaluates for itself.

    `source` is where the table is made from, as for main_lm.py: a folder of the official files, or hub.
    """
    config = parse_flags(list(map(str, flags)), preprocess.task_names())
    spec, folder = preprocess.load(config.data).SPEC, Path(config.data_dir)
    if not source and OFFICIAL_FILES.is_dir() and not (folder / spec.name).exists():
        source = str(OFFICIAL_FILES)
    preprocess.prepare(config.data, source or None, folder)
    data = TaskData(config, spec)
    model, tokenizer = loading.load(loading.Wanted.by(config), spec)
    data.tokenise(tokenizer, loading.is_text_to_text(model))
    shutil.rmtree(folder / spec.name / EVALUATIONS, ignore_errors=True)
    return data


def toy_flags(folder: Path) -> list:
    """Write a made-up table and a tiny random model into `folder`; return the flags that name them: 3 × 12 rows."""
    from tests.tiny import tiny_once
    from tests.toy import toy_table

    if not (folder / "data").exists():
        toy_table(folder / "data")
    return ["--data", "rte", "--data_dir", folder / "data", "--model", tiny_once(folder, "bert"), "--test", 12]


def export_shards(data: TaskData, folder: Path) -> Path:
    """Write each client's rows and the test rows as benchmarks/stock_flower.py reads them; return `folder`."""
    folder.mkdir(parents=True)
    columns = [*data.table.spec.text, "label"]
    train, test = (data.table.split(data.splits[split][1]).select(columns) for split in ("train", "test"))
    for client, rows in enumerate(data.plan.shards):
        pq.write_table(train.take(rows), folder / f"client-{client}.parquet")
    domains = data.plan.test
    names = np.repeat(domains.names, list(map(len, domains.rows)))
    tested = test.take(np.concatenate(domains.rows)).append_column("domain", [names.tolist()])
    pq.write_table(tested, folder / "test.parquet")
    return folder

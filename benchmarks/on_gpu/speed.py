"""Speed on a GPU: a run against a bare loop and stock Flower, clients that share a card, and training steps alone."""

import json
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, Figure, recorded_rounds, timed_lines
from benchmarks.end_to_end import result, stock_command
from benchmarks.federated_tax import check_same_steps, seconds_between
from benchmarks.on_gpu.bench import Bench, NotRun, last_words, train_seconds
from benchmarks.on_gpu.made_up import BASE, LARGE, TINY, Size, like_rte, write_model, write_rows
from benchmarks.on_gpu.steps import WAYS, Case, Measured
from benchmarks.rows import export_shards, open_rows
from utils.errors import in_short
from utils.machine.precision import resolve_precision

TAX = 1.05  # at most, as on the CPU
SHARING = (1, 2, 4)  # clients that share the card
SEQUENCE = 128  # tokens of each row where all have as many
FAST = 100.0  # TFLOP/s of a card on which a second has many steps
WHOLE = "process start to last evaluation"
LIKE_RTE, ALIKE = "rows like RTE's", f"rows of {SEQUENCE} tokens"
TITLE = f"{LIKE_RTE}, 3 clients, one worker"


def check(bench: Bench) -> None:
    """Measure all: what a user meets first comes first, what takes long and is told by the rest comes last."""
    from tests.tiny import tiny_tokenizer

    base, large = (TINY, None) if bench.rehearse else (BASE, LARGE)
    n_train, n_test = (48, 12) if bench.rehearse else (1024, 256)
    folders = {name: write_rows(bench.folder / f"rows-{number}", tiny_tokenizer("bert"), *lengths)
               for number, (name, lengths) in enumerate({
                   LIKE_RTE: (like_rte(n_train), like_rte(n_test, 1)),
                   ALIKE: (np.full(n_train, SEQUENCE), np.full(n_test, SEQUENCE))}.items())}
    model = write_model(bench.folder / "base", base)
    bench.attempt("a run and a bare loop", 60, partial(against_bare_loop, bench, model, folders[LIKE_RTE]))
    bench.attempt("stock Flower", 60, partial(against_stock, bench, model, folders[LIKE_RTE]))
    measure(bench, base, model, folders)
    bench.attempt("clients that share the card", 75, partial(sharing, bench, model, folders[LIKE_RTE]))
    if large:
        measure(bench, large, write_model(bench.folder / "large", large, weights=False), folders)


def precision_of(bench: Bench) -> str:
    """Return in what runs train by themselves on this card; in a rehearsal, in float32."""
    return "fp32" if bench.rehearse else resolve_precision("auto", 1, "torch")


def run_flags(bench: Bench, model: Path, data: Path) -> list:
    """Return the flags of a run of this model and these rows."""
    return ["--data", "rte", "--data_dir", data, "--model", model, "--max_length", 256, "--batch_size", 16,
            "--precision", precision_of(bench), "--lr", 2e-5, "--seed", 1]


def tax_flags(bench: Bench, model: Path, data: Path) -> list:
    """Return the flags of the run that is compared with others: a round of three clients."""
    epochs = 1 if bench.rehearse else 12 if bench.card.bf16 > FAST else 2
    return [*run_flags(bench, model, data), "--n_iterations", 1, "--epoch", epochs, "--n_workers", 1, *bench.device()]


def against_bare_loop(bench: Bench, model: Path, data: Path) -> list[Figure]:
    """Run main_lm.py and a bare loop of the same steps; return what each takes."""
    record, flags = bench.record("tax"), tax_flags(bench, model, data)
    rows = open_rows(flags)
    run = timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", record], limit=bench.limit)
    start = run.at("round=1") - sum(recorded_rounds(record)[-1]["seconds"].values())
    bare = timed_lines([sys.executable, "-m", "benchmarks.bare_loop", *flags], limit=bench.limit)
    try:
        check_same_steps(record, bare)
    except RuntimeError as error:  # a card's sums have no fixed order, so that steps drift apart
        bench.not_run["federated over bare: that the steps are the same"] = in_short(error)
    seconds = seconds_between(run), seconds_between(bare)
    return [Figure(f"{TITLE}: process start to first training step", start, "s"),
            Figure(f"{TITLE}: {WHOLE}, main_lm.py", result(run, rows).seconds, "s"),
            Figure(f"{TITLE}: first to last evaluation, main_lm.py", seconds[0], "s"),
            Figure(f"{TITLE}: first to last evaluation, bare PyTorch loop", seconds[1], "s"),
            Figure.at_most(f"{TITLE}: federated over bare", seconds[0] / seconds[1], "×", TAX)]


def against_stock(bench: Bench, model: Path, data: Path) -> list[Figure]:
    """Run stock Flower on the rows of the run before; return what it takes."""
    ours = [figure.value for figure in bench.figures if figure.what == f"{TITLE}: {WHOLE}, main_lm.py"]
    if not ours:
        raise NotRun("there is no run to compare it with")
    rows = open_rows(tax_flags(bench, model, data))
    more = [] if bench.rehearse else ["--n_gpus", 1, *["--bf16"] * (precision_of(bench) == "bf16")]
    command = [*stock_command(rows, export_shards(rows, bench.folder / "shards")), *more]
    stock = result(timed_lines(command, limit=bench.limit), rows).seconds
    return [Figure(f"{TITLE}: {WHOLE}, stock Flower", stock, "s"),
            Figure(f"{TITLE}: {WHOLE}, times faster than stock Flower", stock / ours[0], "×")]


def sharing(bench: Bench, model: Path, data: Path) -> list[Figure]:
    """Return the seconds of a round of four clients, one after another and side by side on the card."""
    epochs = 1 if bench.rehearse else 4
    flags = [*run_flags(bench, model, data), "--n_clients", 4, "--n_iterations", 2, "--epoch", epochs]
    seconds = {}
    for number in SHARING[:2] if bench.rehearse else SHARING:
        name = f"shared by {number}"
        bench.runs(number, {name: [*flags, *bench.device(1 / number)]})
        seconds[number] = train_seconds(bench.record(name))
    title = f"4 clients, {LIKE_RTE}, {epochs} epochs: a round's training"
    return [Figure(f"{title}, {number} at once", taken, "s") for number, taken in seconds.items()] + [
        Figure(f"{title}, {number} at once: times faster than one by one", seconds[1] / taken, "×")
        for number, taken in seconds.items() if number > 1]


def measure(bench: Bench, size: Size, model: Path, folders: dict[str, Path]) -> None:
    """Measure the training steps of a model on rows of each kind, in small batches and in large ones."""
    for rows, data in list(folders.items())[:1 if bench.rehearse else None]:
        for batch in (8,) if bench.rehearse else (16, 128):
            small_batch = batch <= 16  # to compile takes a minute, and is for these
            case = Case(str(model), str(data), 256, batch, 6 if bench.rehearse else 1024 // batch,
                        int(not bench.rehearse), WAYS if small_batch else WAYS[:2], precision_of(bench))
            bench.attempt(f"{size.name}, {rows}, batches of {batch}", 30 + 50 * small_batch,
                          partial(steps, bench, size, rows, case))


def steps(bench: Bench, size: Size, rows: str, case: Case) -> list[Figure]:
    """Return the figures of a case, of all ways that did not fail."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.on_gpu.steps"], cwd=ROOT, capture_output=True, text=True,
                          input=json.dumps(asdict(case)), timeout=bench.limit)
    measured = [Measured(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    if not measured:
        raise RuntimeError(last_words(done.stderr))
    title = f"{size.name}, {rows}, batches of {case.batch_size}, {case.precision}"
    for one in measured:
        if one.failed:
            bench.not_run[f"{title}, {one.way}"] = one.failed
    return [figure for one in measured if not one.failed for figure in of_one(bench, size, title, case, one)]


def of_one(bench: Bench, size: Size, title: str, case: Case, one: Measured) -> list[Figure]:
    """Return the figures of one way. A training step is three forward passes' work."""
    lengths = np.array(one.lengths)
    share = bench.card.share(3 * size.flops(lengths) / one.seconds, case.precision)
    figures = [Figure(f"{title}, {one.way}: training", len(lengths) / one.seconds, "rows/s")]
    if share is not None:
        figures.append(Figure(f"{title}, {one.way}: share of the card's peak, real tokens alone", 100 * share, "%"))
    return [*figures,
            Figure(f"{title}, {one.way}: a step of {one.kernels:.0f} kernels, {one.starts:.0f} starts",
                   1000 * one.seconds / one.steps, "ms"),
            Figure.at_most(f"{title}, {one.way}: waits for the card in a step", one.waits, "", 0),
            Figure(f"{title}, {one.way}: evaluation, float32", one.evaluated, "rows/s")]

"""Correctness on a GPU: the same small runs there and on the CPU, alone and side by side, whole, killed and resumed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import BertForSequenceClassification

from benchmarks.common import ROOT, Figure, recorded_rounds
from benchmarks.on_gpu.bench import Bench, NotRun, differing, last_words, losses, moved_apart, workers_of
from benchmarks.on_gpu.made_up import SMALL, TINY, write_model, write_rows
from tests.processes import kill, newest, wait_until, workers
from utils.config import RunConfig
from utils.machine.compiler import check_compiler
from utils.machine.device import device_of, exact_float32
from utils.machine.precision import resolve_precision
from utils.model.varlen import varlen_encoder

LOSS = 1e-3  # between the mean losses of two runs of the same steps in float32
WEIGHTS = 0.02  # between their weights, over how far these have moved: AdamW divides rounding by the gradient's size
SAVED = 1e-4  # between the losses of the saved model on the card and on the CPU
FALL = 0.5  # of the training loss, from the first round to the last
PRODUCT = 1e-5  # the largest error of a float32 product, over the largest value; TF32's is 1e-3
CUT = "--n_iterations 20 --skip_evalnum 20 --optimizer_state keep --deterministic"
GRADIENT = {"fp32": 1e-3, "bf16": 0.05}  # distance of two gradients over the length of one


@dataclass(frozen=True)
class Made:
    """Folders of the made-up rows and of two models, one of them without dropout: a CPU's masks are others."""

    data: Path
    model: Path
    without_dropout: Path

    def flags(self, model: Path, more: str = "") -> list:
        """Return the flags of a small run, 3 clients of 3 batches each."""
        return ["--data", "rte", "--data_dir", self.data, "--model", model, "--max_length", 256, "--batch_size", 8,
                "--lr", 1e-3, "--precision", "fp32", "--seed", 4, "--n_iterations", 3, *more.split()]


def made_for(bench: Bench) -> Made:
    """Make the rows and models. Evaluation batches have so many tokens that a GPU computes them packed."""
    from tests.tiny import tiny_tokenizer

    size, (low, high) = (TINY, (20, 60)) if bench.rehearse else (SMALL, (130, 220))
    rng = np.random.default_rng(0)
    data = write_rows(bench.folder / "small-rows", tiny_tokenizer("bert"), rng.integers(20, 60, 72),
                      rng.integers(low, high, 96))
    return Made(data, write_model(bench.folder / "small", size),
                write_model(bench.folder / "small-without-dropout", size, dropout=0.0))


def check(bench: Bench) -> None:
    """Make all checks: first the runs, those that are killed beside the others, then what they are compared by."""
    made = made_for(bench)
    plain, dropped = made.flags(made.without_dropout), made.flags(made.model)
    has_bf16 = bench.rehearse or resolve_precision("auto", 1, "torch") == "bf16"
    bf16 = {"card bf16": made.flags(
        made.model, "--precision bf16 --lr 2e-3 --epoch 2 --lang_mix 0.99 --n_iterations 6")} if has_bf16 else {}
    together = {
        "card": plain, "card again": plain, **bf16,
        "with dropout": dropped, "with dropout again": dropped,
        "deterministic": [*dropped, "--deterministic"], "deterministic again": [*dropped, "--deterministic"],
        "uncut": made.flags(made.model, CUT)}
    alone = {"one worker": [*dropped, "--deterministic"]}
    bench.attempt("a compiled run on the card", 0, lambda: compilable(bench, alone, plain))
    on_cpu = {"cpu": plain, "saved on the cpu": [
        *made.flags(made.without_dropout, "--n_iterations 0"), "--load_model", bench.record("card") / "model"]}
    if bench.rehearse:  # there the card is the CPU: one start is enough for both
        alone, on_cpu = alone | on_cpu, {}
    bench.attempt("float32 products", 5, lambda: products(bench), must=True)
    for precision in ("fp32", "bf16"):
        bench.attempt(f"packed training, {precision}", 10, partial(packed, bench, made, precision), must=True)
    with ThreadPoolExecutor(2) as pool:
        killed = pool.submit(killed_and_resumed, bench, made)
        bench.attempt("runs of two workers on the card", 60, lambda: done(bench, 2, together, 0.5), must=True)
        bench.attempt("runs of one worker on the card", 120, lambda: done(bench, 1, alone, 1.0), must=True)
        if on_cpu:
            bench.attempt("runs on the CPU", 40, lambda: done(bench, 1, on_cpu, 0.0), must=True)
        start = made.without_dropout
        bench.attempt("float32 as on the CPU", 0, lambda: same(bench, "card", "cpu", start), must=True)
        bench.attempt("compiled", 0, lambda: same(bench, "compiled", "cpu", start), must=True)
        bench.attempt("saved model", 0, lambda: saved(bench), must=True)
        bench.attempt("bf16 trains", 0, lambda: trains(bench), must=True)
        bench.attempt("two clients share a card", 0, lambda: shared(bench), must=True)
        bench.attempt("the same bits", 0, lambda: bits(bench), must=True)
        bench.attempt("a killed worker, a killed driver", 0, lambda: survived(bench, killed.result()), must=True)


def done(bench: Bench, n_workers: int, lines: dict[str, list], share: float) -> list[Figure]:
    """Have runs done, by workers that each have a `share` of the card; without one, on the CPU."""
    bench.runs(n_workers, {name: [*flags, *(bench.device(share) if share else [])] for name, flags in lines.items()})
    return []


def compilable(bench: Bench, runs: dict[str, list], flags: list) -> list[Figure]:
    """Add a compiled run to `runs`. Raises UserError where there is nothing to compile with."""
    check_compiler(int(not bench.rehearse))
    runs["compiled"] = [*flags, "--compile"]
    return []


def packed(bench: Bench, made: Made, precision: str) -> list[Figure]:
    """Return how far a packed batch's gradient on the card is from the padded one's in float32 on the CPU."""
    cpu, card = torch.device("cpu"), device_of(RunConfig(n_gpus=int(not bench.rehearse)))
    rng, lengths, gradients = torch.Generator().manual_seed(0), (9, 40, 23, 1, 40, 17), list[torch.Tensor]()
    mask = torch.tensor([[k < n for k in range(max(lengths))] for n in lengths]).long()
    batch = {"input_ids": torch.randint(5, 50, mask.shape, generator=rng), "attention_mask": mask,
             "labels": torch.tensor([0, 1, 1, 0, 1, 0])}
    for device, dtype in ((cpu, torch.float32), (card, torch.bfloat16 if precision == "bf16" else torch.float32)):
        model = BertForSequenceClassification.from_pretrained(made.without_dropout).to(device).train()
        with ExitStack() as stack:
            feed = stack.enter_context(varlen_encoder(model, device, dtype, 0)) if gradients else None
            given = feed(batch) if feed else batch
            if feed and feed.packing is None:
                raise NotRun(f"torch has no kernel for attention over rows of any length in {precision}")
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                model(**given).loss.backward()
        gradients.append(torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None]))
    apart = (gradients[1] - gradients[0]).norm() / gradients[0].norm()
    return [Figure.at_most(f"gradient of a packed batch in {precision}: distance from the padded one in float32 on "
                           "the CPU, over its length", float(apart), "", GRADIENT[precision])]


def products(bench: Bench) -> list[Figure]:
    """Return how exact a product of float32 is once the device is set up as a worker does it."""
    device = device_of(RunConfig(n_gpus=1))
    device = torch.device("cpu") if bench.rehearse else device
    left, right = torch.rand(2, 512, 512, generator=torch.Generator().manual_seed(0))
    exact = left.double() @ right.double()
    error = ((left.to(device) @ right.to(device)).cpu().double() - exact).abs().max() / exact.abs().max()
    return [Figure.at_most("float32 product of 512 × 512: largest error over the largest value", float(error), "",
                           PRODUCT),
            Figure("TF32 switched off for products and convolutions", float(exact_float32()), "(1: yes)", "1",
                   exact_float32())]


def same(bench: Bench, name: str, other: str, start: Path) -> list[Figure]:
    """Return how far two runs of the same steps are apart. Raises NotRun where one is missing: that was said."""
    if not (bench.record(name).exists() and bench.record(other).exists()):
        raise NotRun(f"the run {name} or {other} is missing")
    one, two = bench.record(name), bench.record(other)
    apart = float(np.abs(losses(one) - losses(two)).max())
    what = f"float32, 3 clients, 3 rounds: {name} against {other}"
    return [Figure.at_most(f"{what}: largest difference of a mean loss", apart, "nats", LOSS),
            Figure.at_most(f"{what}: distance of the weights over how far they moved", moved_apart(one, two, start), "",
                           WEIGHTS)]


def saved(bench: Bench) -> list[Figure]:
    """Return how far the saved model's test loss on the CPU is from the last round's on the card."""
    apart = abs(losses(bench.record("card"))[-1] - losses(bench.record("saved on the cpu"))[-1])
    return [Figure.at_most("the saved model's test loss, on the card against the CPU", float(apart), "nats", SAVED)]


def trains(bench: Bench) -> list[Figure]:
    """Return by how much the training loss falls in bf16. Raises NotRun for a card that has none."""
    if not bench.record("card bf16").exists():
        raise NotRun("this card computes in float32 alone, or its run failed")
    rounds = [np.mean([client["loss"] for client in one["clients"]])
              for one in recorded_rounds(bench.record("card bf16"))[1:]]
    ratio = float(rounds[-1] / rounds[0])
    return [Figure.at_most("bf16, 6 rounds: last training loss over the first", ratio, "×", FALL)]


def shared(bench: Bench) -> list[Figure]:
    """Return how many workers shared the card, and how many weights that changed by a bit."""
    found = workers_of(bench.record("deterministic"))
    return [Figure("workers at --gpus_per_client 0.5", found, "", "2", found == 2),
            Figure.at_most("--deterministic, two workers on a card against one: weights that differ",
                           differing(bench.record("deterministic"), bench.record("one worker")), "", 0)]


def bits(bench: Bench) -> list[Figure]:
    """Return how many weights differ between two runs of the same flags: those of `--deterministic` may not."""
    return [Figure.at_most("two runs with --deterministic: weights that differ",
                           differing(bench.record("deterministic"), bench.record("deterministic again")), "", 0),
            Figure("two runs without it: weights that differ",
                   differing(bench.record("with dropout"), bench.record("with dropout again")), ""),
            Figure("the same, without dropout", differing(bench.record("card"), bench.record("card again")), "")]


def killed_and_resumed(bench: Bench, made: Made) -> int:
    """Kill a run's worker, and later its driver, and have it go on; return how many tries of clients failed before."""
    record = bench.record("cut")
    command = [sys.executable, "main_lm.py", *made.flags(made.model, CUT), "--run_dir", record, "--n_workers", 2,
               *bench.device(0.5)]

    def start(*more: str) -> subprocess.Popen:
        return subprocess.Popen([*map(str, command), *more], cwd=ROOT, text=True, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    process = start()
    wait_until(lambda: newest(record) >= 1 and workers(process.pid), process)
    kill(workers(process.pid)[0])
    reached = newest(record)
    wait_until(lambda: newest(record) > reached + 1, process)
    was_at_work = process.poll() is None
    kill(process.pid)
    words = process.communicate()[1]
    if not was_at_work:
        raise RuntimeError(f"the run ended before it was killed: {last_words(words)}")
    process = start("--resume")
    try:
        words = process.communicate(timeout=bench.limit)[1]
    except subprocess.TimeoutExpired:
        kill(process.pid)
        raise
    if process.returncode:
        raise RuntimeError(f"--resume ended with {process.returncode}: {last_words(words)}")
    failures = record / "failures.jsonl"
    return len(failures.read_text().splitlines()) if failures.exists() else 0


def survived(bench: Bench, tries: int) -> list[Figure]:
    """Return what became of the run whose worker and then driver were killed."""
    cut, uncut = bench.record("cut"), bench.record("uncut")
    return [Figure.at_least("a worker killed: tries of clients that failed and were made again", tries, "", 1),
            Figure.at_most("worker killed, driver killed, --resume, all with --deterministic: weights that differ "
                           "from a whole run's", differing(uncut, cut), "", 0)]

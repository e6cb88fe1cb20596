"""A check that cannot run says why, and the next one runs."""

from benchmarks.common import Figure
from benchmarks.on_gpu.bench import Bench, NotRun
from benchmarks.on_gpu.card import Card


def failing(error):
    raise error


def test_each_check_has_figures_or_a_reason(tmp_path, capsys):
    bench = Bench(tmp_path, Card("a card", "none"), rehearse=False, seconds=100)
    good, bad = Figure.at_most("good", 1, "s", 2), Figure.at_most("bad", 3, "s", 2)
    bench.attempt("good", 10, lambda: [good], must=True)
    bench.attempt("bad", 10, lambda: [bad, good], must=True)
    bench.attempt("slow", 10, lambda: [bad])  # a speed that is missed is no fault
    assert bench.figures == [good, bad, good, bad] and bench.wrong == 1
    bench.attempt("broken", 10, lambda: failing(RuntimeError("CUDA error:\n out of memory")), must=True)
    bench.attempt("impossible", 10, lambda: failing(NotRun("no such card")), must=True)
    bench.attempt("late", 1000, lambda: failing(AssertionError("it was begun")), must=True)
    assert bench.wrong == 2 and bench.not_run["broken"] == "CUDA error: out of memory"
    assert bench.not_run["impossible"] == "no such card" and "takes up to 1000 s" in bench.not_run["late"]
    assert "broken: not run: CUDA error" in capsys.readouterr().err
    assert bench.device(0.5) == ["--n_gpus", 1, "--gpus_per_client", 0.5]

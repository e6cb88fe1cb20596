"""Which run goes to which driver, and what comes of one without an answer; tests/sweeps/test_run.py has all of it."""

import pytest

from sweeps import drivers
from sweeps.drivers import Shape, Sweep
from sweeps.study import read_study
from utils.machine.workers import usable_cores

RUNS = "[methods.a]\n[methods.b]\nn_workers = 1\nn_cpu = 1.5\n[methods.c]\nlr = 1\n"


@pytest.fixture
def left(tmp_path):
    """Return left(text): the runs of a study file."""
    def runs(text):
        (tmp_path / "study.toml").write_text("[common]\ndata = 'sentiment'\n" + text)
        return read_study(tmp_path / "study.toml", tmp_path / "out", [], ("sentiment",)).runs()

    return runs


def test_no_more_runs_are_at_work_than_have_workers(left, tmp_path, caplog):
    many = left(f"[grid]\nseed = {list(range(2 * usable_cores() + 2))}\n")
    for jobs in (0, 2 * usable_cores() + 1):
        sweep = Sweep(tmp_path, many, jobs, [])
        assert sweep.jobs == usable_cores() and sweep.shape(many[0].config) == Shape(1.0, 0, 0.0, 1)
    assert Sweep(tmp_path, many[:1], 0, []).shape(many[0].config).workers == usable_cores()
    assert f"--jobs {2 * usable_cores() + 1}: only {usable_cores()} fit" in caplog.text


@pytest.mark.skipif(usable_cores() < 2, reason="a worker of one and a half cores needs two")
def test_a_driver_gets_runs_of_its_own_shape_first(left, tmp_path):
    a, b, c = left(RUNS)
    sweep = Sweep(tmp_path, [a, b, c], 1, [])
    assert sweep.next_run(None) == a
    assert sweep.next_run(sweep.shape(a.config)) == c
    assert sweep.next_run(sweep.shape(a.config)) == b
    assert sweep.next_run(None) is None


def test_a_process_that_ends_without_an_answer_has_failed_whatever_its_exit_code(left, tmp_path, monkeypatch, caplog):
    (tmp_path / "driver.py").write_text("import sys; print('begun', sys.stdin.readline(), file=sys.stderr)")
    monkeypatch.setattr(drivers, "PROGRAM", tmp_path / "driver.py")
    [run] = left("[methods.quiet]\n")
    sweep = Sweep(tmp_path, [run], 1, [])
    sweep.address.set_result("127.0.0.1:1")
    assert sweep.whole(sweep.next_run(None), None) is None
    board = sweep.board
    assert board.failed == {"quiet": "exit code 1: it said nothing"} and not board.running and board.done == 1
    assert caplog.text.count("its process died (exit code 1): it is resumed in a new one") == 1

"""What every benchmark stands on: a process's lines are timed, its failures raise, and no target is flattered."""

import argparse
import json
import sys

import pytest

from benchmarks.common import HEADER, RESULTS, Figure, report, timed_lines
from benchmarks.table import table


def options(out, small=False) -> argparse.Namespace:
    return argparse.Namespace(out=out, small=small)


def test_lines_are_timed_as_they_come_and_memory_is_the_peak():
    outcome = timed_lines([sys.executable, "-c", (
        "import os, sys, time; print('round=0 x=1.5', flush=True); block = bytearray(100_000_000); time.sleep(0.6);"
        "del block; print('round=10 x=2'); print('round=1 x=' + os.environ['X']); print('note', file=sys.stderr)")],
        env={"X": "3"})
    assert [text for _, text in outcome.lines] == ["round=0 x=1.5", "round=10 x=2", "round=1 x=3"]
    assert outcome.at("round=1") - outcome.at("round=0") > 0.5
    assert outcome.seconds >= outcome.at("round=1")
    assert (outcome.value("round=0", "x"), outcome.value("round=1", "x")) == (1.5, 3)  # 1 is not the start of 10
    assert 100e6 < outcome.peak_bytes < 250e6
    assert (outcome.returncode, outcome.stderr) == (0, "note\n")


@pytest.mark.parametrize("ending", ["sys.exit('it broke')", "print('it broke', file=sys.stderr)"])
def test_a_run_that_failed_or_did_not_get_there_has_no_time(ending):
    wanted = "round=0" if "exit" in ending else "round=1"
    outcome = timed_lines([sys.executable, "-c", f"import sys; print('round=0', flush=True); {ending}"])
    with pytest.raises(RuntimeError, match="it broke"):
        outcome.at(wanted)


@pytest.mark.parametrize(("figure", "row"), [
    (Figure("start", 5.25, "s"), "| start | 5.25 s |  |  |"),
    (Figure.at_most("tax", 1.05, "×", 1.05), "| tax | 1.05 × | ≤ 1.05 × | holds |"),
    (Figure.at_most("tax", 1.0512, "×", 1.05), "| tax | 1.051 × | ≤ 1.05 × | missed |"),
    (Figure.at_least("faster", 5.96, "×", 6), "| faster | 5.96 × | ≥ 6 × | missed |"),
    (Figure("memory", 12345.6, "MB", "flat", True), "| memory | 12,346 MB | flat | holds |")])
def test_a_row_says_whether_the_target_holds(figure, row):
    assert figure.row() == row


def test_the_table_holds_all_figures_in_its_own_order(tmp_path, capsys):
    report("zebra", [Figure("last", 1, "s")], options(tmp_path))
    report("federated_tax", [Figure.at_most("second", 2, "×", 1.05)], options(tmp_path))
    report("end_to_end", [Figure.at_least("first", 7, "×", 6), Figure("first too", 8, "s")], options(tmp_path))
    assert capsys.readouterr().out.count(HEADER) == 3
    listed = [line.split("|")[1].strip() for line in table(tmp_path).splitlines()[2:]]
    assert listed == ["first", "first too", "second", "last"]


def test_figures_are_saved_and_must_be_numbers(tmp_path):
    report("one", [Figure("what", 1.5, "s")], options(tmp_path / "new"))
    saved = json.loads((tmp_path / "new" / "one.json").read_text())
    assert saved == {"name": "one", "figures": [
        {"what": "what", "value": 1.5, "unit": "s", "target": "", "holds": None}]}
    with pytest.raises(ValueError):
        report("two", [Figure("what", float("nan"), "s")], options(tmp_path))
    assert not (tmp_path / "two.json").exists()
    assert RESULTS.name == "bench"

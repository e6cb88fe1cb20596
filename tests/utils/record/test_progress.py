"""What is shown of a run at work: figures by hand, lines in a log file, and one status line on a real terminal."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.console import SECONDS_OF_SILENCE
from utils.record.progress import Progress, duration


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    """A display that is no terminal's, and that no thread of its own brings up to date."""
    shown = Progress(io.StringIO(), clock)
    shown.close()
    return shown


def test_rows_per_second_and_the_time_left_are_those_of_the_rounds_done(progress, clock):
    progress.work(0, 0, 4, "evaluating", 2)
    assert progress.line == "round 0 of 4: evaluating, 0 of 2 parts" and progress.seconds_left is None
    progress.follow(None, [300, 0, 300])
    clock.seconds = 100.0
    progress.work(1, 0, 4, "training", 2, [0, 2])
    clock.seconds = 110.0
    progress.piece(0)
    assert progress.line == "round 1 of 4: training, 1 of 2 clients (50 %), 30 rows/s, about 70 s left"
    clock.seconds = 120.0
    progress.piece(2)
    progress.metric = "accuracy 0.8125"
    progress.work(1, 0, 4, "evaluating", 2)
    clock.seconds = 125.0
    progress.work(2, 0, 4, "training", 2, [0, 2])
    assert progress.seconds_left == 25.0 * 3
    assert progress.line == ("round 2 of 4: training, 0 of 2 clients (0 %), 30 rows/s, accuracy 0.8125, "
                             "about 75 s left")


def test_the_last_evaluation_has_time_left_too(progress, clock):
    for server_round in (1, 2):
        progress.work(server_round, 0, 2, "training", 1, [0])
        clock.seconds += 20.0
        progress.work(server_round, 0, 2, "evaluating", 2)
        clock.seconds += 5.0
    progress.piece()
    assert progress.seconds_left == pytest.approx(50 / (1 + 0.8 + 0.2 / 2) - 50 + 50 / 1.9, abs=2)
    assert progress.line.endswith("about 3 s left")


def test_a_round_that_is_diagnosed_has_a_part_more(progress, clock):
    progress.work(1, 0, 2, "training", 1, [0])
    clock.seconds += 20.0
    progress.work(1, 0, 2, "diagnosing", 4)
    clock.seconds += 10.0
    for _ in range(2):
        progress.piece()
    assert progress.line == "round 1 of 2: diagnosing, 2 of 4 models, about 42 s left"  # (20 + 10 / 2) / 30 of a round
    progress.work(1, 0, 2, "evaluating", 2)
    clock.seconds += 10.0
    assert progress.seconds_left == 40 / 0.75 * 1.25


def test_what_clients_have_trained_on_is_seen_before_they_are_done(progress, clock):
    """Several epochs count as so many passes; another round begins at nothing."""
    shown = np.zeros(1, np.int64)
    progress.follow(shown, [2 * 500])
    progress.work(1, 0, 2, "training", 1, [0])
    clock.seconds, shown[0] = 10.0, 250
    assert progress.line == "round 1 of 2: training, 0 of 1 clients (25 %), 25 rows/s, about 70 s left"
    clock.seconds, shown[0] = 40.0, 1000
    progress.piece(0)
    assert progress.rows == 1000
    progress.work(2, 0, 2, "training", 1, [0])
    assert shown[0] == 0 and progress.line.startswith("round 2 of 2: training, 0 of 1 clients (0 %), 25 rows/s")


def test_a_resumed_run_counts_its_own_rounds_only(progress, clock):
    progress.work(7, 7, 10, "training", 1)
    clock.seconds = 10.0
    progress.work(8, 7, 10, "training", 1)
    assert progress.seconds_left == 10.0 * 3


def test_a_log_file_gets_a_line_for_each_phase_and_else_only_after_silence(progress, clock, caplog, monkeypatch):
    monkeypatch.setattr("utils.record.progress.NOTES.propagate", True)
    caplog.set_level("INFO", "lm")
    progress.phase("reading the rows")
    progress.work(1, 0, 2, "training", 3)
    clock.seconds = SECONDS_OF_SILENCE - 0.1
    progress.piece(0)
    assert [record.getMessage() for record in caplog.records] == ["[   0.0 s] reading the rows"]
    clock.seconds = SECONDS_OF_SILENCE
    progress.piece(1)
    assert caplog.records[-1].getMessage() == "[  10.0 s] round 1 of 2: training, 2 of 3 clients, about 20 s left"
    assert len(caplog.records) == 2


@pytest.mark.parametrize("seconds, text", [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations_are_as_a_person_reads_them(seconds, text):
    assert duration(seconds) == text


def test_a_terminal_shows_one_line_and_stdout_has_results_alone(tmp_path):
    toy_table(tmp_path / "data", 30, 12)
    flags = (f"--data rte --model {tiny_once(tmp_path, 'bert')} --data_dir {tmp_path / 'data'} --max_length 32 "
             f"--precision fp32 --fp32_products torch --n_iterations 2 --run_dir {tmp_path / 'run'}")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen([sys.executable, "main_lm.py", *flags.split()], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=theirs, env={**os.environ, "HF_HUB_OFFLINE": "1"}) as run:
        os.close(theirs)
        screen = ""
        while part := read(ours):
            screen += part
        stdout = run.stdout.read().decode()
    assert run.returncode == 0, screen
    assert [*dict.fromkeys(line.split()[0] for line in stdout.splitlines())] == [
        "round=0", "round=1", "round=2", "summary"]
    for text in ("0 s reading the rows: rte, bert, noniid", "starting Ray", "round 1 of 2: training", "clients",
                 "rows/s", "accuracy 0."):
        assert text in screen, screen
    # What is at work is overwritten in place: at the end only the notes are there, each a line of its own.
    left = [visible(line) for line in screen.split("\n")]
    assert left[-1] == ""
    assert [line.split(":")[0] for line in left[1:-1]] == ["overlap", "noniid", "round 0", "round 1", "round 2"], left


def visible(line: str) -> str:
    """Return what a terminal shows of a line in which the cursor went back to the beginning now and then."""
    shown = ""
    for text in line.split("\r"):
        shown = text + shown[len(text):]
    return shown.rstrip()


def read(terminal: int) -> str:
    """Return what a terminal shows next; "" when its program has ended."""
    try:
        return os.read(terminal, 1 << 16).decode()
    except OSError:
        return ""

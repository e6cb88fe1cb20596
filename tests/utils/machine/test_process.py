"""How programs begin and end: with streams that are closed or lose their reader, and by signals."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.processes import outcome_of

PROGRAMS = ("main_lm.py --help", "merge.py --help", "report.py --help", "sweeps/run.py --help",
            "sweeps/run.py sweeps/mini.toml --dry_run", "preprocess/rte.py --help")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a script of bash in the project's folder."""
    return outcome_of(["bash", "-c", script], {"PYTHON": sys.executable, **environment})


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_whose_streams_are_closed_or_unread_end_well_and_say_nothing(program):
    streams = ("| true; exit ${PIPESTATUS[0]}", ">&-", "2>&- <&-", "> /dev/null 2>&1 <&-")
    for streams_as in streams:
        done = shell(f"$PYTHON {program} {streams_as}")
        assert (done.returncode, done.stderr) == (0, ""), streams_as


WRITER = """
import os, subprocess, sys
from utils.console import NOTES, notes_to_stderr
from utils.machine.process import begin, leave
begin("farewell")
notes_to_stderr()
file = open(sys.argv[1], "w")
for k in range(9):
    print("result", chr(233), k, flush=True)
    os.write(1, b"of a library" + bytes([10]))
NOTES.info("note")
subprocess.run(["sh", "-c", "echo of a child >&2"])
file.write(f"{file.fileno()}")
file.close()
leave(7)
"""


@pytest.mark.parametrize("streams, notes", [
    ("| true; exit ${PIPESTATUS[0]}", ["farewell", "note", "of a child"]), (">&-", ["note", "of a child"]),
    ("2>&1 | true; exit ${PIPESTATUS[0]}", []), ("0>&- 1>&- 2>&-", []), ("> /dev/null", ["note", "of a child"])])
def test_what_is_said_where_no_process_reads_goes_nowhere_and_into_no_file(tmp_path, streams, notes):
    done = shell(f"$PYTHON -c '{WRITER}' {tmp_path / 'file'} {streams}", PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 7 and done.stderr.splitlines() == notes and done.stdout == ""
    assert int((tmp_path / "file").read_text()) > 2


def test_what_an_encoding_lacks_is_escaped(tmp_path):
    done = shell(f"$PYTHON -c '{WRITER}' {tmp_path / 'file'}", PYTHONIOENCODING="ascii:strict")
    assert done.stdout.splitlines()[:2] == [r"result \xe9 0", "of a library"]


def test_a_full_disk_is_no_reader_that_has_gone(tmp_path):
    done = shell(f"$PYTHON -c '{WRITER}' {tmp_path / 'file'} > /dev/full")
    assert "No space left on device: 'stdout'" in done.stderr and "farewell" not in done.stderr


IGNORED = """
import signal
from utils.machine.process import begin
begin()
ignored = [signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
"""
SLEEPER = IGNORED + """
try:
    print(ignored, flush=True)
    signal.pause()
except KeyboardInterrupt:
    signal.raise_signal({again})
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_are_what_ctrl_c_is(number):
    """Once: a terminal's end sends two signals, and what ends the program must not be broken off."""
    code = SLEEPER.replace("{again}", str(int(number)))
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[False, False, False]\n"
        process.send_signal(number)
        assert process.stdout.read() == "interrupted\n"


def test_what_is_ignored_stays_so():
    done = shell("trap '' INT TERM HUP; $PYTHON -c \"$CODE\"", CODE=f"{IGNORED}print(ignored)")
    assert done.stdout == "[True, True, True]\n"

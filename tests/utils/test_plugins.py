"""Plug-ins of one's own: found by name, their flags like all others, and broken ones named where they are chosen."""

import json
import subprocess
import sys

import pytest

from tests.conftest import copied_tree
from tests.processes import outcome_of

PULL = """
from dataclasses import dataclass

from strategies import Strategy
from utils.flags import POSITIVE, flag


class Pull(Strategy):
    \"\"\"w ← hold·before + (1 − hold)·mean,
    for all of w.

    Not in the help.
    \"\"\"

    @dataclass(frozen=True)
    class Flags:
        hold: float = flag(0.25, "part of the old model that stays", valid=POSITIVE)
        twice: bool = flag(False, "make two steps")
        kind: str = flag("near", "which mean", choices=("near", "far"), may_change=True)
"""
OWN = "from strategies import Strategy\nfrom dataclasses import dataclass\nfrom utils.flags import flag\n"
ONE = "from strategies import Strategy\n\nclass A(Strategy):\n"
FLAGS = OWN + "class One(Strategy):\n    @dataclass(frozen=True)\n    class Flags:\n        "
BROKEN = {  # file → (its text, what the message says behind the file's name)
    "half": ("import os\nclass Half(", " line 2: SyntaxError: '(' was never closed; mend it, or give another"),
    "lost": ("import os\n\nfrom strategies import Nothing\n", " line 3: ImportError: cannot import name 'Nothing'"),
    "late": ("import os\ndef f():\n    return 1 / 0\nf()\n", " line 3: ZeroDivisionError: division by zero"),
    "none": (OWN, ": must define one subclass of strategies.Strategy, and defines none"),
    "two": (OWN + "class B(Strategy):\n    pass\nclass A(B):\n    pass\n", ": must define one subclass of "
            "strategies.Strategy, and defines A and B"),
    "plain": (FLAGS + "hold: float = 1.0\n", ": flag hold: must be declared by utils.flags.flag, with a help text"),
    "odd": (FLAGS + "hold: list = flag((), 'm')\n", ": flag hold: must be of type bool, int, float or str"),
    "other": (FLAGS + "hold: float = flag('a', 'm')\n", ": flag hold: its default must be of type float"),
    "mute": (FLAGS + "hold: float = flag(0.5, '')\n", ": flag hold: must be declared by utils.flags.flag, with a help"),
    "range": (FLAGS + "hold: float = flag(0.5, 'm', valid=(0, 1))\n", ": flag hold: valid must be (a function of the "),
    "out": (FLAGS + "hold: float = flag(-1.0, 'm', valid=(lambda v: v > 0, 'above 0'))\n",
            ": flag hold: its default must be above 0"),
    "spelling": (ONE + "    stream = False\n", " line 3: TypeError: A.stream: a Strategy has nothing of this name; "
                 "one of its own begins with _"),
    "signature": (ONE + "    def step(self, window, before, mean, kept):\n        pass\n",
                  " line 3: TypeError: A.step: must take (self, round, window, before, mean, kept)"),
    "merges": (ONE + "    def merge(self, round, window, before, clients, seen, kept):\n        return before\n",
               " line 3: TypeError: A: with streams = True, merge and look are never called; set it to False"),
    "steps": (ONE + "    streams = False\n    def step(self, round, window, before, mean, kept):\n        pass\n",
              " line 3: TypeError: A: with streams = False, step is never called, and merge must be there"),
    "looks": (ONE + "    streams, looks = False, 1\n"
              "    def merge(self, round, window, before, clients, seen, kept):\n        return before\n",
              " line 3: TypeError: A: looks = 1 and a hook look go together"),
    "on": (FLAGS + "hold: bool = flag(True, 'm')\n", ": flag hold: a switch must be False at first"),
    "taken": (FLAGS + "lr: float = flag(0.5, 'm')\n", ": flag lr: every run has one of this name; give it another"),
    "spelt": (FLAGS + "m: float = flag(0.5, 'm', also=('n_cpus',))\n", ": flag n_cpus: every run has one of this name"),
    "again": (FLAGS + "m: float = flag(0.5, 'm', also=('m',))\n", ": flag m: it has one of this name; give it another"),
    "soft": (FLAGS.replace("(frozen=True)", "") + "hold: float = flag(0.5, 'm')\n", ": its class Flags must be a "
             "dataclass(frozen=True)"),
    "bare": (FLAGS.replace("    @dataclass(frozen=True)\n", "").replace("class Flags:", "class Flags(Strategy.Flags):")
             + "hold: float = flag(0.5, 'm')\n", ": its class Flags must be a dataclass(frozen=True)"),
}
SHARED = """
from dataclasses import dataclass

from utils.flags import flag


@dataclass(frozen=True)
class Flags:
    hold: float = flag(1.0, "of the rows")
"""
RECORD = """
import sys
from pathlib import Path

from utils.command_line import parse_flags
from utils.record.run_folder import RunFolder
from utils.record.runlog import RunLog

config = parse_flags(sys.argv[1:], ["rte"])
print(RunFolder(config).path.name)
RunLog(Path("log"), config).write_config({})
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the project with plug-ins of its own, most of them broken; returns run(*words) in it."""
    folder = copied_tree(tmp_path_factory.mktemp("tree"))
    texts = {"pull": PULL, ".hidden": "", "a.b": "", **{name: text for name, (text, _) in BROKEN.items()}}
    for name, text in texts.items():
        (folder / "strategies" / f"{name}.py").write_text(text)
    (folder / "utils" / "data" / "partitioners" / "shared.py").write_text(SHARED)

    def run(*words: str) -> subprocess.CompletedProcess:
        return outcome_of([sys.executable, *words], cwd=folder)

    return folder, run


def test_help_lists_the_flags_of_each_plugin_and_names_the_broken_ones(tree):
    folder, run = tree
    done = run("main_lm.py", "--help")
    assert done.returncode == 0 and not done.stderr
    _, section = done.stdout.split("\n--strategy pull:\n")
    section, _ = section.split("\n\nmerging (--strategy):")  # the next group: it is the last of its own
    assert "".join(section.split()) == "".join("""
        w ← hold·before + (1 − hold)·mean, for all of w.

        --hold HOLD  part of the old model that stays (default: 0.25; a number above 0)
        --twice  make two steps
        --kind {near,far}  which mean (default: near)""".split())
    for name, (_, message) in BROKEN.items():
        assert f"\n--strategy {name}:\n  strategies/{name}.py{message}" in done.stdout
    assert "hidden" not in done.stdout and "a.b" not in done.stdout


def test_its_flags_are_checked_recorded_and_in_the_runs_name(tree):
    folder, run = tree
    done = run("main_lm.py", "--strategy", "pull", "--hold", "0")
    assert (done.returncode, done.stderr) == (2, "main_lm.py: --hold 0.0: must be a number above 0 (see --help)\n")
    done = run("main_lm.py", "--hold", "0.5")
    assert done.returncode == 2 and "--hold 0.5: is a flag of --strategy pull or --partitioner shared" in done.stderr
    done = run("-c", RECORD, "--data", "rte", "--strategy", "pull", "--hold", "0.5", "--twice", "--kind", "far")
    assert done.stdout.startswith("rte-minilm-noniid-pull0.5-twice-kindfar-seed0-"), done.stderr
    flags = json.loads((folder / "log" / "config.json").read_text())["flags"]
    assert (flags["strategy"], flags["hold"], flags["twice"], flags["kind"]) == ("pull", 0.5, True, "far")
    assert run("-c", RECORD, "--strategy", "pull", "--data", "rte").stdout.startswith("rte-minilm-noniid-pull-seed0-")
    assert run("-c", RECORD, "--partitioner", "shared", "--data", "rte").stdout.startswith("rte-minilm-shared1-seed0-")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_matters_where_it_is_chosen_and_is_one_line(tree, name):
    _, run = tree
    done = run("main_lm.py", "--strategy", name)
    assert done.returncode == 2 and not done.stdout and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"main_lm.py: strategies/{name}.py{BROKEN[name][1]}")


def test_two_plugins_with_one_flag_are_not_chosen_together(tree):
    _, run = tree
    done = run("main_lm.py", "--strategy", "pull", "--partitioner", "shared")
    assert done.returncode == 2 and done.stderr == (
        "main_lm.py: utils/data/partitioners/shared.py: flag hold: --strategy pull has one of this name; give it "
        "another (see --help)\n")


def test_a_broken_tracker_ends_the_run_before_it_begins(tree):
    folder, run = tree
    (folder / "utils" / "record" / "trackers" / "json.py").write_text("import nothing_at_all\n")  # named as a package
    done = run("main_lm.py", "--track", "json")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "utils/record/trackers/json.py line 1: ModuleNotFoundError: No module named 'nothing_at_all'" in done.stderr

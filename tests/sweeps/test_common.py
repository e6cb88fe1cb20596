"""The batch scripts: the runs that each asks for, and what sweeps/common.sh does with a study."""

import json
import subprocess

import pytest

from tests.processes import outcome_of
from tests.reports.toy_records import write_run


def bash(script: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a script in the project's folder."""
    return outcome_of(["bash", "-c", script], environment)


def test_a_run_that_is_finished_is_skipped_and_one_of_other_flags_is_not_passed_off_as_it(tmp_path):
    folder = write_run(tmp_path / "i1", "iid", 0, (0.9, 0.7), data="sentiment", model="minilm", lr=1.0, epoch=1,
                       max_length=128, n_iterations=5, facts={"versions": {"torch": "0"}})
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "rounds": 5}))
    script = f". sweeps/common.sh; OUT={tmp_path}; echo '[methods.i1]' | study --lr %s > /dev/null; echo went on"
    same, other = bash(script % 1), bash(script % 2)
    assert (same.returncode, same.stdout) == (0, "went on\n"), same.stderr
    assert other.returncode == 2 and not other.stdout and "was made with --lr 1.0, not 2.0" in other.stderr


@pytest.mark.parametrize("script, environment, n_runs, words", [
    ("demo.sh", {}, 5, "--n_iterations 4 --lang_mix 0.0 --frac_fit 0.5 --skip_evalnum 2"),
    ("offline.sh cola", {"SEEDS": "3 5", "PART": "3"}, 16, "--n_iterations 9 --seed 5 --lang_mix 0.0 --skip_evalnum 3 "
                                                           "--frac_fit 0.3333"),
    ("published.sh", {"N_GPUS": "0", "T5": "some/folder"}, 15, "--n_gpus 0 --seed 5 --data mnli --model some/folder"),
])
def test_a_script_asks_for_its_runs(script, environment, n_runs, words, tmp_path):
    done = bash(f"sweeps/{script} --test 50 --dry_run", OUT=str(tmp_path), **environment)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(set(lines)) == n_runs, done.stderr
    assert all("--test 50" in line and str(tmp_path) in line for line in lines)
    assert sum(words in line for line in lines) == 1

"""What the batch scripts share, sweeps/common.sh."""

import json
import subprocess

from tests.conftest import ROOT
from tests.reports.toy_records import write_run


def test_a_run_that_is_finished_is_skipped_and_one_of_other_flags_is_not_passed_off_as_it(tmp_path):
    folder = write_run(tmp_path / "i1", "iid", 1, (0.9, 0.7))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "versions": {"torch": "0"},
                                                    "flags": {"data": "sentiment", "lr": 1.0, "seed": 0}}))
    (folder / "summary.json").write_text(json.dumps({
        **json.loads((folder / "summary.json").read_text()), "rounds": 5}))
    script = f". sweeps/common.sh; OUT={tmp_path}; run i1 --lr %s > /dev/null; echo went on"
    same, other = (subprocess.run(["bash", "-c", script % lr], cwd=ROOT, capture_output=True, text=True)
                   for lr in ("1", "2"))
    assert (same.returncode, same.stdout) == (0, "went on\n"), same.stderr
    assert other.returncode == 2 and not other.stdout and "was made with --lr 1.0, not 2.0" in other.stderr

"""The table of tuned values: what was tried, what was taken, and what the choosing cost."""

import pytest

from tests.processes import run_script
from tests.reports.toy_records import add_set, write_run


@pytest.fixture
def log(tmp_path):
    for lr, held_out, seeds in ((1e-5, 0.7, (1,)), (1e-4, 0.8, (1, 2)), (1e-3, 0.6, (1,))):
        for seed in seeds:
            add_set(write_run(tmp_path / f"i{lr}-{seed}", "iid", seed, (0.9, 0.9), lr=lr, val_ratio=0.1), "val",
                    {"a": held_out})
    add_set(write_run(tmp_path / "c", "centralized", 1, (0.5, 0.5), centralized=True, val_ratio=0.1), "val", {"a": 0.5})
    return tmp_path


def test_the_report_shows_the_values_the_choice_and_its_cost(log, tmp_path):
    done = run_script("report.py", log, "--tuned", "lr", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("Tuned: toy, m")[1].split("Scores:")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    assert rows[0] == ["method", "lr", "tried (held-out accuracy)", "chosen over seeds", "further runs",
                       "further rows trained"]
    assert rows[2:] == [["centralized", "0.0001", "0.0001 (—)", "—", "0", "0"],
                        ["iid", "0.0001", "1e-05 (70.0); 0.0001 (80.0); 0.001 (60.0)", "1", "2", "48"]]
    assert "Not equally tuned" in table
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Tuned: toy, m" in page and page.count("<td>finished; another value was chosen</td>") == 2


def test_a_flag_that_is_none_is_one_line(log):
    done = run_script("report.py", log, "--tuned", "lrate")
    assert (done.returncode, done.stderr) == (2, "report.py: --tuned lrate: no such flag in these runs\n")

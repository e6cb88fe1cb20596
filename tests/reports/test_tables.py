"""What the tables say of the length of steps."""

import csv
import io
import json

import pytest

from reports.csv_lines import csv_text
from reports.gains import judge
from reports.records import read_records
from reports.scores import score_table
from reports.tables import latex
from tests.reports.toy_records import write_run


def with_steps(folder, *ratios):
    """Give the rounds of a run, from the last one back, these ratios."""
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    for place, ratio in enumerate(reversed(ratios), start=1):
        lines[-place] = json.dumps(json.loads(lines[-place]) | {"step": {"norm": 1.0, "ratio": ratio}})
    (folder / "rounds.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def compared(tmp_path):
    write_run(tmp_path / "old", "centralized", 1, (0.8, 0.6))
    for seed, ratios in ((1, (2.0, 3.0)), (2, (None, 2.9))):
        with_steps(write_run(tmp_path / f"ties{seed}", "noniid-ties", seed, (0.7, 0.6), strategy="ties"), *ratios)
    with_steps(write_run(tmp_path / "mean", "noniid", 1, (0.7, 0.6)), 1.0, 1.0)
    return read_records([tmp_path]).comparisons


def test_steps_of_other_lengths_than_the_mean_s_have_a_column(compared):
    """Of two runs of 2.5 and 2.9; a mean that did not move has no ratio, and a record of before none at all."""
    table = score_table(judge(compared[0]))
    assert table.rows[0] == ["method", "seeds", "rows trained", "step", "accuracy", "a", "b"]
    assert {row[0]: row[3] for row in table.rows[1:]} == {
        "centralized": "—", "noniid": "1 ×", "noniid-ties": "2.7 ×", "majority class": ""}
    assert "step: how far a round moves the model" in table.notes[0]
    assert r"2.7 $\times$" in latex(table)
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_text(map(judge, compared))))}
    assert {name: row["step_ratio"] for name, row in rows.items()} == {
        "centralized": "", "noniid": "1.0", "noniid-ties": "2.7"}


def test_means_alone_have_none(compared):
    del compared[0].methods["noniid-ties"]
    table = score_table(judge(compared[0]))
    assert "step" not in table.rows[0] and not table.notes

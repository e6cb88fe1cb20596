"""Gains in and out of domain, side by side, in the report, the page, its figure and the CSV."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from reports.contents import contents
from reports.figures import draw_sets, sets_figure
from reports.records import read_records
from reports.sets_table import side_by_side
from reports.style import drawing
from tests.processes import run_script
from tests.reports.toy_records import add_set, write_run

#: the gain of `iid`, and whether it is decided, on each set
GAINS = {"test": (0.1, "ahead"), "val": (0.3, "ahead"), "hans": (-0.2, "behind"), "unseen": (0.0, "tie")}


@pytest.fixture
def log(tmp_path):
    for seed in (1, 2):
        for method in ("centralized", "iid"):
            scores = {name: 0.5 + seed / 50 + (method == "iid") * gain for name, (gain, _) in GAINS.items()}
            run = write_run(tmp_path / "log" / f"{method}{seed}", method, seed, (scores["test"], scores["test"]))
            for name in ("val", "hans", "unseen"):
                add_set(run, name, {"only": scores[name]})
    return tmp_path / "log"


def test_the_table_has_the_test_rows_and_each_further_set_but_the_held_out(log):
    [sets] = contents(read_records([log])).judged
    assert [judged.compared.evaluated for judged in side_by_side(sets)] == ["test", "hans", "unseen"]
    table = next(table for table in contents(read_records([log])).tables() if table.caption.startswith("In and out"))
    assert table.rows == [["method", "over", "test", "hans", "unseen"],
                          ["iid", "centralized", "+10.0 [+10.0, +10.0] (ahead)", "−20.0 [−20.0, −20.0] (behind)",
                           "+0.0 [+0.0, +0.0] (tie)"]]
    assert table.notes[0].startswith("In domain: test; out of domain: hans, unseen. Each verdict ")
    assert not side_by_side(sets[:2])  # held-out rows are no other domain


def test_the_record_says_which_sets_are_out_of_domain(log):
    for path in log.glob("*/config.json"):
        sets = {"test": True, "hans": False, "unseen": True}
        path.write_text(json.dumps(json.loads(path.read_text()) | {
            "sets": {name: {"out_of_domain": out} for name, out in sets.items()}}))
    [sets] = contents(read_records([log])).judged
    assert "In domain: hans; out of domain: test, unseen." in sets_figure(side_by_side(sets))[0]["sets"][1]


def test_the_figure_has_a_row_for_each_set(log):
    [sets] = contents(read_records([log])).judged
    with drawing():
        figure = draw_sets(side_by_side(sets), narrow=True)
    [axis] = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["test", "hans", "unseen"]
    assert np.allclose(axis.lines[0].get_xdata(), [10, -20, 0]) and [*sets_figure(side_by_side(sets))[0]] == ["sets"]


def test_the_figure_says_what_has_not_learnt_on_a_set(log):
    for seed in (1, 2):
        run = write_run(log / f"noniid{seed}", "noniid", seed, (0.6, 0.6))
        for name in ("val", "hans", "unseen"):
            add_set(run, name, {"only": 0.5}, 0.5 if name == "hans" else 0.1)
    sets = side_by_side(contents(read_records([log])).judged[0])
    with drawing():
        figure = draw_sets(sets, narrow=False)
    [text] = figure.axes[0].texts
    assert (text.get_text(), round(text.xy[1], 1)) == ("not learnt", 1.2)  # in the row of hans, below iid
    assert sets_figure(sets)[0]["sets"][1].endswith("better. Not learnt, so without a gain: noniid on hans.")
    hans = [replace(judged, gains={"noniid": judged.gains["noniid"]}) for judged in sets[1:2]]
    assert sets_figure(hans) == ({}, ["No figure of gains in and out of domain. Not learnt, so without a gain: noniid "
                                      "on hans."])


def test_page_and_csv_have_it(log, tmp_path):
    done = run_script("report.py", log, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "In and out of domain: toy, m" in done.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<td class="behind">−20.0 [−20.0, −20.0] (behind)</td>' in page
    assert (tmp_path / "out" / "figures" / "sets.png").exists()
    rows = [row for row in csv.DictReader((tmp_path / "out" / "report.csv").open())
            if row["method"] == "iid" and not row["domain"]]
    assert {row["set"]: row["verdict"] for row in rows} == {name: verdict for name, (_, verdict) in GAINS.items()}

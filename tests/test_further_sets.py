"""Evaluation sets beside the test rows, of any name and with domains of their own: each has its tables and curves."""

import csv
import json

import pytest

from reports.figures import read_curve
from reports.gain_tables import gain_table
from reports.gains import judge
from reports.records import read_records
from reports.scores import score_table
from tests.processes import run_script
from tests.reports.toy_records import add_set, write_study
from utils.errors import UserError

SCORES = {"c1": 0.33, "c2": 0.37, "i1": 0.43, "i2": 0.45, "i3": 0.41}
TITLE = "toy, m, evaluated on unseen_sources"


def domains_around(score):
    """Three domains that no test row has, and whose mean is `score`."""
    return {"law": score - 0.02, "news": score, "verse": score + 0.02}


@pytest.fixture
def runs(tmp_path):
    write_study(tmp_path / "log")
    for name, score in SCORES.items():
        add_set(tmp_path / "log" / name, "unseen_sources", domains_around(score), majority=0.234)
    return tmp_path / "log"


def test_each_output_has_a_sets_own_scores_and_gains(runs, tmp_path):
    done = run_script("report.py", runs, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    scores, gains = "35.0 ± 2.8", "+9.0 [−3.7, +21.7]"  # of 33 and 37; of 43 − 33 and 45 − 37, by t of 1 degree
    for text in (done.stdout, (tmp_path / "out" / "report.md").read_text()):
        rows = text.split(f"Scores: {TITLE}\n")[1].splitlines()
        assert all(domain in rows[1] for domain in ("law", "news", "verse"))
        assert scores in rows[3] and "43.0 ± 2.0" in rows[4] and "23.4" in rows[5]
        assert gains in text.split(f"Gains: {TITLE}\n")[1].splitlines()[3]
        assert text.startswith("Averaging is 5.0 ± 63.5 points ahead")  # the headline is that of the test rows
    page, tex = ((tmp_path / "out" / name).read_text() for name in ("report.html", "report.tex"))
    assert f"<h2>{TITLE}</h2>" in page and f"<td>{scores}</td>" in page and f"<td>{gains}</td>" in page
    tex = tex.split(TITLE.replace("_", r"\_"))
    assert len(tex) == 3 and r"35.0 $\pm$ 2.8" in tex[1] and r"+9.0 {[}$-$3.7, +21.7{]}" in tex[2]
    rows = list(csv.DictReader((tmp_path / "out" / "report.csv").open()))
    assert {row["domain"] for row in rows if row["comparison"] == "toy, m"} == {"", "a", "b"}
    found = {(row["method"], row["domain"]): row for row in rows if row["comparison"] == TITLE}
    assert len(found) == 2 * 4 and float(found["centralized", "verse"]["mean"]) == pytest.approx(0.37)
    assert float(found["iid", ""]["gain"]) == pytest.approx(0.09)
    drawn = {path.name for path in (tmp_path / "out" / "figures").glob("*unseen*")}
    assert drawn == {f"{what}-unseen_sources.{kind}" for what in ("gains", "curves") for kind in ("pdf", "png")}


def test_a_sets_curve_is_that_of_the_record_and_may_lack_a_majority_class(runs):
    for name in SCORES:
        add_set(runs / name, "third", {"only": 0.5})
    test, _, third = read_records([runs]).comparisons[0].on_each_set()
    assert read_curve(third, third.methods["iid"][0]) == {
        0: (0.0, {None: 0.25, "only": 0.25}), 2: (2.0, {None: 0.5, "only": 0.5})}
    assert [row[0] for row in score_table(judge(third)).rows] == ["method", "centralized", "iid"]
    assert [row[0] for row in score_table(judge(test)).rows] == ["method", "centralized", "iid", "majority class"]


def test_held_out_rows_that_differ_from_seed_to_seed_have_the_mean_majority(runs):
    for seed in (1, 2):
        add_set(runs / f"c{seed}", "held_out", {"a": 0.5}, majority=0.2 * seed)
    for seed in (1, 2, 3):
        add_set(runs / f"i{seed}", "held_out", {"a": 0.5}, majority=0.9)
    assert score_table(judge(read_records([runs]).comparisons[0].on_each_set()[2])).rows[-1][3:] == ["30.0", "30.0"]


def test_a_set_that_not_all_runs_have_or_of_other_rows_is_named_not_compared(runs):
    add_set(runs / "c1", "rare", {"only": 0.5})
    path = runs / "i2" / "summary.json"
    path.write_text(path.read_text().replace('"verse": {"rows": 10', '"verse": {"rows": 11'))
    [compared] = read_records([runs]).comparisons
    assert compared.on_each_set() == [compared]
    assert score_table(judge(compared)).notes == [
        "Not compared on unseen_sources: iid (seed 2) has other rows of it than centralized (seed 2).",
        "Not compared on rare: centralized (seed 2) and 3 more have no such set."]


#: what config.json says of an evaluation set: of an older run, of one of its day, of today's
OTHER_ROWS = {"a table": lambda k: {"ood": {"unseen_sources": {"fingerprint": f"table {k}"}}},
              "left out": lambda k: {"overlap": {"unseen_sources": {"dropped": k}}},
              "the rows": lambda k: {"sets": {"unseen_sources": {"rows_fingerprint": f"rows {k}"}}}}


@pytest.mark.parametrize("what", OTHER_ROWS)
def test_as_many_rows_may_be_others(runs, what):
    for overlaps, shown in ((("keep", "keep"), ""), (("drop_ood", "keep"), ": --overlap keep and drop_ood")):
        for fact_of in (lambda name: name[1:], lambda name: name):  # by seed, and of each run
            for name in SCORES:
                path = runs / name / "config.json"
                config = json.loads(path.read_text()) | OTHER_ROWS[what](fact_of(name))
                config["flags"]["overlap"] = overlaps[name[0] == "i"]
                path.write_text(json.dumps(config))
            compared = read_records([runs]).comparisons[0]
            assert len(compared.on_each_set()) == (2 if fact_of("c1") == fact_of("i1") else 1)
        assert score_table(judge(compared)).notes == [
            f"Not compared on unseen_sources: iid (seed 1) has other rows of it than centralized (seed 1){shown}."]


def test_test_rows_without_those_trained_on_are_compared_apart(runs):
    path = runs / "i2" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"overlap": {"test": {"dropped": 3}}}))
    assert [(compared.title, {*compared.methods}) for compared in read_records([runs]).comparisons] == [
        ("toy, m", {"centralized", "iid"}), ("toy, m, without 3 rows that are trained on", {"iid"})]


def test_a_set_may_have_other_rows_with_each_seed(runs):
    for name in ("c2", "i2"):
        path = runs / name / "summary.json"
        path.write_text(path.read_text().replace('"verse": {"rows": 10', '"verse": {"rows": 11'))
    (runs / "i3" / "summary.json").unlink()
    [compared] = read_records([runs]).comparisons
    assert [each.evaluated for each in compared.on_each_set()] == ["test", "unseen_sources"]


def test_older_records_have_held_out_rows_in_their_rounds_alone(tmp_path):
    write_study(tmp_path)
    before = read_records([tmp_path]).comparisons[0]
    for path in tmp_path.glob("*/rounds.jsonl"):
        path.write_text(path.read_text().replace('"test"', '"val": {}, "test"'))
    [compared] = read_records([tmp_path]).comparisons
    assert compared.on_each_set() == [compared]
    assert [score_table(judge(compared)), gain_table(judge(compared))] == [
        score_table(judge(before)), gain_table(judge(before))]


BREAKS = {  # file, what is done to its object or last line, what the message names
    "not in the summary": ("summary.json", lambda each: each.pop("unseen_sources"), "lacks 'unseen_sources'"),
    "a number": ("summary.json", lambda each: each.update(unseen_sources=1), "'unseen_sources' is '1'"),
    "text for a number": ("summary.json", lambda each: each["unseen_sources"]["domains"]["law"].update(accuracy="x"),
                          "unseen_sources: 'accuracy' is 'x'"),
    "another metric": ("summary.json", lambda each: each["unseen_sources"].pop("accuracy"),
                       "unseen_sources: lacks 'accuracy'"),
    "majority of others": ("summary.json", lambda each: each["majority_of"]["unseen_sources"]["domains"].pop("law"),
                           "unseen_sources: has other domains"),
    "majority is text": ("summary.json", lambda each: each.update(majority_of={"unseen_sources": "x"}),
                         "'unseen_sources' is 'x'"),
    "other domains": ("rounds.jsonl", lambda each: each["unseen_sources"]["domains"].pop("law"),
                      "line 3: unseen_sources: has other domains"),
    "NaN": ("rounds.jsonl", lambda each: each["unseen_sources"].update(accuracy=float("nan")),
            "line 3: unseen_sources: 'accuracy' is 'nan'"),
    "no names": ("config.json", lambda each: each.update(evaluation_sets=[]), "evaluation_sets must hold different"),
    "twice": ("config.json", lambda each: each.update(evaluation_sets=["test"] * 2), "evaluation_sets must hold diff"),
    "facts in a text": ("config.json", lambda each: each.update(sets={"test": "x"}), "'test' is 'x'"),
    "names in a text": ("config.json", lambda each: each.update(evaluation_sets="test"), "'evaluation_sets' is 'test'"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_further_set_is_named(runs, name):
    file, damage, message = BREAKS[name]
    path = runs / "i1" / file
    *before, last = path.read_text().splitlines()
    record = json.loads(last)
    damage(record)
    path.write_text("".join(line + "\n" for line in (*before, json.dumps(record))))
    with pytest.raises(UserError, match=rf"i1/{file}:? {message}"):
        read_records([runs])

"""Gains of runs that keep their answers: intervals over seeds and rows, what has learnt, and what is malformed."""

import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from reports.csv_lines import csv_text
from reports.drawn_scores import drawn_scores
from reports.figures import draw_gains, score_figures
from reports.gain_tables import gain_table
from reports.gains import judge
from reports.records import read_records
from reports.scores import score_table
from reports.sentences import gain_sentence
from reports.style import drawing
from tests.reports.toy_answers import add_answers
from tests.reports.toy_records import add_set, write_run
from utils.errors import UserError

SIZES = {"a": 300, "b": 150}
RIGHT = {"centralized": 0.8, "iid": 0.86}  # how often a method is right


def answered(random, labels, right):
    """Answers to the labels of each domain that are right with this probability."""
    return {name: (mine, np.where(random.random(len(mine)) < right, mine, 1 - mine)) for name, mine in labels.items()}


@pytest.fixture
def log(tmp_path):
    random = np.random.default_rng(0)
    labels = {name: (random.random(rows) < 0.6).astype(int) for name, rows in SIZES.items()}
    for seed in (1, 2, 3):
        for method, right in RIGHT.items():
            add_answers(write_run(tmp_path / f"{method}{seed}", method, seed, (0, 0)), answered(random, labels, right))
        always = {name: (mine, np.ones_like(mine)) for name, mine in labels.items()}
        for method in ("noniid", "noniid-ties"):
            add_answers(write_run(tmp_path / f"{method}{seed}", method, seed, (0, 0)), always)
    return tmp_path


def only(log):
    [compared] = read_records([log]).comparisons
    return compared


def right_of(run):
    """1 for each right answer of a run, 0 for others, by domain."""
    table = pq.read_table(run.folder / "predictions.parquet")
    domain, right = np.array(table["domain"]), np.array(table["label"]) == np.array(table["prediction"])
    return [right[domain == name].astype(float) for name in SIZES]


def test_the_rows_part_is_that_of_the_formula_for_means(log):
    """The variance of a stratified mean of differences (Cochran 1977, 5.3), which accuracy's draws have."""
    compared = only(log)
    found = judge(compared).gains["iid"][None]
    differences = [[ours - theirs for ours, theirs in zip(right_of(run), right_of(other))]
                   for run, other in zip(compared.methods["iid"], compared.methods["centralized"])]

    def variance(domains):
        return sum(np.var(each, ddof=1) / len(each) for each in domains) / len(domains) ** 2

    of_mean = variance([np.mean(each, axis=0) for each in zip(*differences)])
    gains = [np.mean([each.mean() for each in domains]) for domains in differences]
    both = (np.mean([variance(domains) for domains in differences]) - of_mean) / 2
    assert found.differences == pytest.approx(gains) and found.both.by_seeds == pytest.approx(np.var(gains, ddof=1) / 3)
    assert (found.both.by_rows, found.both.both) == pytest.approx((of_mean, both), rel=0.1)
    assert found.alone.by_rows == 0 and found.interval is found.both


def test_a_gain_has_both_intervals_and_the_pooled_metric(log):
    judged = judge(only(log))
    header, iid, *others = gain_table(judged).rows
    assert header == ["method", "pairs", "gain over centralized", "seeds alone", "p", "verdict", "pooled", "a", "b"]
    found, pooled = judged.gains["iid"][None], judged.pooled["iid"]
    assert iid[2].startswith(f"+{100 * found.mean:.1f} [") and iid[3].startswith("[") and iid[3] not in iid[2]
    assert iid[6].startswith(f"+{100 * pooled.mean:.1f} [") and iid[6] != iid[2]
    assert pooled.mean == pytest.approx(np.mean([
        np.concatenate(right_of(run)).mean() - np.concatenate(right_of(other)).mean()
        for run, other in zip(*(judged.compared.methods[name] for name in ("iid", "centralized")))]))
    scores = score_table(judged)
    assert scores.rows[0][3:5] == ["accuracy", "pooled"] and scores.notes[-1].startswith("pooled: the metric over all")
    assert scores.rows[-1][0] == "majority class" and len(scores.rows[-1]) == len(scores.rows[0])
    row = next(row for row in csv.DictReader(io.StringIO(csv_text([judged]))) if row["method"] == "iid")
    assert float(row["gain_low"]) == pytest.approx(found.both.low)
    assert float(row["seeds_alone_high"]) == pytest.approx(found.alone.high)
    assert float(row["pooled_gain"]) == pytest.approx(pooled.mean) and row["learnt"] == "yes"


def test_what_says_the_commonest_label_has_not_learnt_and_gives_no_gain(log):
    judged = judge(only(log))
    assert judged.learnt == {"centralized": True, "iid": True, "noniid": False, "noniid-ties": False}
    rows = {row[0]: row for row in gain_table(judged).rows}
    assert rows["noniid"][2:] == ["—", "—", "—", "not learnt", "—", "—", "—"]
    assert [row[0] for row in score_table(judged).rows if "not learnt" in row[3]] == ["noniid", "noniid-ties"]
    assert gain_sentence(judged, "noniid").startswith("Averaging is not shown to have learnt on toy, m (noniid): the")
    lines = [row for row in csv.DictReader(io.StringIO(csv_text([judged]))) if row["method"] == "noniid"]
    assert {(row["gain"], row["verdict"], row["learnt"]) for row in lines} == {("", "not learnt", "no")}
    with drawing():
        figure = draw_gains(judged, narrow=False)
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == ["iid"]
    assert "Not learnt, so without a gain: noniid, noniid-ties." in score_figures(judged)["gains"][1]


def test_two_that_have_not_learnt_are_no_tie(log):
    judged = judge(only(log), "noniid-ties")
    assert judged.gains["noniid"][None].verdict == "not learnt"
    assert "Not learnt: noniid-ties; a gain over such a baseline says no more" in gain_table(judged).notes[0]


def test_one_seed_has_an_interval_by_rows_and_no_verdict(log):
    compared = only(log)
    for runs in compared.methods.values():
        del runs[1:]
    judged = judge(compared)
    found = judged.gains["iid"][None]
    assert found.half_width > 0 and found.p is None and found.verdict == "one seed: rows alone"
    assert gain_sentence(judged, "iid").endswith(
        f"with one seed: ± {100 * found.half_width:.1f} by the choice of test rows alone")


def test_a_run_without_answers_is_named_and_the_rows_part_is_by_the_other_pairs(log):
    whole = judge(only(log)).gains["iid"][None].both
    (log / "iid2" / "predictions.parquet").unlink()
    judged = judge(only(log))
    found = judged.gains["iid"][None].both
    assert (found.mean, found.by_seeds, found.seeds) == pytest.approx((whole.mean, whole.by_seeds, 3))
    assert found.by_rows == pytest.approx(whole.by_rows, rel=0.2) and judged.learnt["iid"]
    assert gain_table(judged).notes[-1].startswith("Without predictions.parquet: iid, seed 2. What the choice of")
    for seed in (1, 3):
        (log / f"iid{seed}" / "predictions.parquet").unlink()
    judged = judge(only(log))
    assert judged.gains["iid"][None].both is None and judged.gains["iid"][None].alone is not None
    assert "seeds alone" not in gain_table(judged).rows[0]


def test_a_further_set_has_its_own_answers(log):
    random = np.random.default_rng(1)
    for folder in log.iterdir():
        add_set(folder, "foreign", {"law": 0.5})
        add_answers(folder, answered(random, {"law": np.arange(80) % 2}, 0.9), "foreign")
    foreign = only(log).on_each_set()[1]
    assert judge(foreign).gains["noniid"][None].both.by_rows > 0 and judge(foreign).learnt["noniid"]
    assert not judge(foreign).pooled  # of one domain, whose metric it is


def test_answers_of_another_run_are_refused(log):
    summary = json.loads((log / "iid1" / "summary.json").read_text())
    summary["test"]["domains"]["a"]["accuracy"] += 0.1
    (log / "iid1" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="iid1/predictions.parquet: its rows of test give accuracy .* in a, where summ"):
        drawn_scores(only(log))

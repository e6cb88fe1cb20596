"""The strongest baseline of the same budget: chosen by held-out rows where all have them, else by test rows."""

import csv
import io
import json

import pytest

from reports.baselines import arm_of, averaging, baseline_of, is_baseline
from reports.csv_lines import csv_text
from reports.gain_tables import gain_table, overview_table
from reports.gains import judge
from reports.records import read_records
from reports.sentences import headline_sentence
from tests.reports.toy_records import add_set, write_run

#: (score on test rows, on held-out rows) of each method, with seeds 1 and 2 a point apart
SCORES = {"centralized": (0.70, 0.60), "centralized-linear": (0.72, 0.80), "centralized-client_swa": (0.76, 0.70),
          "iid": (0.75, 0.9), "iid-linear": (0.78, 0.8), "only0-noniid": (0.9, 0.9)}


def write(folder, method, seed, scores=None, held_out=True, rows=24):
    """A run of a method in SCORES."""
    test, val = scores or SCORES[method]
    run = write_run(folder / f"{method}-{seed}", method, seed, (test + seed / 100, test + seed / 100),
                    lr_schedule="linear" if "-linear" in method else "constant")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"rows_trained": rows}))
    return add_set(run, "val", {"a": val}) if held_out else run


@pytest.fixture
def log(tmp_path):
    for seed in (1, 2):
        for method in SCORES:
            write(tmp_path, method, seed, rows=8 if method.startswith("only") else 24)
    return tmp_path


def only(log):
    [compared] = read_records([log]).comparisons
    return compared


def test_what_is_a_baseline(log):
    assert averaging(only(log)) == ["iid", "iid-linear"]
    assert [*map(is_baseline, ("only12-iid", "centralized-large-head", "onlyme", "iid-centralized"))] == [
        True, True, False, False]


def test_the_strongest_is_chosen_by_held_out_rows(log):
    """By test rows it would be the average of weights; a client alone has another budget."""
    compared = only(log)
    found = baseline_of(compared, "iid")
    assert (found.name, found.by_held_out) == ("centralized-linear", True)
    assert found.scores == pytest.approx({"centralized": 0.6, "centralized-client_swa": 0.7, "centralized-linear": 0.8})
    header, iid, linear = gain_table(judge(compared)).rows
    assert header[2:7] == ["gain over centralized-linear", "p", "verdict", "over centralized",
                           "over centralized-client_swa"]
    assert [iid[0], iid[2], *iid[4:7]] == ["iid", "+3.0 [+3.0, +3.0]", "ahead", "+5.0 [+5.0, +5.0]",
                                           "−1.0 [−1.0, −1.0]"]
    notes = gain_table(judge(compared)).notes
    assert notes[0] == ("centralized-linear is the strongest baseline of its budget here, by their mean score on "
                        "held-out rows: centralized 60.0, centralized-client_swa 70.0, centralized-linear 80.0.")
    assert "no gain is over them: only0-noniid" in notes[1]
    line = next(line for line in csv.DictReader(io.StringIO(csv_text([judge(compared)]))) if line["method"] == "iid")
    assert line["baseline"] == "centralized-linear"


def test_without_held_out_rows_of_all_it_is_by_test_rows_and_said(log):
    write(log, "centralized-large", 1, (0.5, 0.5), held_out=False)
    compared = only(log)
    found = baseline_of(compared, "iid")
    assert (found.name, found.by_held_out) == ("centralized-client_swa", False)
    assert found.scores["centralized-client_swa"] == pytest.approx(0.77)  # over the one seed that all have
    assert "chosen by test rows" in headline_sentence([judge(compared)])
    assert "by test rows, as not all of their runs have held-out rows" in gain_table(judge(compared)).notes[0]


@pytest.mark.parametrize("lower, name", [("centralized", "centralized"), ("", "centralized-linear")])
def test_of_equal_baselines_the_lowest_loss_decides_and_the_published_one_comes_last(log, lower, name):
    for folder in log.glob("centralized-*"):
        summary = json.loads((folder / "summary.json").read_text())
        summary["val"] |= {"accuracy": 0.8, "loss": 0.3 if folder.name[:-2] == lower else 0.4}
        (folder / "summary.json").write_text(json.dumps(summary))
    found = baseline_of(only(log), "iid")
    assert (found.name, found.equals) == (name, ("centralized", "centralized-client_swa", "centralized-linear"))
    assert found.note.endswith(". Of equals (centralized, centralized-client_swa, centralized-linear) it is the one of "
                               "the lowest loss there, then the last named.")


def test_the_choice_is_by_the_test_rows_of_the_task_on_every_set(log):
    for folder in log.iterdir():
        add_set(folder, "foreign", {"law": 0.9 if folder.name.startswith("centralized-c") else 0.1})
    test, val, foreign = only(log).on_each_set()
    assert {baseline_of(each, "iid").name for each in (test, val, foreign)} == {"centralized-linear"}


def test_a_method_of_another_budget_has_the_baseline_of_its_own(log):
    for seed in (1, 2):
        write(log, "noniid-partial0.4", seed, (0.8, 0.8), rows=8)
    judged = judge(only(log))
    assert judged.baselines["noniid-partial0.4"].name == "only0-noniid"
    header, *rows = gain_table(judged).rows
    assert header[2:4] == ["over", "gain"]
    assert [row[2] for row in rows] == ["centralized-linear", "centralized-linear", "only0-noniid"]


def test_where_no_baseline_has_the_budget_the_verdict_says_so(log):
    for seed in (1, 2):
        write(log, "iid-partial0.5", seed, (0.8, 0.8), rows=12)
    judged = judge(only(log))
    assert judged.gains["iid-partial0.5"][None].verdict.startswith("other budget")
    lines = [line for line in csv.DictReader(io.StringIO(csv_text([judged]))) if line["method"] == "iid-partial0.5"]
    assert len(lines) == 3 and not any(line["p"] for line in lines)


def test_the_headline_has_the_same_schedule_on_both_sides(log):
    compared = only(log)
    assert arm_of(compared, "iid") == "iid-linear" and arm_of(compared, "iid", "centralized") == "iid"
    assert headline_sentence([judge(compared)]) == (
        "Averaging beats the strongest baseline (centralized-linear) by 6.0 ± 0.0 points on toy, m (iid-linear), "
        "2 seeds")


def test_baselines_alone_are_compared_with_the_strongest(log):
    compared = only(log)
    del compared.methods["iid"], compared.methods["iid-linear"]
    assert [row[0] for row in gain_table(judge(compared)).rows] == ["method", "centralized", "centralized-client_swa"]
    assert headline_sentence([judge(compared)]) == "No run of parameter averaging"


def test_the_overview_names_the_baselines_where_they_differ(log):
    for seed in (1, 2):
        write_run(log / f"c{seed}", "centralized", seed, (0.5, 0.5), model="other", val_ratio=0.1)
        write_run(log / f"i{seed}", "iid", seed, (0.6, 0.6), model="other", val_ratio=0.1)
    table = overview_table([judge(compared) for compared in read_records([log]).comparisons])
    assert table.caption.startswith("Gain over the strongest baseline")
    assert table.rows[1][1] == "+3.0 [+3.0, +3.0] over centralized-linear (ahead)"

"""What --diagnose measured, as the figure has it: means of what was recorded, where it was."""

import json

import pytest

from reports.diagnosis import diagnoses
from reports.records import read_records
from reports.style import drawing
from reports.training_figures import draw_diagnoses, training_figures
from tests.reports.toy_records import write_run
from utils.errors import UserError

THREE = {"norms": [1.0, 2.0, 3.0], "cosines": [[1.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.0]],
         "losses": [0.5, 0.6, 0.7], "mean_loss": 0.4, "jensen_gap": 0.2,
         "barriers": [{"clients": [0, 1], "value": 0.1}, {"clients": [0, 2], "value": 0.3}]}
ONE = {"norms": [2.0], "cosines": [[1.0]], "losses": [0.5], "mean_loss": 0.5, "jensen_gap": 0.0, "barriers": []}


def diagnosed(folder, *diagnoses):
    """Give the rounds of a run, from the last one back, these diagnoses."""
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    for place, found in enumerate(diagnoses, start=1):
        lines[-place] = json.dumps(json.loads(lines[-place]) | {"diagnosis": found})
    (folder / "rounds.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def log(tmp_path):
    diagnosed(write_run(tmp_path / "iid1", "iid", 1, (0.5,)), THREE, THREE | {"jensen_gap": None})
    diagnosed(write_run(tmp_path / "iid2", "iid", 2, (0.5,)), THREE | {"jensen_gap": 0.4})
    diagnosed(write_run(tmp_path / "c1", "centralized", 1, (0.5,)), ONE)
    return tmp_path


def test_a_round_s_values_are_the_means_of_what_is_recorded(log):
    [compared] = read_records([log]).comparisons
    rest = {"cosine": pytest.approx(0.3), "norm": 2.0, "barrier": pytest.approx(0.2)}
    assert diagnoses(compared.methods["iid"][0]) == {1: rest, 2: rest | {"jensen_gap": 0.2}}
    assert diagnoses(compared.methods["centralized"][0]) == {2: {"jensen_gap": 0.0, "norm": 2.0}}


def test_the_figure_shows_the_mean_over_seeds_and_no_more_than_there_is(log):
    [compared] = read_records([log]).comparisons
    assert "diagnosis" in training_figures(compared)[0]
    with drawing():
        figure = draw_diagnoses(compared, narrow=False)
    assert [axis.get_title() for axis in figure.axes] == ["Jensen gap", "mean cosine of updates",
                                                          "mean norm of updates", "mean barrier half-way"]
    central, averaged = figure.axes[0].lines
    assert [*central.get_xdata(), *central.get_ydata()] == [2, 0.0]
    assert [*averaged.get_xdata()] == [2] and averaged.get_ydata() == pytest.approx([0.3])
    [cosines] = figure.axes[1].lines  # one client has none
    assert [*cosines.get_xdata()] == [1, 2]
    del compared.methods["iid"]
    with drawing():
        assert len(draw_diagnoses(compared, narrow=True).axes) == 2


def test_runs_without_a_diagnosis_have_no_such_figure(tmp_path):
    write_run(tmp_path / "iid1", "iid", 1, (0.5,))
    assert "diagnosis" not in training_figures(read_records([tmp_path]).comparisons[0])[0]


@pytest.mark.parametrize("name, value, message", [
    ("norms", 3, "'norms' is '3'"), ("norms", ["x"], "norms: must be a list of numbers"),
    ("cosines", [1.0], "cosines: must be a list of numbers"), ("jensen_gap", "x", "jensen_gap: must be"),
    ("barriers", [0.1], "barriers must hold objects"), ("barriers", [{"value": "x"}], "barriers: must be a list of")])
def test_a_malformed_one_is_named(log, name, value, message):
    diagnosed(log / "iid1", THREE | {name: value})
    with pytest.raises(UserError, match=f"iid1/rounds.jsonl line 3: diagnosis: {message}"):
        read_records([log])

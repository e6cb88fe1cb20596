"""Seeds one by one until the headline is decided: when it is looked at, what is written down, and when it ends."""

import json

import pytest

from reports.contents import contents
from reports.records import read_records
from reports.rule import FILE, read_rule
from sweeps.study import read_study
from sweeps.until import check_until, further, look
from tests.reports.toy_records import write_run
from utils.errors import UserError

METHODS = "[methods.centralized]\ncentralized = true\n[methods.iid]\nlang_mix = 0.99\n"
STUDY = "[grid]\nseed = [1, 2, 3]\n" + METHODS


def study_with(tmp_path, gains, text=STUDY, **methods):
    """Return a study whose runs are finished: of each seed, IID averaging gains so many points on fine-tuning.

    `methods`: further ones, with their gains.
    """
    (tmp_path / "study.toml").write_text(text)
    for name, some in {"centralized": [0.0] * len(gains), "iid": gains, **methods}.items():
        for seed, gain in enumerate(some, start=1):
            write_run(tmp_path / "log" / f"{name}-seed{seed}", name, seed, (0.5 + gain / 100, 0.6 + gain / 100))
    return read_study(tmp_path / "study.toml", tmp_path / "log", [], ("sentiment",))


@pytest.mark.parametrize("gains, at_most, found", [
    ([5.0, 5.01, 4.99], 10, "decided"), ([-5.0, -5.01, -4.99], 10, "decided"), ([5.0, -4.0, 1.0], 3, "undecided"),
    ([5.0, 6.5, 4.0], 3, "decided"),
    ([5.0, 6.5, 4.0], 10, "undecided")])  # p 0.02: less than all looks have, not than the first
def test_a_gain_is_decided_by_the_part_of_the_chance_that_the_look_has(tmp_path, gains, at_most, found):
    study = study_with(tmp_path, gains)
    assert look(study, study.runs(), at_most) == found == look(study, study.runs(), at_most)
    assert json.loads((study.folder / FILE).read_text()) == {
        "at_most": at_most, "looks": [{"seeds": [1, 2, 3], "result": found}]}
    [[judged]] = contents(read_records([study.folder])).judged
    assert (judged.gains["iid"][None].verdict != "undecided") is (found == "decided")  # the report's is the rule's


def test_a_look_goes_by_the_verdict_of_the_whole_table(tmp_path):
    """p of iid is 0.02 by itself, and 0.04 or 0.06 after Holm's correction over two or three methods."""
    more = "[methods.noniid]\n[methods.partial]\nfrac_fit = 0.5\n"
    study = study_with(tmp_path, [5.0, 6.5, 4.0], STUDY + more, noniid=[5.0, -4.0, 1.0], partial=[1.0, -4.0, 5.0])
    runs = study.runs()
    assert look(study, runs, 3) == "undecided"
    (study.folder / FILE).unlink()
    assert look(study, [run for run in runs if run.cell != "partial"], 3) == "decided"


def test_what_the_report_will_not_compare_is_not_decided(tmp_path):
    study = study_with(tmp_path, [5.0, 5.01, 4.99])
    for run in study.runs()[::2]:
        summary = json.loads((run.folder / "summary.json").read_text())
        (run.folder / "summary.json").write_text(json.dumps(summary | {"rows_trained": 48}))
    assert look(study, study.runs(), 10) == "other budget"


def test_a_look_is_at_its_own_seeds_and_one_that_was_broken_off_is_made_again(tmp_path):
    """As when the same command goes on with a study that was cut off."""
    study = study_with(tmp_path, [5.0, -4.0, 1.0, 1.0])
    two = study.with_seeds([1, 2])
    assert look(two, two.runs(), 10) == "" and read_rule(study.folder) is None  # no look at all
    (study.folder / FILE).write_text('{"at_most": 10, "looks": [{"seeds": [1, 2, 3], "result": ""}]}')
    assert look(study, study.runs(), 10) == "undecided"
    four = study.with_seeds([1, 2, 3, 4])
    assert look(four, four.runs(), 10) == "undecided"
    assert [each.seeds for each in read_rule(study.folder).looks] == [(1, 2, 3), (1, 2, 3, 4)]


def test_seeds_go_on_from_the_largest_up_to_the_most(tmp_path):
    study = study_with(tmp_path, [])
    assert [more.seeds for more in further(study, 5)] == [[1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert not [*further(study, 3)]


@pytest.mark.parametrize("text, at_most, message", [
    (STUDY, 2, "--at_most 2: must be a number of seeds from 3"),
    (METHODS, 5, r"there are no seeds to go on from; give seed = \[1, 2, 3\] in \[grid\]"),
    ("[grid]\nseed = [1]\n[methods.iid]\n", 5, r"no baseline that a gain could be over; give baselines = "),
    ("baselines = ['centralized']\n[grid]\nseed = [1]\n", 5, "no method averages, so there is no gain to decide")])
def test_there_must_be_seeds_room_for_more_and_a_gain(tmp_path, text, at_most, message):
    study = study_with(tmp_path, [], text)
    with pytest.raises(UserError, match=message):
        check_until(study, study.runs(), at_most)


def test_what_was_fixed_before_the_first_look_stands(tmp_path):
    study = study_with(tmp_path, [5.0, -4.0, 1.0])
    check_until(study, study.runs(), 7)
    look(study, study.runs(), 7)
    check_until(study, study.runs(), 7)
    with pytest.raises(UserError, match=f"--at_most 10: .*{FILE} has 7, fixed before the first look; give that"):
        check_until(study, study.runs(), 10)
    with pytest.raises(UserError, match=f"grid.seed: the first look of .*{FILE} was at 1, 2, 3; give these"):
        check_until(study.with_seeds([1, 2, 4]), study.runs(), 7)

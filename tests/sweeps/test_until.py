"""Seeds one by one until the headline is decided: when it is looked at, by which runs, and when it ends."""

import pytest

from sweeps.study import read_study
from sweeps.until import check_until, further, is_decided
from tests.reports.toy_records import write_run
from utils.errors import UserError

STUDY = "[grid]\nseed = [1, 2, 3]\n[methods.centralized]\ncentralized = true\n[methods.iid]\nlang_mix = 0.99\n"


def study_with(tmp_path, gains, text=STUDY):
    """Return a study whose runs are finished: of each seed, IID averaging gains so many points on fine-tuning."""
    (tmp_path / "study.toml").write_text(text)
    for seed, gain in enumerate(gains, start=1):
        write_run(tmp_path / "log" / f"centralized-seed{seed}", "centralized", seed, (0.5, 0.6))
        write_run(tmp_path / "log" / f"iid-seed{seed}", "iid", seed, (0.5 + gain / 100, 0.6 + gain / 100))
    return read_study(tmp_path / "study.toml", tmp_path / "log", [], ("sentiment",))


@pytest.mark.parametrize("gains, at_most, decided", [
    ([5.0, 5.01, 4.99], 10, True), ([-5.0, -5.01, -4.99], 10, True), ([5.0, -4.0, 1.0], 3, False),
    ([5.0, 6.5, 4.0], 3, True), ([5.0, 6.5, 4.0], 10, False)])  # p 0.02: less than all looks have, not than the first
def test_a_gain_is_decided_by_the_part_of_the_chance_that_the_look_has(tmp_path, gains, at_most, decided):
    study = study_with(tmp_path, gains)
    assert is_decided(study, study.runs(), at_most) is decided


def test_records_of_seeds_that_are_not_asked_for_yet_do_not_count(tmp_path):
    """As when the same command goes on with a study that was cut off."""
    study = study_with(tmp_path, [5.0, -4.0, 1.0, 1.0])
    assert not is_decided(study, study.runs()[:2], 10)
    two = study.with_seeds([1, 2])
    assert not is_decided(two, two.runs(), 10)  # no look at all


def test_seeds_go_on_from_the_largest_up_to_the_most(tmp_path):
    study = study_with(tmp_path, [])
    assert [more.seeds for more in further(study, 5)] == [[1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert not [*further(study, 3)]
    assert not is_decided(study, study.runs(), 5)  # nothing has run


def test_there_must_be_seeds_and_room_for_more(tmp_path):
    with pytest.raises(UserError, match="--at_most 2: must be a number of seeds from 3"):
        check_until(study_with(tmp_path, []), 2)
    with pytest.raises(UserError, match="there are no seeds to go on from; give seed = .1, 2, 3. in"):
        check_until(study_with(tmp_path, [], "[methods.iid]\n"), 5)

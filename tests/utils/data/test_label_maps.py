"""Labels of one task as those of another: by what they mean."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from preprocess.common import load, task_names
from tests.conftest import SHIPPED
from utils.data.label_maps import MEANINGS, label_map

INFERENCE = {"mnli", "xnli", "snli", "anli", "rte", "wnli", "hans", "scitail"}
ASK_THE_SAME = (INFERENCE, {"qqp", "mrpc", "paws"}, {"sst2", "sentiment", "imdb", "yelp"}, {"stsb", "sick"})


def spec(name):
    return load(name).SPEC


@pytest.mark.parametrize("one, other", [*permutations(SHIPPED, 2)])
def test_tasks_that_ask_the_same_have_a_map_and_no_others(one, other):
    together = any({one, other} <= group for group in ASK_THE_SAME)
    assert (label_map(spec(one), spec(other)) is not None) == together


def test_what_is_said_of_a_task_fits_it():
    for name in MEANINGS.keys() & {*task_names()}:
        assert len(MEANINGS[name]) == len(spec(name).labels)
    assert {name for name in task_names() if spec(name).kind == "regression"} == {
        name for name in task_names() if spec(name).scale}


@pytest.mark.parametrize("one, other, expected, alike", [
    ("mnli", "xnli", [0, 1, 2], ()), ("rte", "wnli", [1, 0], ()), ("rte", "mnli", [0, 1, 1], ()),
    ("wnli", "mnli", [1, 0, 0], ()), ("mnli", "rte", [0, 1], (0, 1, 1)), ("mnli", "wnli", [1, 0], (0, 1, 1)),
    ("qqp", "mrpc", [0, 1], ()), ("sentiment", "sst2", [0, 1], ()), ("mnli", "mnli", [0, 1, 2], ())])
def test_each_label_counts_as_the_one_that_means_the_same(one, other, expected, alike):
    found = label_map(spec(one), spec(other))
    labels = found.of(np.arange(len(expected), dtype=np.float64))
    assert labels.tolist() == expected and labels.dtype == np.float64 and found.alike == alike


def test_scores_are_put_on_the_other_scale():
    from_one_to_five = replace(spec("stsb"), name="of_my_own", scale=(1, 5))
    found = label_map(spec("stsb"), from_one_to_five)
    assert found.of(np.array([1.0, 3.0, 5.0])).tolist() == [0.0, 2.5, 5.0]
    back = label_map(from_one_to_five, spec("stsb"))
    assert back.of(found.of(np.array([1.0, 3.4, 5.0]))) == pytest.approx([1.0, 3.4, 5.0])
    assert label_map(spec("stsb"), replace(spec("stsb"), name="of_no_scale", scale=())) is None


def test_a_task_of_ones_own_has_a_map_by_its_labels_names():
    own = replace(spec("sst2"), name="own", labels=("positive", "negative"))
    assert label_map(spec("sentiment"), own).labels == (1, 0)
    assert label_map(spec("sentiment"), replace(own, labels=("positive", "neutral"))) is None
    assert label_map(spec("sentiment"), replace(own, text=("a", "b"))) is None


def test_a_scale_is_the_ends_of_a_regression_alone():
    for wrong in ({"scale": (5, 0)}, {"scale": (1,)}, {"scale": (0, 5), "kind": "classification"}):
        with pytest.raises(ValueError, match="is not the lowest and the highest score of a regression"):
            replace(spec("stsb"), **wrong)

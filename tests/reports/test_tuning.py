"""The value of a flag that a method is reported with, chosen by held-out rows over the seeds that all values have."""

import json

import pytest

from reports.records import read_records
from reports.runs import read_run
from reports.tuned_table import tuned_table
from reports.tuning import choose, chosen_values
from tests.reports.toy_records import add_set, write_run
from utils.errors import UserError

#: of each method and rate, by seed, the scores on held-out and on test rows
TRIED = {("centralized", 1e-5): {1: (0.5, 0.9), 2: (0.6, 0.9)}, ("centralized", 1e-4): {1: (0.7, 0.4), 2: (0.6, 0.5)},
         ("iid", 1e-5): {1: (0.9, 0.6), 2: (0.8, 0.7), 3: (0.1, 0.8)}, ("iid", 1e-4): {1: (0.8, 0.9), 2: (0.8, 0.9)}}


@pytest.fixture
def log(tmp_path):
    for (method, lr), seeds in TRIED.items():
        for seed, (held_out, test) in seeds.items():
            folder = write_run(tmp_path / f"{method}{lr:g}-{seed}", method, seed, (test, test), lr=lr, val_ratio=0.1,
                               strategy="averaging", centralized=method == "centralized")
            add_set(folder, "val", {"a": held_out})
    return tmp_path


def test_the_choice_is_by_held_out_rows_over_the_seeds_that_all_values_have(log):
    """By test rows both methods would take the other rate, and with its third seed `iid` would, too."""
    choices = {choice.method: choice for choice in chosen_values(map(read_run, sorted(log.iterdir())), ["lr"])}
    assert {name: choice.value for name, choice in choices.items()} == {"centralized": (1e-4,), "iid": (1e-5,)}
    iid = choices["iid"]
    assert iid.seeds == (1, 2) and iid.score((1e-5,)) == pytest.approx(0.85) and iid.score((1e-4,)) == 0.8
    assert [run.seed for run in iid.runs] == [1, 2, 3]
    assert sum(run.rows_trained for run in iid.spent) == 2 * 24


def test_a_report_has_the_chosen_runs_alone(log):
    assert len(read_records([log]).comparisons) == 2  # each rate apart
    records = read_records([log], ["lr"])
    [compared] = records.comparisons
    assert {name: len(runs) for name, runs in compared.methods.items()} == {"centralized": 2, "iid": 3}
    assert compared.score(compared.methods["iid"][0]) == pytest.approx(0.6) and not compared.apart
    assert [choice.method for choice in compared.choices] == ["centralized", "iid"]


def test_a_flag_that_is_part_of_the_method_s_name_is_one_choice(tmp_path):
    for mu, held_out in ((0.01, 0.6), (0.5, 0.7)):
        name = f"iid-fedprox{'' if mu == 0.01 else mu}"
        add_set(write_run(tmp_path / name, name, 1, (0.5, 0.5), strategy="fedprox", mu=mu), "val", {"a": held_out})
    [compared] = read_records([tmp_path], ["mu"]).comparisons
    assert [*compared.methods] == ["iid-fedprox0.5"]


def test_of_equal_values_that_of_the_lowest_loss_is_taken(tmp_path):
    for lr, loss in ((0.1, 0.5), (0.2, 0.4), (0.3, 0.4)):
        folder = add_set(write_run(tmp_path / f"{lr}", "iid", 1, (0.5, 0.5), lr=lr), "val", {"a": 0.5})
        summary = json.loads((folder / "summary.json").read_text())
        summary["val"]["loss"] = loss
        (folder / "summary.json").write_text(json.dumps(summary))
    [choice] = chosen_values(map(read_run, sorted(tmp_path.iterdir())), ["lr"])
    assert (choice.value, choice.equals) == ((0.2,), ((0.1,), (0.2,), (0.3,)))
    [compared] = read_records([tmp_path], ["lr"]).comparisons
    assert tuned_table(compared).notes[1].endswith("then the order: iid 0.1 and 0.2 and 0.3.")


def test_of_equal_values_the_first_is_taken_and_one_value_needs_no_held_out_rows(log):
    equal = [read_run(log / f"{name}-1") for name in ("iid0.0001", "centralized0.0001")]
    assert choose(equal[:1], ["lr"]).value == (1e-4,) and choose(equal[:1], ["lr"]).score((1e-4,)) is None
    write_run(log / "alone", "noniid", 1, (0.5, 0.5), lr=0.3, val_ratio=0.1, lang_mix=0.5)
    [compared] = read_records([log], ["lr"]).comparisons
    assert len(compared.methods["noniid"]) == 1
    tie = [add_set(write_run(log / f"tie{lr}", "mix0.5", 1, (0.5, 0.5), lr=lr), "val", {"a": 0.5}) for lr in (0.2, 0.1)]
    assert choose([read_run(folder) for folder in tie], ["lr"]).value == (0.1,)


def test_what_cannot_be_chosen_is_named(log):
    write_run(log / "none", "iid", 4, (0.5, 0.5), lr=1e-3, val_ratio=0.1)
    with pytest.raises(UserError, match="none: has no held-out rows to choose --lr by; give its runs --val_ratio"):
        read_records([log], ["lr"])
    add_set(log / "none", "val", {"a": 0.5})
    with pytest.raises(UserError, match="the values of --lr tried for iid have no seed that all of them have"):
        read_records([log], ["lr"])
    for name, message in (("rate", "--tuned rate: no such flag in these runs"),
                          ("seed", "--tuned seed: must be a flag of training"), ("test", "--tuned test: must be")):
        with pytest.raises(UserError, match=message):
            read_records([log], [name])

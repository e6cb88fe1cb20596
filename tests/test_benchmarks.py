"""The benchmarks run, made small: a made-up task and a tiny model, as real processes."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.common import Outcome
from benchmarks.end_to_end import Result, task_figures
from benchmarks.federated_tax import check_same_steps
from benchmarks.rows import export_shards, open_rows, toy_flags
from tests.small_benchmarks import PROGRAMS
from utils.plugins import STRATEGIES

BESIDE = ("tests.small_benchmarks",)


@pytest.fixture(scope="module")
def run(beside):
    """Return finished(name) → (stdout, figures) of one of the small benchmarks."""
    out = beside(BESIDE).out

    def finished(name: str) -> tuple[str, list[dict]]:
        assert (out / f"{name}.json").exists(), (out / f"{name}.err").read_text()[-3000:]
        return (out / f"{name}.out").read_text(), json.loads((out / f"{name}.json").read_text())["figures"]

    return finished


def test_no_benchmark_fails(beside):
    done = beside(BESIDE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.stem for path in done.out.glob("*.json")} == {*PROGRAMS}


def test_end_to_end_compares_two_real_runs(run):
    stdout, figures = run("end_to_end")
    stock, ours, ratio, score = figures
    assert stock["value"] > 1 and ours["value"] > 1
    assert math.isclose(ratio["value"], stock["value"] / ours["value"])
    assert ratio["holds"] == (ratio["value"] >= 6)
    assert abs(score["value"]) <= 100
    assert all(f"| {figure['what']} |" in stdout for figure in figures)


def test_a_study_is_compared_with_stock_flowers_runs_and_with_its_floor(run):
    _, figures = run("study")
    iid, centralized, scaled, ours, ratio, products, start, over_floor = [figure["value"] for figure in figures]
    assert math.isclose(scaled, 4 * iid + 2 * centralized) and math.isclose(ratio, scaled / ours)
    assert math.isclose(over_floor, ours / (products + start)) and min(products, start, ours) > 0


def test_standard_fine_tuning_is_compared_with_the_trainer_on_the_same_rows(run):
    stdout, figures = run("trainer")
    for ours, theirs, less in (figures[:3], figures[3:]):
        assert -100 <= ours["value"] <= 100 and -100 <= theirs["value"] <= 100
        assert math.isclose(less["value"], ours["value"] - theirs["value"], abs_tol=1e-9)
        low, high = map(float, less["what"].rpartition("[")[2].rstrip("]").split(", "))
        assert less["holds"] == (low <= 0 <= high) and f"| {less['what']} |" in stdout
    assert [figure["what"].split(", ")[1].split()[0] for figure in figures[::3]] == ["accuracy", "matthews"]


def test_federated_tax_compares_the_same_steps(run):
    _, (ours, bare, ratio) = run("federated_tax")
    assert ours["value"] > 0 and bare["value"] > 0
    assert math.isclose(ratio["value"], ours["value"] / bare["value"])


def test_the_data_plane_gives_the_same_bits_by_reference_and_by_message(run):
    _, figures = run("data_plane")
    assert all(figure["value"] > 0 for figure in figures if figure["unit"])
    [differing] = [figure for figure in figures if "differ" in figure["what"]]
    assert differing["value"] == 0 and differing["holds"]


def test_start_up_states_where_its_seconds_go(run):
    _, (whole, *phases) = run("startup")
    phases_in_all = sum(phase["value"] for phase in phases)
    assert len(phases) >= 5 and 0.5 * whole["value"] < phases_in_all < 1.5 * whole["value"]


def test_many_clients_are_measured_and_drawn(run):
    _, figures = run("many_clients")
    assert [figure["unit"] for figure in figures] == ["ms", "MB"] and figures[1]["value"] > 0


def test_the_arithmetic_of_memory_is_what_a_driver_and_a_worker_take(run):
    _, figures = run("scale")
    ratios = {figure["what"]: figure for figure in figures if "the arithmetic over" in figure["what"]}
    assert len(ratios) == 2 and all(figure["holds"] for figure in ratios.values()), ratios


def test_adapters_alone_travel_and_the_rest_is_in_memory_once(run):
    _, figures = run("adapters")
    message, of_lora, checkpoint, of_lora_too, *memory, frozen, together = [figure["value"] for figure in figures]
    assert 0 < of_lora < 0.1 * message and of_lora <= of_lora_too < 0.1 * checkpoint and len(memory) == 4
    assert 0 < together <= 1.05 * frozen and math.isclose(frozen + of_lora, message, rel_tol=0.1)


def test_two_nodes_are_measured_beside_one(run):
    _, figures = run("two_nodes")
    assert len(figures) == 6
    for one, two, ratio in (figures[:3], figures[3:]):
        assert one["value"] > 0 and math.isclose(ratio["value"], two["value"] / one["value"])


def test_every_method_is_timed_and_those_of_whole_tensors_have_no_target(run):
    _, (*figures, ratio) = run("methods")
    assert ratio["what"].startswith("SVD of 32 × 64") and ratio["value"] > 0
    assert {figure["what"] for figure in figures} == {f"{name}, {clients} clients" for clients in (3, 8)
                                                      for name in STRATEGIES.names()}
    for figure in figures:
        method = STRATEGIES.load(figure["what"].partition(",")[0])
        assert figure["value"] > 0 and bool(figure["target"]) is not method.whole


def test_batching_and_arithmetic_measure_both_ways(run):
    for name, words in (("batching", ("length", "random")), ("arithmetic", ("all of it", "float32"))):
        _, figures = run(name)
        assert all(any(word in figure["what"] for figure in figures) for word in words)
        assert all(figure["value"] > 0 for figure in figures)


def test_other_steps_are_refused(tmp_path):
    record = {"round": 1, "clients": [{"client": 0, "rows": 4, "loss": 0.5}]}
    (tmp_path / "rounds.jsonl").write_text(json.dumps(record) + "\n")
    check_same_steps(tmp_path, Outcome([(1.0, "client=0 loss=0.5001")], 2.0, 0, 0, ""))
    with pytest.raises(RuntimeError, match="client 0"):
        check_same_steps(tmp_path, Outcome([(1.0, "client=0 loss=0.6")], 2.0, 0, 0, ""))


def test_stock_flower_gets_the_runs_very_rows(tmp_path):
    data = open_rows([*toy_flags(tmp_path), "--lang_mix", 0.5])
    folder = export_shards(data, tmp_path / "shards")
    texts = {split: data.table.split(data.splits[split][1])["sentence1"].to_pylist() for split in ("train", "test")}
    assert len(list(folder.glob("client-*"))) == len(data.plan.shards) == 3
    for client, rows in enumerate(data.plan.shards):
        shard = pq.read_table(folder / f"client-{client}.parquet")
        assert shard["sentence1"].to_pylist() == [texts["train"][row] for row in rows]
        assert np.array_equal(shard["label"], data.labels["train"][rows])
    test = pq.read_table(folder / "test.parquet")
    assert test["sentence1"].to_pylist() == [texts["test"][row] for row in data.evaluation_sets[0].rows]
    assert test["domain"].to_pylist() == [name for name in ("slice1", "slice2", "slice3") for _ in range(8)]


@pytest.mark.parametrize(("stock", "agree"), [((0.5, 0.6), True), ((0.9, 0.9), False)])
def test_accuracies_agree_when_their_spreads_overlap(stock, agree):
    figures = task_figures("rte", [Result(10, 0.5), Result(10, 0.55)], [Result(80, s) for s in stock])
    assert figures[2].value == 8 and figures[2].holds
    assert figures[3].holds is agree
    assert task_figures("rte", [Result(10, 0.5)], [Result(80, 0.5)])[3].holds is None

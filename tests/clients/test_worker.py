"""A worker and its client in one process: updates, evaluation in parts, kept optimizer states."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

import utils.model.linear
from clients.job import Job, NodeJob, Piece
from clients.lm_client import LMClient
from clients.worker import LoadedModel, Worker, resident
from preprocess.common import load
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table
from utils.config import RunConfig
from utils.data.table import write_table
from utils.errors import UserError
from utils.machine.onednn import product
from utils.model import loading
from utils.model.tied import untied
from utils.vectors.frozen import FrozenWeights
from utils.vectors.parameters import ParameterVector
from utils.vectors.transport import Transport


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A job on the toy table with a tiny BERT."""
    base = tmp_path_factory.mktemp("worker")
    toy_table(base / "data")
    (base / "model").symlink_to(tiny_once(base, "bert"))
    (base / "run").mkdir()
    config = RunConfig(data="rte", data_dir=str(base / "data"), max_length=32, batch_size=8, lr=1e-3,
                       precision="fp32", val_ratio=0.2, n_iterations=2)
    return Job(config, load("rte").SPEC, str(base), str(base / "run"))


@pytest.fixture(scope="module")
def worker(job):
    return Worker(job)


def vector_of(worker):
    return worker.vector.numpy().copy()


def test_evaluation_in_parts_gives_the_rows_of_one_whole(worker):
    vector = vector_of(worker)
    named = {each.name: each for each in worker.data.evaluation_sets}
    test, val = named["test"], named["val"]
    assert (len(test.rows), len(val.rows)) == (24, 12)
    whole = worker.evaluate(vector, 0, 1)
    for rows in (test, val):
        one = rows.assemble([whole[rows.name]])
        many = rows.assemble([worker.evaluate(vector, part, 5)[rows.name] for part in range(5)])
        assert np.array_equal(one, many) and np.isfinite(one).all()
        assert set(one[0]) <= {0, 1} and (one[2] == 1).all()


def test_three_labels_are_evaluated_on_rows_of_two(job):
    """Neutral and contradiction are not entailment: RTE's rows, read as MNLI's, against the model's own forward."""
    spec, rows = load("mnli").SPEC, toy_rows(24, 2)  # those that `toy_table` tests on
    own = [{"premise": row["sentence1"], "hypothesis": row["sentence2"], "label": k % 3, "domain": "all"}
           for k, row in enumerate(rows)]
    write_table(Path(job.config.data_dir) / "mnli", spec, {"train": own, "dev_matched": own}, "toy")
    config = replace(job.config, data="mnli", domain_by="slices", ood_data="rte", overlap="keep", val_ratio=0.0)
    worker = Worker(replace(job, config=config, spec=spec, others=(job.spec,)))
    tokenizer = AutoTokenizer.from_pretrained(job.skeleton)

    @torch.no_grad()
    def logits():
        batches = [tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt") for row in rows]
        return torch.cat([worker.model.eval()(**batch).logits for batch in batches])

    with torch.no_grad():
        worker.model.classifier.bias.sub_(logits().mean(0))  # make the answers differ
    test, rte = worker.data.evaluation_sets
    answers = worker.evaluate(vector_of(worker), 0, 1)
    predictions, losses, weights = rte.assemble([answers["rte"]])
    entailed = torch.softmax(logits().double(), -1)[:, 0].numpy()
    assert rte.rows.tolist() == [*range(24)] and rte.labels.tolist() == [row["label"] for row in rows]
    assert predictions.tolist() == np.minimum(logits().argmax(-1).numpy(), 1).tolist() and {*predictions} == {0, 1}
    assert np.allclose(losses, -np.log(np.where(rte.labels == 0, entailed, 1 - entailed)), rtol=1e-4)
    assert {*test.assemble([answers["test"]])[0]} == {0, 1, 2} and (weights == 1).all()


def test_onednn_evaluates_alike_but_for_last_bits_and_trains_in_float32_alone(job, worker, monkeypatch):
    products = []
    monkeypatch.setattr(utils.model.linear, "product", lambda *factors: products.append(1) or product(*factors))
    vector = vector_of(worker)
    by_torch = worker.evaluate(vector, 0, 1)["test"]
    worker.fit([vector], 1, 0)
    assert not products
    for precision in ("fp32", "bf16"):
        config = replace(job.config, fp32_products="onednn", precision=precision)
        other = Worker(replace(job, config=config))
        by_onednn = other.evaluate(vector, 0, 1)["test"]
        assert products and np.array_equal(by_onednn[0], by_torch[0])
        assert np.allclose(by_onednn[1], by_torch[1], rtol=1e-5, atol=1e-6)
        products.clear()
        other.fit([vector], 1, 0)
        assert bool(products) == (precision == "fp32")


def test_held_out_rows_are_in_no_shard(worker):
    plan = worker.data.plan
    trained = np.concatenate(plan.shards)
    assert not np.isin(np.concatenate(plan.val.rows), trained).any()
    assert len(trained) == 48


def test_fresh_state_forgets_and_kept_state_goes_on(job, worker):
    start = vector_of(worker)
    first = worker.fit([start], 1, 0)
    middle = vector_of(worker)
    worker.fit([middle], 2, 0, last=1)
    fresh = vector_of(worker)
    keeper = Worker(replace(job, config=replace(job.config, optimizer_state="keep")))
    keeper.fit([start], 1, 0)
    assert np.array_equal(vector_of(keeper), middle)  # nothing to remember yet
    keeper.fit([start], 1, 1)  # another client's state is its own
    another = Worker(keeper.job)  # the state is with the run, not in the process
    another.fit([middle], 2, 0, last=1)
    assert not np.array_equal(vector_of(another), fresh)
    assert int(another.optimizer.steps[0]) == 2 * -(-first["rows"] // 8)
    kept = vector_of(another)
    another.fit([middle], 2, 0, last=1)  # run again, it begins with the state before the round, not after it
    assert np.array_equal(vector_of(another), kept)
    for server_round in (3, 4, 5):
        another.fit([middle], server_round, 0, last=server_round - 1)
    assert sorted(path.name for path in (Path(job.run_dir) / "optimizer").iterdir()) == [
        *(f"client-0-round-{kept}.safetensors" for kept in (2, 3, 4, 5)), "client-1-round-1.safetensors"]
    another.fit([middle], 6, 0, last=4)  # its update of round 5 was left out
    assert sorted(int(path.stem[-1]) for path in (Path(job.run_dir) / "optimizer").glob("client-0-*")) == [2, 3, 4, 6]
    with pytest.raises(FileNotFoundError, match="client-0-round-5"):
        another.fit([middle], 7, 0, last=5)


def test_a_large_batch_is_that_of_all_clients_by_accumulation(job):
    """48 rows: three batches of 8 a step, as the three slices' clients have, and so two steps as each of them makes."""
    fitted = []
    for flags in ({"large_batch": True}, {"batch_accum": 3}, {}):
        worker = Worker(replace(job, config=replace(job.config, centralized=True, **flags)))
        fitted.append((worker.fit([vector_of(worker)], 1, 0)["steps"], vector_of(worker)))
    assert [steps for steps, _ in fitted] == [2, 2, 6]
    assert np.array_equal(fitted[0][1], fitted[1][1]) and not np.array_equal(fitted[0][1], fitted[2][1])


@pytest.mark.parametrize("transport", ["reference", "message"])
def test_a_client_answers_flowers_messages(job, transport):
    job = replace(job, config=replace(job.config, transport=transport))
    client, worker = LMClient(job), resident().worker_of(job)
    assert resident().worker_of(job) is worker
    vector, driver = vector_of(worker), Transport(worker.transport.folder, worker.vector.size)
    message = driver.send("global-0", vector)
    asked = {"round": 1, "client": 2, "slot": 5, "begin": 0, "end": 0, "cut": 0, "last": 0}
    update, rows, metrics = client.fit(message, asked)
    assert (rows, metrics["client"]) == (len(worker.data.plan.shards[2]), 2)
    assert np.array_equal(driver.receive(update), vector_of(worker))
    assert not np.array_equal(driver.receive(update), vector)
    assert np.array_equal(driver.receive(message), vector)  # the global vector is read, never written
    loss, rows, metrics = client.evaluate(message, {"round": 1, "part": 0, "parts": 1, "only": ""})
    columns = np.frombuffer(metrics["test"]).reshape(3, -1)
    assert rows == columns.shape[1] == 24 and loss == pytest.approx(columns[1].sum())


@pytest.mark.parametrize("flags", [{}, {"optimizer_state": "keep", "epoch": 2, "lr_schedule": "linear"},
                                   {"client_average": "swa"}, {"client_average": "ema", "client_average_from": 0.0}])
def test_a_client_that_stops_and_goes_on_elsewhere_ends_with_the_same_bits(job, tmp_path, flags):
    """Dropout is on: the tiny models have it. Two workers in one process stand for two processes."""
    job = replace(job, config=replace(job.config, **flags), run_dir=str(tmp_path))
    one, other = Worker(job), Worker(job)
    start = vector_of(one)
    whole = [one.fit([start], number, 1, last=number - 1)["loss"] for number in (1, 2)], vector_of(one)
    for path in tmp_path.rglob("*.safetensors"):
        path.unlink()
    losses = []
    for server_round in (1, 2):
        assert one.fit([start], server_round, 1, Piece(0, 0, 1, cut=3), server_round - 1)["rows"] == 16
        other.fit([start], server_round, 0)  # another client in between
        losses.append(other.fit([start], server_round, 1, Piece(0, 1, cut=3), server_round - 1)["loss"])
    assert losses == whole[0]
    assert np.array_equal(vector_of(other), whole[1])


def lora_job(job, place, **flags):
    """Return a job of `--train lora` whose driver has written the frozen weights into `place`."""
    config = replace(job.config, train="lora", train_flags=None, **flags)
    folder = place / "scratch"
    (folder / "model").mkdir(parents=True)
    model, tokenizer = loading.load(replace(loading.Wanted.by(config), name=str(job.skeleton)), job.spec)
    frozen = FrozenWeights(model)
    other = replace(job, config=config, scratch=str(folder), run_dir=str(place), frozen=frozen.fingerprint)
    other.save_skeleton(model, tokenizer)
    frozen.share(other.frozen_weights)
    return other, ParameterVector(model).numpy()


def test_a_worker_has_the_frozen_weights_of_the_driver_and_leaves_them_as_they_are(job, tmp_path):
    other, start = lora_job(job, tmp_path, weight_decay=0.1, max_grad_norm=1.0)
    worker = Worker(other)
    worker.fit([start], 1, 0)
    assert FrozenWeights(worker.model).fingerprint == other.frozen
    assert (vector_of(worker) != start).mean() > 0.9 and len(start) < 4000  # of 62,370


def test_a_node_without_the_drivers_disk_reads_the_frozen_weights_by_the_models_name(job, tmp_path):
    other, start = lora_job(job, tmp_path)
    node = NodeJob(replace(other.config, model=str(job.skeleton)), job.spec, str(tmp_path), str(tmp_path),
                   frozen=other.frozen)
    worker, of_node = Worker(other), Worker(node)
    for each in (worker, of_node):
        each.fit([start], 1, 0)
    assert np.array_equal(vector_of(worker), vector_of(of_node))
    with pytest.raises(UserError, match=f"--model {job.skeleton}: has other weights here than at the server"):
        Worker(replace(node, frozen="another"))


@pytest.mark.parametrize("train", ["all", "head", "lora"])
def test_a_worker_unties_what_only_the_checkpoint_shows_to_be_two_tensors(job, tmp_path, train):
    """mT5's output layer: its configuration ties it to the embeddings, and a worker's skeleton has no weights."""
    tiny = tiny_once(tmp_path, "mt5")
    config = replace(job.config, model=str(tiny), train=train, train_flags=None)
    model, tokenizer = loading.load(loading.Wanted.by(config), job.spec)
    frozen, vector = FrozenWeights(model), ParameterVector(model)
    facts = frozen.fingerprint, vector.layout.fingerprint, " ".join(untied(model))
    of_driver = Job(config, job.spec, str(tmp_path), str(tmp_path), "", "", *facts)
    of_driver.save_skeleton(model, tokenizer)
    frozen.share(of_driver.frozen_weights)
    for each in (of_driver, NodeJob(config, job.spec, str(tmp_path), str(tmp_path), "", "", *facts)):
        worker = Worker(each)
        worker.fit([vector.numpy()], 1, 0)
        assert (vector_of(worker) != vector.numpy()).mean() > 0.5
        worker.vector.load(vector.numpy())
        assert all(map(torch.equal, worker.model.parameters(), model.parameters()))
        if train == "all":  # else their layouts differ, or the head is not found
            with pytest.raises(UserError, match="has other parameters here than at the server"):
                Worker(replace(each, untied=""))


def test_a_process_keeps_the_model_of_the_last_run_where_nothing_of_it_differs(job, tmp_path):
    home = resident()
    model = home.worker_of(job).model

    def after(**flags):
        return home.worker_of(replace(job, config=replace(job.config, **flags), run_dir=str(tmp_path))).model is model

    assert after(lr=1e-4, seed=2, strategy="fedprox", strategy_flags=None) and not after(max_length=16)


def test_a_worker_gets_ready_when_it_is_asked_for_nothing_else(job, tmp_path):
    other = replace(job, run_dir=str(tmp_path))
    assert LMClient(None).get_properties({}) == {} and LMClient(other).job != getattr(resident().worker, "job", None)
    assert LMClient(other).get_properties({"run": job.scratch}) == {} and resident().worker.job == other


def test_a_message_of_a_run_that_has_ended_is_refused(job):
    with pytest.raises(RuntimeError, match="the message is of a run that has ended"):
        LMClient(job).fit([], {"run": "/another/scratch", "client": 0})


def test_whatever_files_a_tokenizer_has_are_in_the_key_of_its_skeleton(job, tmp_path):
    """One with several chat templates has a folder of them."""
    shutil.copytree(job.skeleton, tmp_path / "model")
    other = replace(job, scratch=str(tmp_path))
    assert other.skeleton_key == job.skeleton_key
    (tmp_path / "model" / "additional_chat_templates").mkdir()
    (tmp_path / "model" / "additional_chat_templates" / "tool.jinja").write_text("{{ messages }}")
    assert other.skeleton_key != job.skeleton_key


def test_models_of_other_frozen_weights_or_of_other_trained_parts_are_not_the_same(job):
    lora, head = (replace(job.config, train=name, train_flags=None) for name in ("lora", "head"))
    more = replace(lora, train_flags=replace(lora.train_flags, lora_alpha=8.0))
    jobs = [job, replace(job, frozen="a"), *(replace(job, config=config, frozen="a") for config in (lora, head, more))]
    assert len({LoadedModel.key_of(each) for each in jobs}) == 5
    assert job.model_key != jobs[1].model_key
    assert LoadedModel.key_of(replace(job, config=replace(job.config, seed=9))) == LoadedModel.key_of(job)

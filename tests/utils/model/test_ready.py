"""A model made ready for its first round: when, by which rows, and with the same bits whatever the threads."""

import zlib

import numpy as np
import pytest
import torch

import preprocess.common as preprocess
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.model import loading
from utils.model.heads import make_head
from utils.model.ready import ROWS, make_ready


def made_ready(base, threads: int = 1, **flags: object) -> dict[str, torch.Tensor]:
    """Return what make_ready changes: {name: tensor}."""
    if not (base / "data" / "rte").exists():
        toy_table(base / "data", n_train=300)
    config = RunConfig.of(**{"data": "rte", "data_dir": str(base / "data"), "train": "head", "max_length": 24,
                             "model": str(tiny_once(base, "bert")), **flags})
    data = TaskData(config, preprocess.load("rte").SPEC)
    model, tokenizer = loading.load(loading.Wanted.by(config), data.table.spec)
    data.tokenise(tokenizer, False)
    before, own = {name: p.clone() for name, p in model.state_dict().items()}, torch.get_num_threads()
    torch.set_num_threads(threads)
    make_ready(model, tokenizer, data)
    assert torch.get_num_threads() == threads
    torch.set_num_threads(own)
    return {name: p for name, p in model.state_dict().items() if not torch.equal(p, before[name])}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("ready")


def test_the_same_bits_for_all_methods_and_threads_and_others_for_another_seed(base):
    found = made_ready(base)
    assert {*found} == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    for other in (made_ready(base, threads=2), made_ready(base, centralized=True),
                  made_ready(base, n_clients=4, only_client=2), made_ready(base, lang_mix=0.99, frac_fit=0.5)):
        assert all(torch.equal(p, other[name]) for name, p in found.items())
    assert not torch.equal(found["bert.pooler.dense.bias"], made_ready(base, seed=1)["bert.pooler.dense.bias"])


@pytest.mark.parametrize("flags", [{"train": "all"}, {"train": "bias"}, {"train": "lora"},
                                   {"n_iterations": 0, "random_init": True}])
def test_nothing_else_is_changed(base, flags):
    assert made_ready(base, **flags) == {}


def test_a_head_that_was_trained_is_kept_and_one_of_random_weights_is_new(base):
    config = RunConfig.of(model=str(tiny_once(base, "bert")), max_length=24)
    model, tokenizer = loading.load(loading.Wanted.by(config), preprocess.load("rte").SPEC)
    loading.save(model, tokenizer, base / "with head")
    assert made_ready(base, model=str(base / "with head")) == {}
    assert made_ready(base, random_init=True)


def test_by_rows_of_all_clients_drawn_by_the_seed(base):
    """The first layer's outputs over these very rows, as transformers has them alone, have mean 0 and deviation 1."""
    changed = made_ready(base)
    config = RunConfig.of(data="rte", data_dir=str(base / "data"), model=str(tiny_once(base, "bert")), max_length=24)
    data = TaskData(config, preprocess.load("rte").SPEC)
    model, tokenizer = loading.load(loading.Wanted.by(config), data.table.spec)
    head = make_head(data.table.spec, tokenizer, False)
    data.tokenise(tokenizer, False)
    model.load_state_dict(changed, strict=False)
    rows = np.random.default_rng([0, zlib.crc32(b"ready")]).permutation(300)[:ROWS]
    with torch.no_grad():
        alone = [head.collate(data.tokens["train"], rows[k:k + 1], np.zeros(1)) for k in range(len(rows))]
        first = torch.cat([model.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
                                      ).last_hidden_state[:, 0] for batch in alone])
        out = model.bert.pooler.dense(first).double()
    assert out.mean(0).abs().max() < 1e-3 and (out.std(0, correction=0) - 1).abs().max() < 1e-3

"""The arithmetic of scale: against messages that are made, a model that is built, and what is published."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.footprint import Setting, footprint, lora_parameters
from benchmarks.scale import HIDDEN, LAYERS, LLAMA_7B
from engine.flower_strategy import FlowerStrategy, ServerState
from strategies.averaging import Averaging
from utils.config import RunConfig
from utils.vectors.layout import Layout
from utils.vectors.transport import Transport


@pytest.mark.parametrize(("clients", "workers"), [(2, 1), (3, 4)])
def test_the_bytes_of_a_round_are_those_of_its_messages(clients, workers):
    size = 100_000
    strategy = FlowerStrategy(Averaging(Averaging.Flags(), Layout(size, ())), RunConfig(transport="message"),
                              ServerState(0, np.zeros(size, np.float32)), Transport("", size), clients, workers)
    out = [*strategy.fit_messages(1, strategy.sent), *strategy.evaluate_messages(strategy.sent)]
    back = [strategy.sent] * clients  # a client's answer is a vector like the one it got
    moved = sum(len(tensor) for sent in [*(message.parameters for message in out), *back] for tensor in sent.tensors)
    assert moved == pytest.approx(footprint(Setting(size, clients, workers, "message")).moved, rel=0.001)


def test_what_is_not_trained_is_held_once_and_never_travels():
    whole, adapters = Setting(1_000_000, 4, 2), Setting(10_000, 4, 2, frozen=990_000)
    one, other, alone = footprint(whole), footprint(adapters), footprint(Setting(10_000, 4, 2))
    assert other.shared - alone.shared == 4 * 990_000 and other.moved == one.moved // 100
    assert (other.driver, other.worker) == (alone.driver, alone.worker) == (one.driver // 100, one.worker // 100)


def test_llama_7b_is_what_the_arithmetic_takes_it_for():
    """The configuration's defaults are LLaMA-7B's; on the device "meta" weights take no memory."""
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig())
    adapted = [(part.in_features, part.out_features) for name, part in model.named_modules()
               if name.endswith(("q_proj", "v_proj"))]
    assert sum(p.numel() for p in model.parameters()) == LLAMA_7B
    assert adapted == [(HIDDEN, HIDDEN)] * 2 * LAYERS


def test_adapters_have_the_parameters_that_peft_counts():
    """`print_trainable_parameters` of PEFT, of LLaMA-7B with r = 8 on q_proj and v_proj: 4,194,304 || 6,742,609,920."""
    assert lora_parameters(8, [(HIDDEN, HIDDEN)] * 2 * LAYERS) == 4_194_304 == 6_742_609_920 - LLAMA_7B
    a, b = torch.nn.Linear(48, 4, bias=False), torch.nn.Linear(4, 16, bias=False)
    assert lora_parameters(4, [(48, 16)]) == a.weight.numel() + b.weight.numel()

"""Families of all kinds with one tokenizer: no answer depends on its batch's padding, or the family is refused."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from tests.loading import ROWS, answers, close, in_batch_as_alone, loaded, louder, plain, refused
from tests.tiny import QASC, RTE
from utils.data.tokens import tokenise
from utils.model import loading
from utils.model.heads import make_head

_ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "max_position_embeddings": 128, "initializer_range": 0.1}
_DECODER = {**_ENCODER, "num_key_value_heads": 2, "head_dim": 16}
_XLNET = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "initializer_range": 0.1}
SERVED = {  # family → its small config
    "deberta": _ENCODER, "data2vec-text": _ENCODER, "longformer": {**_ENCODER, "attention_window": 16},
    "modernbert": {**_ENCODER, "local_attention": 8}, "mpnet": _ENCODER, "roformer": _ENCODER,
    "funnel": {"block_sizes": [1, 1], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64},
    "openai-gpt": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128},
    "opt": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 64,
            "word_embed_proj_dim": 32, "max_position_embeddings": 128},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]],
                "max_position_embeddings": 128}, "gpt_neox": _ENCODER, "llama": _DECODER, "gemma2": _DECODER,
    "qwen3": _DECODER, "mbart": {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
                                 "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
                                 "max_position_embeddings": 128},
    "xlnet": _XLNET,
}
PADDING = "depends on the padding of its batch"
REFUSED = {
    "fnet": (_ENCODER, PADDING), "convbert": ({**_ENCODER, "embedding_size": 32}, PADDING),
    "nystromformer": (_ENCODER, PADDING), "yoso": (_ENCODER, PADDING),
    "reformer": ({"hidden_size": 32, "axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 16], "num_buckets": 4,
                  "attention_head_size": 16, "num_attention_heads": 2, "feed_forward_size": 64, "is_decoder": False,
                  "attn_layers": ["local", "lsh"], "local_attn_chunk_length": 16, "lsh_attn_chunk_length": 16},
                 "fails on two rows of text"),
    "layoutlmv3": ({**_ENCODER, "input_size": 32}, "fails on two rows of text"),
    "canine": (_ENCODER, "no table of token embeddings"),
}


@pytest.fixture
def family_folder(tiny, tmp_path):
    """A function that writes a family's small random body with BERT's tokenizer."""
    def make(family: str, sizes: dict):
        tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
        config = AutoConfig.for_model(family, vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=2, eos_token_id=3,
                                      **sizes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            AutoModelForSequenceClassification.from_config(config).base_model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return tmp_path
    return make


@pytest.mark.parametrize("family", SERVED)
def test_a_row_s_answers_do_not_depend_on_its_batch(family_folder, family, tmp_path):
    model, tokenizer = loaded(family_folder(family, SERVED[family]), RTE)
    assert tokenizer.padding_side == ("left" if family == "xlnet" else "right")
    louder(model)
    in_batch_as_alone(model, tokenizer)
    loading.save(model, tokenizer, tmp_path / "saved")
    saved, saved_tokenizer = plain(tmp_path / "saved", RTE, False)
    assert saved_tokenizer.padding_side == tokenizer.padding_side
    close(answers(saved, saved_tokenizer), answers(model, tokenizer))


@pytest.mark.parametrize("family", REFUSED)
def test_other_families_are_refused_by_name(family_folder, family):
    sizes, reason = REFUSED[family]
    message = refused(family_folder(family, sizes))
    assert family in message and reason in message


@pytest.mark.parametrize("spec", [RTE, QASC], ids=lambda spec: spec.name)
def test_batches_are_padded_on_the_tokenizer_s_side(family_folder, spec):
    """As its tokenizer pads them in transformers."""
    model, tokenizer = loaded(family_folder("xlnet", _XLNET), spec, max_length=200)
    choices = [["one", "another choice"] * 4] * len(ROWS)
    table = pa.table({name: list(ROWS) for name in spec.text} | ({"choices": choices} if spec is QASC else {}))
    head = make_head(spec, tokenizer, False)
    batch = head.collate(tokenise(table, spec, tokenizer, 200, False), np.arange(3), np.zeros(3))
    if spec is QASC:
        firsts, seconds = ([row for row in ROWS for _ in range(8)], sum(choices, []))
    else:
        firsts, seconds = (list(ROWS),) * 2
    expected = tokenizer(firsts, seconds, padding=True, return_tensors="pt")
    assert not batch["attention_mask"].reshape(-1)[0] or not batch["attention_mask"][-1].reshape(-1)[0]
    for key, value in expected.items():
        assert torch.equal(batch[key].reshape(value.shape), value), key
    assert torch.isfinite(head.loss(model, batch))

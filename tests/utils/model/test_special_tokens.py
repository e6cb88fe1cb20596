"""Pad, end and begin tokens are the same everywhere, so that no answer depends on the padding of a batch."""

import shutil

import pytest
import torch
from transformers import AutoTokenizer

from tests.loading import KIND_NAMES, KINDS, ROWS, answers, close, edit, in_batch_as_alone, loaded, louder, plain
from tests.tiny import RTE
from utils.model import loading

ROLES = ("pad_token_id", "eos_token_id", "bos_token_id")


@pytest.mark.parametrize(("family", "spec", "words"), KINDS, ids=KIND_NAMES)
def test_a_config_with_other_special_tokens_gives_way(tiny, copied, family, spec, words, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = edit(copied(family), pad_token_id=47, eos_token_id=49, bos_token_id=51)  # three words
    model, tokenizer = loaded(folder, spec, text_to_text=words)
    louder(model)
    right, _ = loaded(tiny(family), spec, text_to_text=words)
    louder(right)
    loading.save(model, tokenizer, tmp_path / "saved")
    saved, saved_tokenizer = plain(tmp_path / "saved", spec, words)
    for role in ROLES:
        said = {getattr(tokenizer, role), getattr(saved_tokenizer, role), getattr(model.config, role),
                getattr(saved.config, role)}
        if words:
            said |= {getattr(model.generation_config, role), getattr(saved.generation_config, role)}
        assert len(said) == 1, role
    assert any(f"pad_token_id {tokenizer.pad_token_id}, not 47" in record.message for record in caplog.records)
    in_batch_as_alone(model, tokenizer)
    in_batch_as_alone(saved, saved_tokenizer)
    close(answers(model, tokenizer), answers(right, tokenizer))
    close(answers(saved, saved_tokenizer), answers(model, tokenizer))


def test_a_text_that_ends_in_what_pads_is_read_alike_in_any_batch(tiny):
    model, tokenizer = loaded(tiny("gpt2"), RTE)
    louder(model)
    assert tokenizer.pad_token == tokenizer.eos_token
    ids = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] * ends for text, ends in zip(ROWS, (2, 0, 1),
                                                                                              strict=True)]
    batch = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    with torch.no_grad():
        close(model(**batch).logits, torch.cat([model(input_ids=torch.tensor([row])).logits for row in ids]))


def test_a_family_that_counts_positions_from_its_pad_token_keeps_it(copied):
    """Its weights were trained so, whatever the tokenizer says."""
    folder = edit(copied("roberta"), pad_token_id=3)  # <unk>
    model, tokenizer = loaded(folder, RTE)
    assert tokenizer.pad_token == "<unk>" and model.config.pad_token_id == 3
    theirs, _ = plain(folder, RTE, False)
    theirs.load_state_dict(model.state_dict())
    in_batch_as_alone(model, tokenizer)
    close(answers(model, tokenizer, ROWS[:1]), answers(theirs, tokenizer, ROWS[:1]))


def test_a_tokenizer_without_an_end_takes_its_config_s(tiny, copied):
    """As a BART with BERT's tokenizer has it: its texts and its label words end in [SEP]."""
    folder = copied("bart", "tokenizer.json", "tokenizer_config.json")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny("bert") / file, folder)
    edit(folder, pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3)
    assert AutoTokenizer.from_pretrained(tiny("bert")).eos_token is None
    for words in (False, True):
        model, tokenizer = loaded(folder, RTE, text_to_text=words)
        assert tokenizer.eos_token == "[SEP]" and model.config.eos_token_id == 3
        louder(model)
        in_batch_as_alone(model, tokenizer)


def test_ids_outside_the_vocabulary_are_no_tokens(tiny, copied):
    folder = copied("gpt2", "tokenizer.json", "tokenizer_config.json")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny("bert") / file, folder)
    model, tokenizer = loaded(edit(folder, pad_token_id=-1, eos_token_id=50256, bos_token_id=50256), RTE)
    assert [getattr(model.config, role) for role in ROLES] == [0, None, None]
    assert tokenizer.model_input_names == ["input_ids", "attention_mask"]  # it has no segments
    louder(model)
    in_batch_as_alone(model, tokenizer)


def test_more_than_one_end_stays(copied):
    model, tokenizer = loaded(edit(copied("gpt2"), eos_token_id=[5, 0]), RTE)
    assert model.config.eos_token_id == [5, 0] and tokenizer.eos_token_id == 0


def test_a_decoder_that_says_no_start_starts_with_padding(tiny, copied, tmp_path):
    model, tokenizer = loaded(edit(copied("t5"), decoder_start_token_id=None), RTE)
    right, _ = loaded(tiny("t5"), RTE)
    close(answers(model, tokenizer), answers(right, tokenizer))
    assert model.generation_config.decoder_start_token_id == tokenizer.pad_token_id
    loading.save(model, tokenizer, tmp_path / "saved")
    close(answers(*plain(tmp_path / "saved", RTE, True)), answers(right, tokenizer))

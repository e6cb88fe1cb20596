"""A teacher's vectors: what transformers alone says, kept for all runs, made anew where they are damaged."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from pretraining.flags import PretrainFlags
from pretraining.teacher import Teacher
from pretraining.text import Corpus
from tests.tiny import tiny_once
from utils.errors import UserError
from utils.record.progress import Progress


@pytest.fixture
def place(tmp_path):
    """Flags of a corpus of two files, one of whose texts is in both, and a tiny teacher."""
    (tmp_path / "one.txt").write_text("a river of stone\n\nthe garden\n")
    (tmp_path / "two.txt").write_text("music\nthe garden\na long letter to the market\n")
    return PretrainFlags(text=f"{tmp_path}/one.txt,{tmp_path}/two.txt", teacher=str(tiny_once(tmp_path, "bert")),
                         cache=str(tmp_path / "cache"), max_length=16)


def vectors(flags):
    """Return a corpus and its teacher's vectors."""
    corpus = Corpus.of(flags)
    with Progress() as progress:
        return corpus, Teacher(flags).vectors(corpus, progress)


def test_vectors_are_the_mean_of_the_last_layer(place):
    corpus, found = vectors(place)
    assert corpus.texts == ["a river of stone", "the garden", "music", "a long letter to the market"]
    model, tokenizer = AutoModel.from_pretrained(place.teacher).eval(), AutoTokenizer.from_pretrained(place.teacher)
    with torch.no_grad():
        batches = [tokenizer(text, return_tensors="pt") for text in corpus.texts]
        means = torch.cat([model(**batch).last_hidden_state.mean(1) for batch in batches])
    wanted = torch.nn.functional.normalize(means)
    assert torch.allclose(found.of(np.arange(4)), wanted, atol=1e-5)
    assert found.parameters == sum(each.numel() for each in model.parameters())
    read = sum(batches[k]["input_ids"].numel() for k in (1, 3))
    assert found.flops(np.array([1, 3])) == 2 * found.parameters * read


def test_vectors_are_kept_for_each_domain_and_made_anew_where_damaged(place, tmp_path):
    corpus, before = vectors(place)
    values = before.of(np.arange(4))
    files = sorted((tmp_path / "cache").glob("*/values.npy"))
    times = [file.stat().st_mtime_ns for file in files]
    alone = replace(place, domains="two")
    _, found = vectors(alone)
    assert torch.equal(found.of(np.array([0])), values[2:3]) and len(files) == 2
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "cache").glob("*/values.npy"))] == times
    for file in files:
        file.write_bytes(file.read_bytes()[:-40] + b"\xff" * 40)
    assert torch.equal(vectors(place)[1].of(np.arange(4)), values)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_teacher_that_is_no_encoder_is_refused(family, place, tmp_path):
    with pytest.raises(UserError, match=f"--teacher .*: a {family} model is no encoder"):
        vectors(replace(place, teacher=str(tiny_once(tmp_path, family))))


def test_a_teacher_that_is_not_there_and_a_cache_that_cannot_be_made_are_named(place):
    with pytest.raises(UserError, match="--teacher ./nothing: no model there"):
        Teacher(replace(place, teacher="./nothing"))
    file = f"{place.teacher}/config.json"
    for cache, why in ((file, "is a file"), (f"{file}/a", "cannot be made: Not a directory"),
                       ("/proc/a", "cannot be made: No such file or directory")):
        with pytest.raises(UserError, match=f"--cache {cache}: {why}; name another folder"):
            Teacher(replace(place, cache=cache))

"""Training the used rows of the embedding table alone: the same weights as training the whole table."""

import numpy as np
import pytest
import torch

from clients.optimizer import FlatAdamW
from tests.tiny import FAMILIES, RTE, TEXT_TO_TEXT, tiny_once
from utils.model import loading
from utils.model.used_embeddings import lookup_table, used_rows
from utils.vectors.parameters import ParameterVector


def loaded(tmp_path_factory, family):
    folder = tiny_once(tmp_path_factory.getbasetemp(), family)
    return loading.load(str(folder), RTE, seed=0, max_length=32, text_to_text=family in TEXT_TO_TEXT)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in TEXT_TO_TEXT])
def test_the_same_steps_as_with_the_whole_table(tmp_path_factory, family):
    results = []
    for whole in (True, False):
        model, tokenizer = loaded(tmp_path_factory, family)
        vector = ParameterVector(model)
        optimizer = FlatAdamW(vector, 0.0)
        texts = ["A module is a file.", "Names refer to objects, and objects have a value."]
        batches = [{**tokenizer([text, texts[0]], padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1])}
                   for text in texts]
        ids = np.unique(np.concatenate([batch["input_ids"].numpy().ravel() for batch in batches]))

        def steps():
            for batch in batches:
                optimizer.optimizer.zero_grad()
                model(**batch).loss.backward()
                optimizer.update(1e-2)

        start = vector.values.clone()
        if whole:
            steps()
        else:
            with optimizer.only_rows(lookup_table(model), ids):
                steps()
        assert not torch.equal(vector.values, start)
        assert {int(step) for step in optimizer.steps} - {0} == {2}  # 0: of what the loss does not depend on
        results.append(vector.values.clone())
    assert torch.allclose(*results, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("family", TEXT_TO_TEXT)
def test_a_table_with_other_readers_is_left_alone(tmp_path_factory, family):
    model, _ = loaded(tmp_path_factory, family)
    if model.config.tie_word_embeddings:
        assert lookup_table(model) is None


def test_an_unannounced_token_is_an_error_and_the_table_is_itself_again():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(9, 2, padding_idx=0)

        def get_input_embeddings(self):
            return self.table

    table = lookup_table(Model())
    before = table.weight.detach().clone()
    with used_rows(table, np.array([0, 3, 5])) as weight:
        assert torch.equal(table(torch.tensor([5, 3])), before[[5, 3]])
        table(torch.tensor([[5, 0]])).sum().backward()
        assert weight.grad.tolist() == [[0, 0], [0, 0], [1, 1]]  # none for padding
        with pytest.raises(IndexError):
            table(torch.tensor([4]))
        weight.data += 1
    assert torch.equal(table(torch.tensor([5, 4])), before[[5, 4]] + torch.tensor([[1.0], [0.0]]))

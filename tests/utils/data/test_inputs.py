"""What is read of a row: the prompt is `str.format`'s, and each token is of the field that it was made from."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import preprocess.common as preprocess
from tests.tiny import RTE, TEXT_TO_TEXT, tiny_tokenizer
from utils.data.inputs import Inputs
from utils.data.truncation import FRAME, SPECIAL

TEXTS = {"sentence1": ["A  man's {word}.", ""], "sentence2": [" Ünïcode 漢字 ", "b"]}


@pytest.mark.parametrize("prompt", [RTE.prompt, "{sentence2}{sentence1}", "{{{sentence1!r:>20}}} {sentence2}", "none",
                                    "{sentence1} {sentence2} {sentence1}"])
def test_a_prompt_is_what_format_makes_of_it(prompt):
    inputs = Inputs(pa.table(TEXTS), replace(RTE, prompt=prompt), True)
    assert inputs.columns == [[prompt.format(sentence1=a, sentence2=b) for a, b in zip(*TEXTS.values(), strict=True)]]
    assert len(inputs) == 2 and inputs.choices == 1


@pytest.mark.parametrize("task", preprocess.task_names())
def test_every_task_s_prompt_names_all_its_fields(task):
    spec = preprocess.load(task).SPEC
    columns = {name: [f"text {name}"] for name in spec.text}
    if spec.kind == "multiple_choice":
        columns["choices"] = [[f"choice {letter}" for letter in spec.labels]]
    inputs = Inputs(pa.table(columns), spec, True)
    fields = [field for field, _ in inputs.pieces(0) if field != FRAME]
    assert sorted(fields) == list(range(len(spec.text) + (len(spec.labels) if "choices" in columns else 0)))


@pytest.mark.parametrize("family", TEXT_TO_TEXT)
def test_tokens_are_of_the_field_they_were_made_from(family):
    """Each field's tokens are those of its text alone, in this prompt, where no word goes over a field's edge."""
    tokenizer = tiny_tokenizer(family)
    texts = ("Return the object 漢字", "no such name, or 7")
    spec = replace(RTE, prompt="one: {sentence1} two: {sentence2} end")
    inputs = Inputs(pa.table({"sentence1": texts[:1], "sentence2": texts[1:]}), spec, True)
    encoded = tokenizer(inputs.columns[0])
    ids, fields = np.array(encoded["input_ids"][0]), inputs.fields(0, encoded.encodings[0])
    assert len(fields) == len(ids)
    for field, text in enumerate(texts):
        assert ids[fields == field].tolist() == tokenizer(f" {text}", add_special_tokens=False)["input_ids"]
    assert ids[fields == FRAME].tolist() == tokenizer("one: two: end", add_special_tokens=False)["input_ids"]
    assert ids[fields == SPECIAL].tolist() == tokenizer("")["input_ids"]

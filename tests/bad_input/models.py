"""A model's folder, spoilt, and models that do not fit the task."""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from tests.bad_input import Case, Place, cut, nothing, write
from tests.loading import edit
from tests.tiny import tiny_once

MODEL = "--data rte --model {base}/model"


def model(*without: str, then: Callable[[Path], None] | None = None, **changes: object) -> Callable[[Place], None]:
    """Copy the tiny BERT, less some files; `changes` go into its config.json, and `then` spoils the folder."""
    def make(place: Place) -> None:
        place.table()
        shutil.copytree(place.bert, place.base / "model", ignore=shutil.ignore_patterns(*without))
        if changes:
            edit(place.base / "model", **changes)
        if then:
            then(place.base / "model")
    return make


def pickled(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, folder / "pytorch_model.bin")


def other_weights(folder: Path) -> None:
    """RoBERTa's weights, named as BERT's are not."""
    roberta = tiny_once(folder.parent, "roberta")
    (folder / "model.safetensors").write_bytes((roberta / "model.safetensors").read_bytes())


MODELS = [
    Case(id, make, flags, tuple(said)) for id, make, flags, *said in (
        ("no such model", nothing, "--data rte --model no/such-model", "--model no/such-model: not in the local cache",
         "give minilm"),
        ("no model in a folder", nothing, "--data rte --model {base}/data",
         "no model there (no config.json); give minilm"),
        ("empty model", nothing, "--data rte --model=", "--model : no model there", "give minilm"),
        ("model with a long name", nothing, f"--data rte --model {'a' * 300}", "--model aaa"),
        ("model without tokenizer", model("tokenizer*"), MODEL, "/model: it has no tokenizer; add its tokenizer.json"),
        ("model without weights", model("*.safetensors"), MODEL,
         "no weights there; add its model.safetensors, or give"),
        ("model as a pickle", model("*.safetensors", then=pickled), MODEL, "/model: its weights are a pickle",
         "refused",
         "utils.model.convert NAME OUT"),
        ("weights of another architecture", model(then=other_weights), MODEL,
         "the weights are not those of its config.json"),
        ("weights truncated", model(then=cut("model.safetensors")), MODEL, "--model", "give a whole model"),
        ("config.json empty", model(then=write("config.json", b"")), MODEL, "--model", "give a whole model"),
        ("config.json of no model", model(model_type="nothing"), MODEL, "--model", "give a whole model"),
        ("config.json that cannot be", model(num_attention_heads=7), f"{MODEL} --random_init", "--model",
         "give a whole"),
        ("tokenizer truncated", model(then=cut("tokenizer.json")), MODEL, "--model", "give a whole model"),
        ("no such head", model(model_type="gpt2"),
         "--data copa --n_clients 2 --source {base}/copa --model {base}/model",
         "a gpt2 model has no multiple-choice head; families that have one: albert, bert"),
        ("nothing to evaluate", model(), f"{MODEL} --n_iterations 0", "--n_iterations 0: --model",
         "model has no head that was trained on rte: new head"),
        ("no encoder-decoder", model(), f"{MODEL} --text_to_text",
         "--text_to_text: a bert model is no encoder-decoder"),
        ("run to start from that is none", model(), "--data rte --load_model {base}/gone", "--load_model",
         "gone: no model"),
        ("run to start from, truncated", model(then=cut("tokenizer.json")), "--data rte --load_model {base}/model",
         "--load_model", "give a whole model"),
        ("max_length beyond the model", model(), f"{MODEL} --max_length 600", "--max_length 600", "at most 512 tokens"),
        ("more layers than the model's", model(), f"{MODEL} --layers 3", "--layers 3: ", "/model has 2 layers",
         "give 1 to 2, or 0"),
        ("layers to adapt that are not there", model(), f"{MODEL} --train lora --lora_targets query,valve",
         "--lora_targets query,valve: no linear layer of the body is called 'valve'", "dense, key, query, value"),
        ("ranks that the strategy does not mix", model(), f"{MODEL} --train lora --lora_r 4,8",
         "--lora_r 4,8: --strategy averaging needs adapters of one rank"),
        ("attention from the hub", model(attn_implementation="some/code"), MODEL, "no model's code is run; remove"),
        ("weights named elsewhere", model(transformers_weights="../x.safetensors"), MODEL,
         "must name a .safetensors file"),
        ("weights named as a pickle", model(transformers_weights="adapter_model.bin"), MODEL,
         "must name a .safetensors"),
        ("index that leads elsewhere", model("*.safetensors", then=write(
            "model.safetensors.index.json", b'{"metadata": {}, "weight_map": {"a": "../x.safetensors"}}')), MODEL,
         "model.safetensors.index.json must name .safetensors files beside it"),
        ("index of pickles", model("*.safetensors", then=write(
            "model.safetensors.index.json", b'{"metadata": {}, "weight_map": {"a": "pytorch_model.bin"}}')), MODEL,
         "model.safetensors.index.json must name .safetensors files beside it"),
    )
]

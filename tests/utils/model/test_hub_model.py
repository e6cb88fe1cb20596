"""A model of a hub on loopback: which files of its repository become its folder."""

from pathlib import Path

import torch

from tests.loading import loaded, refused
from utils.model import loading


def commit_of(name: str) -> str:
    """Return the commit that a model is of."""
    return loading.commit_of(loaded(name)[0])


def asked(hub) -> list[str]:
    """Return what the hub has been asked since the last call."""
    requests = [f"{request.method} {request.path}" for request in hub.requests]
    hub.requests.clear()
    return requests


def test_a_model_is_a_folder_of_what_is_needed_and_then_one_request(hub, folder, endpoint):
    (folder / "onnx").mkdir()
    for name in ("pytorch_model.bin", "tf_model.h5", "onnx/config.json", "model.fp16.safetensors", "training_args.bin"):
        (folder / name).write_bytes(b"not needed")
    commit = hub.add_model("tiny/bert", folder)
    assert commit_of("tiny/bert") == commit
    path = Path(loading.resolve("tiny/bert"))
    assert {file.name for file in path.rglob("*")} == {"config.json", "tokenizer.json", "tokenizer_config.json",
                                                       "model.safetensors"}
    asked(hub)
    assert commit_of("tiny/bert") == commit and asked(hub) == ["GET /api/models/tiny/bert"]
    assert commit_of(f"tiny/bert@{commit}") == commit and asked(hub) == []  # there is nothing to ask
    hub.aliases["bert"] = "tiny/bert"
    assert commit_of("bert") == commit


def test_random_weights_download_none(hub, folder, endpoint):
    hub.add_model("tiny/bert", folder)
    loaded("tiny/bert", random_init=True)
    assert not any("safetensors" in request for request in asked(hub))
    endpoint("http://127.0.0.1:9")
    loaded("tiny/bert", random_init=True)
    assert "lacks model.safetensors, and the hub (http://127.0.0.1:9) cannot be reached: " in refused("tiny/bert")


def test_a_model_in_parts(hub, folder, endpoint):
    model, _ = loaded(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    (folder / "consolidated.safetensors").write_bytes(b"the same in another form")
    hub.add_model("tiny/parts", folder)
    assert not (Path(loading.resolve("tiny/parts")) / "consolidated.safetensors").exists()
    again, _ = loaded("tiny/parts")
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in model.state_dict().items())
    next(folder.glob("model-*.safetensors")).unlink()
    hub.add_model("tiny/parts", folder)
    assert "model.safetensors.index.json names model-0" in refused("tiny/parts")

"""The tests' own hub, asked by the hub's real client: what that makes of it is what the public hub is to a user."""

import urllib.request

import pytest
from datasets import Dataset
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoModel

from tests.hub import Hub
from tests.processes import run_script
from tests.tiny import tiny_once


@pytest.fixture
def folder(tmp_path):
    return tiny_once(tmp_path, "bert")


def client(hub: Hub, token: str | bool = False) -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_models_and_data_sets_load_by_their_real_clients(hub, folder):
    hub.add_model("tiny/bert", folder, "refs/pr/1")
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    hub.add_dataset("tiny/rows", {"one": {"train": rows, "test": rows}, "two": {"train": rows}})
    code = ("import datasets, transformers; print(transformers.AutoModel.from_pretrained('tiny/bert', "
            "revision='refs/pr/1').num_parameters(), datasets.load_dataset('tiny/rows', 'one')['test'][:])")
    done = run_script("-c", code, **hub.environment())
    loaded = AutoModel.from_pretrained(folder).num_parameters()
    assert done.stdout == f"{loaded} {rows[:]}\n", done.stderr
    assert not any(request.authorization for request in hub.requests)


def test_revisions(hub, folder):
    first = hub.add_model("tiny/bert", folder, "v1.0")
    (folder / "more.json").write_text("{}")
    second = hub.add_model("tiny/bert", folder)
    api = client(hub)
    assert api.model_info("tiny/bert").sha == second != first
    assert api.model_info("tiny/bert", revision="v1.0").sha == first
    assert "more.json" not in api.list_repo_files("tiny/bert", revision=first)
    (folder / "more.json").unlink()
    assert hub.add_model("tiny/bert", folder) == first and "more.json" in api.list_repo_files("tiny/bert",
                                                                                           revision=second)
    assert [(ref.name, ref.target_commit) for ref in api.list_repo_refs("tiny/bert").tags] == [("v1.0", first)]
    hub.aliases["bert"] = "tiny/bert"
    assert api.model_info("bert").id == "tiny/bert"


def test_what_cannot_be_had_is_refused_as_the_public_hub_refuses_it(hub, folder, tmp_path):
    for name, access in (("tiny/bert", {}), ("tiny/gated", {"gated": True}), ("me/hidden", {"private": True})):
        hub.add_model(name, folder, **access)
    cases = [(False, "tiny/gated", "main", "config.json", GatedRepoError, 401),
             ("hf_other", "tiny/gated", "main", "config.json", GatedRepoError, 403),
             ("hf_other", "me/hidden", "main", "config.json", RepositoryNotFoundError, 404),
             (False, "me/hidden", "main", "config.json", RepositoryNotFoundError, 401),
             (False, "tiny/none", "main", "config.json", RepositoryNotFoundError, 401),
             (False, "tiny/bert", "v9", "config.json", RevisionNotFoundError, 404),
             (False, "tiny/bert", "main", "none.json", RemoteEntryNotFoundError, 404),
             ("hf_wrong", "tiny/bert", "main", "config.json", HfHubHTTPError, 401)]
    for token, name, revision, file, kind, status in cases:
        with pytest.raises(kind) as error:
            client(hub, token).hf_hub_download(name, file, revision=revision, cache_dir=tmp_path / "cache")
        assert error.value.response.status_code == status
    assert client(hub, "hf_good").hf_hub_download("tiny/gated", "config.json", cache_dir=tmp_path / "cache")


def test_faults_go_wrong_as_often_as_they_are_asked_to(hub, folder, tmp_path):
    hub.add_model("tiny/bert", folder)
    hub.fault("GET .*/tiny/bert$", status=503, times=1)
    for expected in (503, 200):
        try:
            status = 200 if client(hub).model_info("tiny/bert") else 0
        except HfHubHTTPError as error:
            status = error.response.status_code
        assert status == expected
    hub.fault("GET /lfs/", drop=1000, times=1)
    path = client(hub).hf_hub_download("tiny/bert", "model.safetensors", cache_dir=tmp_path / "cache")
    assert open(path, "rb").read() == (folder / "model.safetensors").read_bytes()
    asked = urllib.request.Request(f"{hub.url}/tiny/bert/resolve/main/config.json", headers={"Range": "bytes=2-5"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 206 and answer.read() == (folder / "config.json").read_bytes()[2:6]

"""Where hub rows come from: a commit, the cache where the hub is out of reach, and nothing outside the repository."""

import re

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from preprocess import rte
from preprocess.sources import load_hub
from tests.hub.store import parquet_files
from utils.data.table import open_table
from utils.errors import UserError
from utils.hub.reading import open_snapshot
from utils.hub.repository import Repository

GLUE = "nyu-mll/glue"


def rows(n: int) -> Dataset:
    """Return n rows of RTE as the hub has them."""
    columns = {"sentence1": ["A man."] * n, "sentence2": ["Nobody."] * n, "label": [0] * n, "idx": list(range(n))}
    return Dataset.from_dict(columns, Features(sentence1=Value("string"), sentence2=Value("string"), idx=Value("int32"),
                                               label=ClassLabel(names=list(rte.SPEC.labels))))


def splits(n: int) -> dict[str, Dataset]:
    return {"train": rows(n), "validation": rows(4)}


def test_a_data_set_at_a_revision_and_from_the_cache(hub, run_script, tmp_path):
    def made(*flags: str, code: int = 0, **environment: str):
        """Run preprocess/rte.py; return what it says, and the table if there is one."""
        done = run_script("preprocess/rte.py", "--out", tmp_path, *flags, **{**hub.environment(), **environment})
        assert done.returncode == code and "Traceback" not in done.stderr and done.stdout == "", done.stderr
        return done.stderr, open_table(tmp_path / "rte", rte.SPEC) if not code else None

    first = hub.add_dataset(GLUE, {"rte": splits(8), "cola": splits(9)}, "v1.0")
    second = hub.add_dataset(GLUE, {"rte": splits(10)})
    said, table = made()
    assert table.rows("train") == 10 and table.card["source"] == "hub" and table.source == f"hub@{second}"
    assert table.card["hub"] == {"repo": GLUE, "config": "rte", "commit": second}
    assert "nyu-mll/glue: downloading " in said and f"{hub.folder}/hf/hub" in said
    said, table = made("--source", "hub@v1.0")
    assert table.rows("train") == 8 and table.card["hub"]["commit"] == first
    assert not any("cola" in request.path for request in hub.requests)
    hub.fault(".*", hang=True)
    said, table = made("--source", "hub@main")
    assert table.card["hub"]["commit"] == second
    assert "no answer within 3 s: going on with the copy in the cache" in said
    said, table = made("--source", f"hub@{first}", HF_HUB_OFFLINE="1")
    assert table.card["hub"]["commit"] == first and "going on" not in said
    said, _ = made("--source", "hub@v2", code=2, HF_HUB_OFFLINE="1")
    assert f"preprocess: rte: {GLUE}@v2: not in the local cache (" in said.splitlines()[-1]


def test_a_data_set_that_is_not_what_is_expected(hub, endpoint, monkeypatch, tmp_path):
    def refused() -> str:
        with pytest.raises(UserError) as caught:
            load_hub(open_snapshot(Repository("dataset", GLUE, "", f"rte: {GLUE}", "use PATH")), "rte")
        return str(caught.value)

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    files = parquet_files({"rte": splits(8)})
    hub.add_dataset(GLUE, {"cola": splits(9)})
    assert f"rte: {GLUE}: its configurations are cola; expected rte" in refused()
    rows(8).to_parquet(tmp_path / "mine.parquet")
    for place in (tmp_path / "mine.parquet", "../../../../../../mine.parquet", "https://elsewhere.invalid/a.parquet"):
        hub.datasets[GLUE].put({**files, "README.md": files["README.md"].replace(b"rte/train-*", str(place).encode())})
        assert "no file of its split train is in it" in refused()
    hub.datasets[GLUE].put({**files, "rte/train-00000-of-00001.parquet": b"no Parquet"})
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what is read lies here: no proxy has to do with it
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    assert re.fullmatch(f"rte: {GLUE}: cannot be read as a data set: Parquet magic .* not found.*; use PATH", refused())
    hub.datasets[GLUE].put({**files, "README.md": b"---\nconfigs: [\n---\n"})
    assert f"rte: {GLUE}: cannot be read as a data set: " in refused()
    hub.fault("GET /lfs/", status=500)
    hub.add_dataset(GLUE, {"rte": splits(11)})
    assert "the download of rte/train-00000-of-00001.parquet broke off: it answers 500" in refused()

"""Bad input, as a table: whatever is wrong, one line on stderr names it and says what to do; nothing is left behind.

Ray is kept out of most cases: main_lm.py is called in this process with an engine that starts nothing, which is all
that the cases need, since none comes to the rounds. A few run as a user would run them.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import main_lm
from tests.conftest import ROOT
from tests.fuzz_readers import SOURCES
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.console import NOTES

HEADER = "index\tsentence1\tsentence2\tlabel\n"
GOOD = f"{HEADER}0\tA man.\tB.\tentailment\n1\tC.\tD.\tnot_entailment\n"


class Place:
    """The folder a case happens in: a toy table of RTE, a tiny BERT, and what the case puts there or spoils."""

    def __init__(self, base: Path, bert: Path) -> None:
        self.base, self.bert = base, bert
        self.data = base / "data"

    def table(self, change: Callable[[Path], None] | None = None) -> None:
        """Make the toy table; `change` spoils its folder."""
        folder = toy_table(self.data, 12, 6).folder
        if change:
            change(folder)

    def source(self, task: str, **files: str | bytes | None) -> None:
        """Write a task's official files, some of them spoilt (`train_tsv=…`; None: left out)."""
        (self.base / "raw").mkdir()
        contents = SOURCES[task] | {name.replace("_", ".", 1): content for name, content in files.items()}
        for name, content in contents.items():
            if content is not None:
                (self.base / "raw" / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def model(self, *without: str, **changes: object) -> None:
        """Copy the tiny BERT, less some files; `changes` go into its config.json."""
        shutil.copytree(self.bert, self.base / "model", ignore=shutil.ignore_patterns(*without))
        path = self.base / "model" / "config.json"
        if changes:
            path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def nothing(place: Place) -> None:
    """The toy table alone."""
    place.table()


def table(change: Callable[[Path], None]) -> Callable:
    return lambda place: place.table(change)


def source(task: str, **files) -> Callable:
    return lambda place: place.source(task, **files)


def model(*without: str, then: Callable[[Path], None] | None = None, **changes) -> Callable:
    def make(place: Place) -> None:
        place.table()
        place.model(*without, **changes)
        if then:
            then(place.base / "model")
    return make


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def card(**changes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "card.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return change


def files_elsewhere(name: str) -> Callable[[Path], None]:
    """A card whose `files` lead elsewhere, where a whole file is."""
    def change(folder: Path) -> None:
        (folder.parent.parent / "outside.parquet").write_bytes((folder / "train-all.parquet").read_bytes())
        splits = json.loads((folder / "card.json").read_text())["splits"]
        splits["train"]["files"]["all"] = name.format(base=folder.parent.parent)
        card(splits=splits)(folder)
    return change


def link(folder: Path) -> None:
    """A Parquet file that is a link to a whole one outside."""
    (folder / "train-all.parquet").rename(folder.parent.parent / "outside.parquet")
    (folder / "train-all.parquet").symlink_to(folder.parent.parent / "outside.parquet")


def column(name: str, value: object) -> Callable[[Path], None]:
    """A Parquet file with another value in the first row of a column."""
    def change(folder: Path) -> None:
        path = folder / "train-all.parquet"
        rows = pq.ParquetFile(path).read()
        values, at = rows[name].to_pylist(), rows.column_names.index(name)
        made = pa.array([value, *values[1:]], rows.schema.field(at).type)
        pq.write_table(rows.set_column(at, rows.schema.field(at), made), path)
    return change


def columns(**renamed: str) -> Callable[[Path], None]:
    """A Parquet file whose columns have other names."""
    def change(folder: Path) -> None:
        path = folder / "train-all.parquet"
        rows = pq.ParquetFile(path).read()
        pq.write_table(rows.rename_columns([renamed.get(name, name) for name in rows.column_names]), path)
    return change


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-40])
    return change


def pickled(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, folder / "pytorch_model.bin")


def other_weights(folder: Path) -> None:
    """RoBERTa's weights, named as BERT's are not."""
    roberta = tiny_once(folder.parent, "roberta")
    (folder / "model.safetensors").write_bytes((roberta / "model.safetensors").read_bytes())


RTE = "--data rte --source {base}/raw"
MODEL = "--data rte --model {base}/model"


@dataclass(frozen=True)
class Case:
    """One row: what is there, the flags, and the pieces that the line on stderr has."""

    id: str
    make: Callable[[Place], None]
    flags: str
    said: tuple[str, ...]


def cases(make, *rows: tuple) -> list[Case]:
    return [Case(id, make, flags, said) for id, flags, *said in rows]


FLAGS = cases(
    nothing,
    ("unknown task", "--data imdb", "--data imdb: no such task; the tasks are boolq, cola"),
    ("task as a path", "--data ../rte", "--data ../rte: no such task"),
    ("unknown flag", "--learning_rate 1", "unrecognized arguments: --learning_rate 1", "see --help"),
    ("abbreviated flag", "--lang 0.5", "unrecognized arguments: --lang", "see --help"),
    ("stray word", "rte", "unrecognized arguments: rte", "see --help"),
    ("stray lines", "rte\x1b[2J\nmore", r"unrecognized arguments: rte\x1b[2J\nmore"),
    ("no value", "--lr", "--lr: expected one argument"),
    ("value of a switch", "--centralized=1", "--centralized: ignored explicit argument"),
    ("lang_mix above 1", "--lang_mix 1.5", "--lang_mix 1.5: must be a number from 0 to 1"),
    ("lang_mix below 0", "--lang_mix -0.1", "--lang_mix -0.1: must be a number from 0 to 1"),
    ("lang_mix nan", "--lang_mix nan", "--lang_mix nan: must be a number from 0 to 1"),
    ("frac_fit 0", "--frac_fit 0", "--frac_fit 0.0: must be a number above 0, up to 1"),
    ("frac_fit above 1", "--frac_fit 2", "--frac_fit 2.0: must be a number above 0, up to 1"),
    ("epoch 0", "--epoch 0", "--epoch 0: must be a whole number from 1"),
    ("epoch with a fraction", "--epoch 1.5", "--epoch: must be a whole number, not '1.5'"),
    ("batch_size 0", "--batch_size 0", "--batch_size 0: must be a whole number from 1"),
    ("batch_size endless", f"--batch_size {10**30}", "--batch_size", "must be a whole number from 1 (to 10^9)"),
    ("batch_accum 0", "--batch_accum 0", "--batch_accum 0: must be a whole number from 1"),
    ("batching", "--batching sorted", "--batching: invalid choice: 'sorted'", "length"),
    ("n_iterations", "--n_iterations -1", "--n_iterations -1: must be a whole number from 0"),
    ("lr 0", "--lr 0", "--lr 0.0: must be a number above 0"),
    ("lr infinite", "--lr inf", "--lr inf: must be a number above 0"),
    ("lr a word", "--lr fast", "--lr: must be a number, not 'fast'"),
    ("lr_schedule", "--lr_schedule cosine", "--lr_schedule: invalid choice: 'cosine'", "linear"),
    ("weight_decay", "--weight_decay -1", "--weight_decay -1.0: must be a number from 0"),
    ("max_grad_norm", "--max_grad_norm inf", "--max_grad_norm inf: must be a number from 0"),
    ("optimizer_state", "--optimizer_state lose", "--optimizer_state: invalid choice: 'lose'", "keep"),
    ("precision", "--precision fp16", "--precision: invalid choice: 'fp16'", "bf16"),
    ("seed below 0", "--seed -1", "--seed -1: must be a whole number from 0 to 4294967295"),
    ("seed beyond 32 bits", "--seed 4294967296", "--seed 4294967296: must be a whole number from 0 to"),
    ("test", "--test -1", "--test -1: must be a whole number from 0"),
    ("val_ratio 1", "--val_ratio 1", "--val_ratio 1.0: must be a number from 0 to below 1"),
    ("max_length", "--max_length 7", "--max_length 7: must be a whole number from 8"),
    ("domain_by", "--domain_by colour", "--domain_by: invalid choice: 'colour'", "natural"),
    ("skip_evalnum", "--skip_evalnum 0", "--skip_evalnum 0: must be a whole number from 1"),
    ("transport", "--transport pigeon", "--transport: invalid choice: 'pigeon'", "message"),
    ("data_dir empty", "--data_dir=", "--data_dir : must be the name of a folder"),
    ("n_clients below 0", "--n_clients -1", "--n_clients -1: must be a whole number from 0"),
    ("n_cpu 0", "--n_cpu 0", "--n_cpu 0.0: must be a number above 0"),
    ("n_cpu beyond the machine", "--n_cpu 4096", "--n_cpu 4096: this machine has"),
    ("ray_address without port", "--ray_address here", "--ray_address here: must be auto, or the HOST:PORT"),
    ("ray_address of a client", "--ray_address ray://here:1", "--ray_address ray://here:1: must be auto, or the HOST"),
    ("ray_address of nobody", "--ray_address 127.0.0.1:9", "--ray_address 127.0.0.1:9: nobody answers there"),
    ("partitioner unknown", "--partitioner moon", "--partitioner: invalid choice: 'moon'"),
    ("partitioner and lang_mix", "--partitioner dirichlet --lang_mix 0.5", "dirichlet and --lang_mix 0.5 contradict"),
    ("tracker unknown", "--track paper", "--track: invalid choice: 'paper'"),
    ("alpha zero", "--partitioner dirichlet --alpha 0", "--alpha 0.0: must be a number above 0"),
    ("server_lr of another strategy", "--server_lr 0.1", "--server_lr 0.1: is a flag of --strategy", "fedadam"),
    ("alpha of another partitioner", "--alpha 1", "--alpha 1: is a flag of --partitioner dirichlet"),
    ("n_workers endless", "--n_workers 1000000", "--n_workers 1000000: must be a whole number from 0 to 1024"),
    ("n_gpus over zero", "--n_gpus 1/0", "--n_gpus", "must be a whole number, not '1/0'"),
    ("n_gpus astronomical", "--n_gpus 1e999999999", "--n_gpus", "must be a whole number, not '1e999999999'"),
    ("n_gpus beyond the machine", "--n_gpus 64", "--n_gpus 64: this machine has", "use --n_gpus 0 for the CPU"),
    ("GPU share without a GPU", "--gpus_per_client 0.5", "--gpus_per_client 0.5: needs --n_gpus above 0"),
    ("GPU share above all", "--n_gpus 1 --gpus_per_client 2", "--gpus_per_client 2: more than --n_gpus 1"),
    ("GPU share uneven", "--n_gpus 4 --gpus_per_client 1.5", "--gpus_per_client 1.5: above 1 it must be a whole"),
    ("client_retries", "--client_retries -1", "--client_retries -1: must be a whole number from 0"),
    ("min_success below 0", "--min_success -1", "--min_success -1: must be a whole number from 0"),
    ("hub repository without a name", "--push_to_hub toy", "--push_to_hub toy: must be the NAME/REPO of a repository"),
    ("hub repository as an address", "--push_to_hub https://hub/me/toy", "--push_to_hub https://hub/me/toy: must be"),
    ("hub repository as a path", "--push_to_hub ../toy", "--push_to_hub ../toy: must be the NAME/REPO"),
    ("hub repository without its second half", "--push_to_hub=me/", "--push_to_hub me/: must be the NAME/REPO"),
    ("public without a repository", "--hub_public", "--hub_public: there is nothing to send; name the repository"),
    ("two starts", "--random_init --load_model x", "--random_init and --load_model contradict each other"),
)
ROWS = cases(
    nothing,
    ("unknown split", "--data rte --test_split moon", "--test_split moon: rte can be tested on dev"),
    ("split that is trained on", "--data rte --test_split train", "--test_split train: rte can be tested on dev"),
    ("more clients than rows", "--data rte --n_clients 13", "--n_clients 13: rte has 12 training rows; give at most"),
    ("a thousand million clients", f"--data rte --n_clients {10**9}", "--n_clients 1000000000: rte has 12"),
    ("more clients than kept rows", "--data rte --n_clients 6 --val_ratio 0.9 --test 1",
     "has no training rows; use fewer",
     "--n_clients"),
    ("domain without test rows", "--data rte --n_clients 8", "slice7 has no test rows; use fewer domains (--n_clients"),
    ("too many successes", "--data rte --frac_fit 0.4 --min_success 2", "--min_success 2: only 1 take part"),
    ("no natural domains", "--data rte --domain_by natural", "--domain_by natural: rte has no natural", "use slices"),
    ("resuming what is no run", "--data rte --run_dir {base}/data --resume", "--resume",
     "holds no run (no config.json)"),
    ("run folder in use", "--data rte --run_dir {base}/data", "--run_dir", "already holds files; name a new folder"),
    ("no such source", "--data cola --source nowhere", "--source nowhere: no such file or folder", "or hub"),
    ("source at no revision", "--data cola --source hub@", "--source hub@: hub@ and a branch, tag or commit"),
    ("source at a revision it cannot have", "--source pypi@1", "--source pypi@1: hub@ and a branch", "or pypi alone"),
    ("source without end", "--data cola --source /dev/zero", "--source /dev/zero: no such file or folder", "or hub"),
    ("source with a long name", f"--data cola --source {'a' * 300}", "--source aaa", "no such file or folder"),
    ("source of another task", "--data cola --source {base}/data", "--source", "train.tsv is neither there nor in its"),
    ("source that is not there", "--data rte --data_dir {base}/new --source pypi",
     "--source pypi: rte is not there; use"),
)
SOURCES_SPOILT = [
    Case(id, source(task, **{key: content}), f"--data {task} --source {{base}}/raw", tuple(said))
    for id, task, key, content, *said in (
        ("TSV missing", "rte", "dev_tsv", None, "raw/dev.tsv: No such file", "expected one of the official files"),
        ("TSV empty", "rte", "train_tsv", "", "raw/train.tsv:1: column 'sentence1' is not in the header"),
        ("TSV header only", "rte", "train_tsv", HEADER, "raw/train.tsv:1: no rows; expected at least one"),
        ("TSV truncated", "rte", "train_tsv", GOOD[:-17],
         "raw/train.tsv:3: expected 4 columns parted by tabs, found 3"),
        ("TSV not UTF-8", "rte", "dev_tsv", GOOD.encode("utf-16"), "raw/dev.tsv:1: ", "expected UTF-8 text"),
        ("TSV Latin-1", "rte", "dev_tsv", GOOD.replace("man", "mañ").encode("latin-1"), "raw/dev.tsv:2: byte 7 is not"),
        ("TSV wrong column", "rte", "train_tsv", GOOD.replace("label", "answer"),
         "raw/train.tsv:1: column 'label' is not"),
        ("TSV wrong label", "rte", "train_tsv", GOOD.replace("not_", "un"),
         "raw/train.tsv:3: label 'unentailment' is none"),
        ("TSV endless label", "rte", "train_tsv", GOOD.replace("not_", "x" * 99999), "raw/train.tsv:3: label 'xxx"),
        ("TSV header twice", "rte", "train_tsv", GOOD.replace("index", "label"),
         "raw/train.tsv:1: column 'label' is twice"),
        ("TSV with a NUL", "rte", "train_tsv", GOOD.replace("C.", "\0"),
         "raw/train.tsv:3: holds a NUL byte; expected UTF-8"),
        ("TSV score", "stsb", "train_tsv", SOURCES["stsb"]["train.tsv"].replace("5.000", "nan"),
         "raw/train.tsv:2: score 'nan' is no number from 0 to 5"),
        ("TSV domain as a path", "mnli", "train_tsv", SOURCES["mnli"]["train.tsv"].replace("fiction", "../../x"),
         "raw/train.tsv:3: '../../x' cannot be part of a file name; expected"),
        ("JSONL missing", "boolq", "val_jsonl", None, "raw/val.jsonl: No such file",
         "expected one of the official files"),
        ("JSONL empty", "boolq", "train_jsonl", "", "raw/train.jsonl:1: no rows; expected at least one"),
        ("JSONL truncated", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"][:-9],
         "raw/train.jsonl:1: not valid JSON",
         "expected one object a line"),
        ("JSONL not UTF-8", "boolq", "train_jsonl", b'{"question": "\xff"}', "raw/train.jsonl:1: byte 15 is not UTF-8"),
        ("JSONL half a surrogate", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("is it", r"\ud800"),
         "raw/train.jsonl:1: a string holds half a surrogate pair; expected UTF-8"),
        ("JSONL wrong key", "boolq", "train_jsonl", '{"query": "q"}',
         "raw/train.jsonl:1: key 'question' is missing; expected"),
        ("JSONL wrong label", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("true", "1"),
         "raw/train.jsonl:1: key 'label' has 1; expected a bool"),
        ("JSONL key twice", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("passage", "question"),
         "raw/train.jsonl:1: not valid JSON (key 'question' stands twice)"),
        ("JSONL with a NUL", "boolq", "val_jsonl", "{\0}", "raw/val.jsonl:1: holds a NUL byte; expected UTF-8 text"),
        ("JSONL seven choices", "qasc", "train_jsonl", SOURCES["qasc"]["train.jsonl"].replace('"H"', '"I"'),
         "raw/train.jsonl:1: the choices are not eight texts labelled A to H"),
    )
]
TABLES = [
    Case(id, table(change), "--data rte", (*said, "python preprocess/rte.py"))
    for id, change, *said in (
        ("Parquet missing", lambda folder: (folder / "train-all.parquet").unlink(),
         "train-all.parquet is missing: make"),
        ("Parquet empty", write("train-all.parquet", b""), "train-all.parquet cannot be read"),
        ("Parquet truncated", cut("train-all.parquet"), "train-all.parquet cannot be read"),
        ("Parquet of something else", write("dev-all.parquet", b"PAR1" * 9), "dev-all.parquet cannot be read"),
        ("Parquet wrong column", columns(label="answer"),
         "train-all.parquet is not what card.json says: found 12 rows of"),
        ("Parquet column twice", columns(sentence2="sentence1"),
         "train-all.parquet is not what card.json says: found 12"),
        ("Parquet wrong label", column("label", 7), "labels from 0 to 7, expected 0 to 1"),
        ("Parquet without a label", column("label", None), "column 'label' lacks values"),
        ("Parquet without a text", column("sentence1", None), "column 'sentence1' lacks values"),
        ("Parquet of another domain", column("domain", "x"), "rows of other domains than 'all'"),
        ("Parquet rows out of order", column("row", 3), "the rows of split train are not 0 to 11"),
        ("Parquet a link", link, "train-all.parquet is a link: put the file itself there, or make"),
        ("card empty", write("card.json", b""), "card.json is no table's card"),
        ("card of another kind", write("card.json", b"[1]"), "card.json is no table's card"),
        ("card not UTF-8", write("card.json", b"\xff\xff\xff"), "card.json is no table's card"),
        ("card too deep", write("card.json", b"[" * 10**5), "card.json is no table's card"),
        ("card without splits", card(splits={}), "card.json is no table's card"),
        ("card that leads up", files_elsewhere("../../outside.parquet"), "card.json is no table's card",
         "../../outside"),
        ("card that leads to the root", files_elsewhere("{base}/outside.parquet"), "card.json is no table's card"),
    )
]
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
         "save_pretrained(FOLDER)"),
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
        ("attention from the hub", model(attn_implementation="who/knows"), MODEL, "no model's code is run; remove"),
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
ALONE = [*FLAGS, *ROWS, *SOURCES_SPOILT, *TABLES, *MODELS]
#: these run as a user would run them, with Ray
BY_HAND = ("more clients than rows", "TSV wrong label", "Parquet truncated", "model as a pickle",
           "weights of another architecture", "no such model")


@contextmanager
def no_engine(cluster, client: str) -> Iterator[SimpleNamespace]:
    """Yield an engine that starts nothing: the case has to end before the rounds."""
    yield SimpleNamespace(machine=cluster.machine, run=lambda rounds, job: pytest.fail("the input was taken"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    return tiny_once(tmp_path_factory.getbasetemp(), "bert")


@pytest.fixture
def here(monkeypatch):
    """Run main_lm.py's main in this process, without Ray, without the hub, and with its own collector as it was."""
    monkeypatch.setattr(main_lm, "run", partial(main_lm.run, opened=no_engine))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(NOTES, name, getattr(NOTES, name))  # main sets them
    monkeypatch.setattr(main_lm, "quiet_environment", lambda own_ray: None)  # it changes this process's environment

    def run(words: list[str]) -> int:
        try:
            return main_lm.main(words)
        except SystemExit as stop:
            return stop.code
        finally:
            gc.enable()

    return run


def prepared(case: Case, base: Path, bert: Path) -> tuple[list[str], set[Path]]:
    """Make what the case is about; return its command line, and all paths there are before it."""
    place = Place(base, bert)
    case.make(place)
    if "{base}/copa" in case.flags:
        Place(base / "copa", bert).base.mkdir()
        for name, content in SOURCES["copa"].items():
            (base / "copa" / name).write_text(content)
    defaults = {"--model": bert, "--data_dir": base / "data", "--run_dir": base / "run"}
    words = [word.replace("{base}", str(base)) for word in case.flags.split(" ")]
    given = {word.split("=")[0] for word in words}
    words += [str(part) for flag, value in defaults.items() if flag not in given for part in (flag, value)]
    return words, set(base.rglob("*"))


def check(case: Case, code: int, out: str, err: str, base: Path, before: set[Path]) -> None:
    """Check the promise of the table."""
    notes = ("preprocess: ", "removed what a dead run left", "[ ")  # the last: what the run is at
    lines = [line for line in err.splitlines() if not line.startswith(notes)]
    assert (code, out) == (2, "") and len(lines) == 1 and "Traceback" not in err, (code, out, err)
    assert lines[0].startswith("main_lm.py: ") and lines[0].isprintable() and len(lines[0]) < 1200
    for piece in case.said:
        assert piece in lines[0]
    left = {path for path in set(base.rglob("*")) - before
            if base / "data" / "copa" not in (path, *path.parents) and "tokens" not in path.parts}
    assert left - {base / "data"} == set(), left


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.id)
def test_bad_input_is_one_line_exit_code_2_and_nothing_left(case, bert, here, tmp_path, capfd):
    words, before = prepared(case, tmp_path, bert)
    capfd.readouterr()
    code = here(words)
    out, err = capfd.readouterr()
    check(case, code, out, err, tmp_path, before)


def test_the_table_is_long_and_has_no_row_twice():
    assert len({case.id for case in ALONE}) == len(ALONE) >= 100
    assert set(BY_HAND) <= {case.id for case in ALONE}


def as_typed(words: list[str], prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run main_lm.py as a user would, without the hub."""
    return subprocess.run([*prefix, sys.executable, "main_lm.py", *words], cwd=ROOT, text=True,
                          capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=300)


def test_the_same_as_a_user_types_it(bert, tmp_path):
    chosen = [case for case in ALONE if case.id in BY_HAND]
    made = []
    for number, case in enumerate(chosen):
        (tmp_path / str(number)).mkdir()
        made.append(prepared(case, tmp_path / str(number), bert))
    with ThreadPoolExecutor(2) as pool:
        for number, (case, done) in enumerate(zip(chosen, pool.map(as_typed, [words for words, _ in made]))):
            check(case, done.returncode, done.stdout, done.stderr, tmp_path / str(number), made[number][1])


@pytest.mark.parametrize("flag, said", [
    ("--data_dir {base}/locked", ("locked/rte: cannot be written", "name another folder with --data_dir")),
    ("--data_dir {base}/data --run_dir {base}/locked/run", ("locked cannot be written to; name another folder",
                                                            "--run_dir")),
], ids=["data", "record"])
def test_a_folder_that_may_not_be_written_is_named(flag, said, bert, tmp_path):
    """Root may write anywhere, so as root the right to is given up first."""
    prefix = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    if prefix and not shutil.which("setpriv"):
        pytest.skip("root, and no setpriv to give its rights up")
    case = Case("read-only", source("rte"), f"{RTE} {flag}", said)
    (tmp_path / "locked").mkdir(mode=0o555)
    words, before = prepared(case, tmp_path, bert)
    done = as_typed(words, prefix=prefix)
    check(case, done.returncode, done.stdout, done.stderr, tmp_path, before)

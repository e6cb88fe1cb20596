"""Bad input, as a table: whatever is wrong, one line on stderr names it and says what to do; nothing is left behind.

Ray is kept out of most cases: main_lm.py is called in this process with an engine that starts nothing, which is all
that the cases need, since none comes to the rounds. A few run as a user would run them. Here is what is wrong with
flags, and with what they ask of good rows; tests/bad_input/ has the cases of spoilt files.
"""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import main_lm
from tests.bad_input import Case, Place, nothing
from tests.bad_input.models import MODELS
from tests.bad_input.sources import SPOILT, source
from tests.bad_input.tables import TABLES
from tests.fuzz_readers import SOURCES
from tests.processes import outcome_of
from tests.tiny import tiny_once


def cases(make, *rows: tuple) -> list[Case]:
    return [Case(id, make, flags, said) for id, flags, *said in rows]


FLAGS = cases(
    nothing,
    ("unknown task", "--data squad", "--data squad: no such task; the tasks are anli, boolq, cola"),
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
    ("train", "--train half", "--train", "half", "lora"),
    ("lora_r 0", "--train lora --lora_r 0", "--lora_r 0: must be a rank from 1 to 9999, or several as 4,8,16"),
    ("lora_r no list", "--train lora --lora_r 4,", "--lora_r 4,: must be a rank from 1"),
    ("lora_dropout 1", "--train lora --lora_dropout 1", "--lora_dropout 1.0: must be a number from 0 to below 1"),
    ("lora_alpha 0", "--train lora --lora_alpha 0", "--lora_alpha 0.0: must be a number above 0"),
    ("adapters' strategy alone", "--strategy flora", "--strategy flora: is for adapters alone; give --train lora"),
    ("lora_r without lora", "--lora_r 4", "--lora_r 4: is a flag of --train lora; --train all has no such flag"),
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
    ("warmup_ratio", "--warmup_ratio 1.5", "--warmup_ratio 1.5: must be a number from 0 to 1"),
    ("weight_decay", "--weight_decay -1", "--weight_decay -1.0: must be a number from 0"),
    ("max_grad_norm", "--max_grad_norm inf", "--max_grad_norm inf: must be a number from 0"),
    ("optimizer_state", "--optimizer_state lose", "--optimizer_state: invalid choice: 'lose'", "keep"),
    ("client_average_from alone", "--client_average_from 0.8", "--client_average_from 0.8: needs --client_average swa"),
    ("precision", "--precision fp16", "--precision: invalid choice: 'fp16'", "bf16"),
    ("fp32_products", "--fp32_products mkl", "--fp32_products: invalid choice: 'mkl'", "onednn"),
    ("fp32_products of a compiled model", "--fp32_products onednn --compile", "--fp32_products onednn and --compile "
     "contradict each other"),
    ("fp32_products of a GPU", "--fp32_products onednn --n_gpus 1", "--fp32_products onednn: is a library for CPUs"),
    ("seed below 0", "--seed -1", "--seed -1: must be a whole number from 0 to 4294967295"),
    ("seed beyond 32 bits", "--seed 4294967296", "--seed 4294967296: must be a whole number from 0 to"),
    ("test", "--test -1", "--test -1: must be a whole number from 0"),
    ("val_ratio 1", "--val_ratio 1", "--val_ratio 1.0: must be a number from 0 to below 1"),
    ("max_length", "--max_length 7", "--max_length 7: must be a whole number from 8"),
    ("domain_by", "--domain_by colour", "--domain_by: invalid choice: 'colour'", "natural"),
    ("skip_evalnum", "--skip_evalnum 0", "--skip_evalnum 0: must be a whole number from 1"),
    ("diagnose below 0", "--diagnose -1", "--diagnose -1: must be a whole number from 0"),
    ("diagnose without held-out rows", "--diagnose 2", "--diagnose 2: measures losses on held-out rows", "--val_ratio"),
    ("diagnose with ranks of clients", "--train lora --strategy flora --lora_r 4,8 --val_ratio 0.2 --diagnose 1",
     "--diagnose 1: adapters of different ranks have no mean; give one --lora_r, or leave it out"),
    ("transport", "--transport pigeon", "--transport: invalid choice: 'pigeon'", "message"),
    ("data_dir empty", "--data_dir=", "--data_dir : must be the name of a folder"),
    ("n_clients below 0", "--n_clients -1", "--n_clients -1: must be a whole number from 0"),
    ("n_cpu 0", "--n_cpu 0", "--n_cpu 0.0: must be a number above 0"),
    ("n_cpu beyond the machine", "--n_cpu 4096", "--n_cpu 4096: this machine has"),
    ("ray_address without port", "--ray_address here", "--ray_address here: must be auto, or the HOST:PORT"),
    ("ray_address of a client", "--ray_address ray://here:1", "--ray_address ray://here:1: must be auto, or the HOST"),
    ("ray_address of no cluster", "--ray_address 127.0.0.1:9", "--ray_address 127.0.0.1:9: no cluster answers there"),
    ("partitioner unknown", "--partitioner moon", "--partitioner moon: must be one of lang_mix, dirichlet"),
    ("strategy unknown", "--strategy fedadm", "--strategy fedadm: no such strategy; nearest: fedadam, "),
    ("partitioner and lang_mix", "--partitioner dirichlet --lang_mix 0.5", "dirichlet and --lang_mix 0.5 contradict"),
    ("match_norm of a mean", "--match_norm", "--match_norm: the step of --strategy averaging is the plain mean's"),
    ("tracker unknown", "--track wand", "--track wand: must be one of none, ", "; nearest: wandb"),
    ("alpha zero", "--partitioner dirichlet --alpha 0", "--alpha 0.0: must be a number above 0"),
    ("merge of one client", "--strategy ties --centralized", "--strategy ties and --centralized contradict each other"),
    ("large batches of clients", "--large_batch", "--large_batch: is a baseline of one client; give --centralized"),
    ("client of none", "--only_client 1 --centralized", "--only_client 1 and --centralized contradict each other"),
    ("client of a part", "--only_client 1 --frac_fit 0.5", "--only_client 1 and --frac_fit 0.5 contradict each other"),
    ("client below 0", "--only_client -2", "--only_client -2: must be a client's number, from 0 (-1: all)"),
    ("density 0", "--strategy ties --density 0", "--density 0.0: must be a number above 0, up to 1"),
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
    ("hub without a model", "--push_to_hub me/toy --save_model none", "--push_to_hub me/toy and --save_model none "
     "contradict each other"),
    ("save_model", "--save_model best", "--save_model: invalid choice: 'best'", "none"),
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
    ("client that is not there", "--data rte --only_client 3", "--only_client 3: there are 3 clients, 0 to 2"),
    ("too many successes", "--data rte --frac_fit 0.4 --min_success 2", "--min_success 2: only 1 take part"),
    ("too few clients for Krum", "--data rte --n_clients 4 --strategy krum --byzantine 1", "--strategy krum: needs 5",
     "or a lower --byzantine than 1"),
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
ALONE = [*FLAGS, *ROWS, *SPOILT, *TABLES, *MODELS]
#: these run as a user would run them, with Ray
BY_HAND = ("more clients than rows", "TSV wrong label", "Parquet truncated", "model as a pickle",
           "weights of another architecture", "no such model")


@contextmanager
def no_engine(cluster, client: str) -> Iterator[SimpleNamespace]:
    """Yield an engine that starts nothing: the case has to end before the rounds."""
    yield SimpleNamespace(machine=cluster.machine, is_here=False, run=lambda run: pytest.fail("the input was taken"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    return tiny_once(tmp_path_factory.getbasetemp(), "bert")


@pytest.fixture
def here(monkeypatch):
    """Run main_lm.py's main in this process, without Ray, without the hub, and with its own collector as it was."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(main_lm, "quiet_environment", lambda own_ray: None)  # it changes this process's environment

    def run(words: list[str]) -> int:
        try:
            return main_lm.main(words, no_engine)
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
    notes = ("preprocess: ", "removed what a dead run left", "overlap: ", "[ ")  # the last: what the run is at
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


def test_layers_are_counted_before_the_engine_starts(bert, tmp_path, capfd):
    words, _ = prepared(Case("layers", nothing, "--data rte --layers 3", ()), tmp_path, bert)
    try:
        assert main_lm.main(words, lambda *_: pytest.fail("an engine was started")) == 2
    finally:
        gc.enable()
    assert f"--layers 3: {bert} has 2 layers; give 1 to 2, or 0 for all" in capfd.readouterr().err


def test_the_table_is_long_and_has_no_row_twice():
    assert len({case.id for case in ALONE}) == len(ALONE) >= 100
    assert set(BY_HAND) <= {case.id for case in ALONE}


def as_typed(words: list[str], prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run main_lm.py as a user would, without the hub."""
    return outcome_of([*prefix, sys.executable, "main_lm.py", *words])


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
    case = Case("read-only", source("rte"), f"--data rte --source {{base}}/raw {flag}", said)
    (tmp_path / "locked").mkdir(mode=0o555)
    words, before = prepared(case, tmp_path, bert)
    done = as_typed(words, prefix=prefix)
    check(case, done.returncode, done.stdout, done.stderr, tmp_path, before)

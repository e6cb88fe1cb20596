"""Fixtures that more than one room's tests use."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hub import Hub
from utils.console import NOTES
from utils.data.evaluation_sets import HEADLINE, HELD_OUT

if TYPE_CHECKING:
    from tests.beside import Beside

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
#: the tasks that the project comes with, whose public sources the tests have; a task that is added may have no such one
SHIPPED = tuple("boolq cola copa mnli mrpc qasc qnli qqp rte sentiment sst2 stsb wnli xnli".split())
BESIDE = pytest.StashKey["Beside"]()
SHIPPED_SETS = (HEADLINE, HELD_OUT, "held_out_domain", "unseen")  # a set that is added is in runs of its tests only


def copied_tree(folder: Path) -> Path:
    """Copy what a user runs into `folder`, for tests that add files to it.

    log/ is empty there, and of the evaluation sets there are SHIPPED_SETS, so that what is added is all there is more.
    """
    for name in ("preprocess", "clients", "engine", "merging", "pretraining", "reports", "strategies", "utils",
                 "sweeps", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("main_lm.py", "merge.py", "pretrain.py", "report.py"):
        shutil.copy(ROOT / name, folder)
    if (ROOT / ".venv").exists():
        (folder / ".venv").symlink_to(ROOT / ".venv")
    for path in (folder / "utils" / "data" / "evaluation_sets").glob("*.py"):
        if path.stem not in ("__init__", *SHIPPED_SETS):
            path.unlink()
    (folder / "log").mkdir()
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make matrix` ask for every cell of tests/test_determinism.py."""
    parser.addoption("--whole_matrix", action="store_true", help="run the whole matrix of determinism, not a part")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests that look at what runs beside the others come last."""
    items.sort(key=lambda item: "beside" in item.fixturenames)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the garbage collector pass over what all test files have imported: it is the most of what it looks at.

    And start what runs beside the tests (tests/beside.py).
    """
    from tests.beside import Beside

    gc.collect()
    gc.freeze()
    programs = {item.module.BESIDE for item in session.items if "beside" in item.fixturenames}
    if programs and not session.config.option.collectonly:
        session.config.stash[BESIDE] = Beside(sorted(programs))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what runs beside the tests, if it is still at work."""
    if beside := session.config.stash.get(BESIDE, None):
        beside.end()


@pytest.fixture(autouse=True)
def notes_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program that a test runs in this process leave the notes' logger as it was for the next one."""
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(NOTES, name, getattr(NOTES, name))


@pytest.fixture(scope="session")
def beside(request) -> "Beside":
    """Return ended(BESIDE) of the programs that run beside the tests."""
    return request.config.stash[BESIDE]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real official files; its README says what they hold."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("the official files are not here (../shared/data)")
    return SHARED_DATA


@pytest.fixture
def hub(tmp_path) -> Iterator[Hub]:
    """A hub on loopback for one test, empty, and commands that get its `environment()` find nothing else."""
    with Hub(tmp_path) as started:
        yield started


@pytest.fixture
def endpoint(hub, monkeypatch) -> Iterator[Callable[..., None]]:
    """A function that points this process at a hub's address, with a cache of the test's own; at first at `hub`."""
    import huggingface_hub.constants
    from huggingface_hub.utils import _http

    def forget_session() -> None:
        """Have the client begin anew, as it reads the proxies once; threads that still wait for a hub keep theirs."""
        _http._GLOBAL_CLIENT = None

    def point(url: str, cache: Path = hub.folder / "hf" / "hub") -> None:
        constants = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
                     "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}
        for name, value in constants.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        forget_session()

    for name, value in hub.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_proxy", os.environ["NO_PROXY"])
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    point(hub.url)
    yield point
    forget_session()

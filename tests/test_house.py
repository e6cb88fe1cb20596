"""The house: which room may import which, no circles, small files, few parameters, and tests that mirror the tree.

Import statements are read, wherever they stand: also in functions, and those that only types need. Plug-ins, which
are imported by the name that a flag gives, are no statement: a room may have what it must not name.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePath

import pytest

from tests.conftest import ROOT

#: from the lowest floor up: a room, and which of the rooms above it in this table it imports: only these, or all but
#: these. CONTRIBUTING.md has the same table.
FLOORS = (
    ("utils", "only", ()),
    ("utils.machine", "only", ("utils",)),
    ("utils.hub", "but", ()),
    ("utils.vectors", "but", ()),
    ("utils.data", "but", ("utils.vectors",)),
    ("utils.model", "but", ()),
    ("utils.record", "but", ()),
    ("preprocess", "but", ("utils.vectors", "utils.model", "utils.record")),
    ("strategies", "only", ("utils", "utils.vectors")),
    ("clients", "but", ("preprocess",)),
    ("engine", "but", ("preprocess",)),
    ("reports", "only", ("utils", "utils.machine", "utils.data", "utils.record")),
    ("pretraining", "only", ("utils", "utils.machine", "utils.data", "utils.model", "utils.record", "preprocess")),
    ("pretrain", "only", ("utils", "utils.machine", "preprocess", "pretraining")),
    ("main_lm", "but", ("reports", "pretraining", "pretrain")),
    ("flower_app", "but", ("reports", "pretraining", "pretrain")),
    ("sweeps", "but", ("flower_app",)),
    ("report", "only", ("utils", "utils.machine", "reports")),
    ("merging", "but", ("main_lm", "flower_app", "sweeps", "report")),
    ("merge", "but", ("main_lm", "flower_app", "sweeps", "report")),
    ("tests' helpers", "but", ()),
    ("benchmarks", "but", ()),
    ("tests", "but", ()),
)
HEAVY = {"flwr", "ray", "torch"}  # what a method's file waits for only when a round needs it
LINES = 300
LINES_OF_MAIN = 120
PARAMETERS = 7
#: tests at the top that are about more than one file
WHOLE = ("adapters", "bad_input", "benchmarks", "determinism", "evaluation_sets", "further_sets", "further_tasks",
         "fuzz", "hostile", "house", "hub", "hub_tables", "machines", "method_properties", "methods", "network",
         "official_files", "pins", "probe", "readme", "survival", "terms")

Sources = Mapping[str, str]  # path → text


def sources(*suffixes: str) -> Sources:
    """Return the project's files with these suffixes: of its root, and of all its folders but data/ and log/."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."
               and path.name not in ("data", "log")]
    files = [*ROOT.iterdir(), *(file for folder in folders for file in folder.rglob("*"))]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in sorted(files)
            if file.suffix in suffixes and file.is_file()}


def room_of(path: str) -> str:
    """Return the room of a file."""
    top, *inner = PurePath(path).with_suffix("").parts
    if top == "utils" and len(inner) > 1:
        return f"utils.{inner[0]}"
    return "tests' helpers" if top == "tests" and not inner[-1].startswith("test_") else top


def allowed() -> dict[str, set[str]]:
    """Return what each room may import: itself, and what FLOORS says."""
    rooms: dict[str, set[str]] = {}
    for room, kind, names in FLOORS:
        assert rooms.keys() >= {*names}, f"{room} is below what it names"
        rooms[room] = {room, *(names if kind == "only" else rooms.keys() - {*names})}
    return rooms


def graph(project: Sources) -> dict[str, set[str]]:
    """Return which files of the project each file imports."""
    files = {".".join(PurePath(path).with_suffix("").parts).removesuffix(".__init__"): path for path in project}
    return {path: {files[name] for name in imported(path, text, files) if name in files}
            for path, text in project.items()}


def imported(path: str, text: str, modules: Mapping[str, str]) -> Iterator[str]:
    """Yield the modules that a file's import statements name; `from a import b` names a.b, if that is a module."""
    package = PurePath(path).parent.parts
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package[:len(package) - node.level + 1] if node.level else ()
            base = ".".join((*outer, *filter(None, [node.module])))
            yield from (inner if (inner := f"{base}.{alias.name}") in modules else base for alias in node.names)


def arrows_back(project: Sources) -> list[str]:
    """Return the imports that FLOORS does not allow."""
    rooms = allowed()
    return [f"{path} imports {other}" for path, others in graph(project).items() for other in sorted(others)
            if room_of(other) not in rooms[room_of(path)]]


def circle(project: Sources) -> list[str]:
    """Return files of which each imports the next and the last is the first; none where there is no such circle."""
    try:
        TopologicalSorter(graph(project)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def long_files(project: Sources) -> list[str]:
    """Return the files of too many lines."""
    limits = {"main_lm.py": LINES_OF_MAIN - 1}
    return [f"{path}: {count} lines" for path, text in project.items()
            if (count := len(text.splitlines())) > limits.get(path, LINES)]


def crowded(project: Sources) -> list[str]:
    """Return the functions of too many parameters (self and cls are none, *args is one), and the dataclasses that
    have to be given so many.
    """
    return [f"{path}:{line} {name}: {count} parameters" for path, text in project.items()
            for line, name, count in signatures(ast.parse(text)) if count > PARAMETERS]


def signatures(tree: ast.Module) -> Iterator[tuple[int, str, int]]:
    """Yield (line, name, number of parameters) of all functions and dataclasses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            each = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            several = [one for one in (node.args.vararg, node.args.kwarg) if one]
            count = len([one for one in each if one.arg not in ("self", "cls")]) + len(several)
            yield node.lineno, getattr(node, "name", "lambda"), count
        elif isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(one) for one in node.decorator_list):
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign) and field.value is None]
            yield node.lineno, node.name, len(fields)


def unmirrored(project: Sources) -> list[str]:
    """Return the tests that are called like no file: tests/X/test_Y.py is about X/Y, or at the top one of WHOLE."""
    tests = [PurePath(path).relative_to("tests") for path in project if re.match("tests/(.*/)?test_", path)]
    files = {str(PurePath(path).with_suffix("")) for path in project}
    return [f"tests/{test}" for test in tests if str(test) not in [f"test_{name}.py" for name in WHOLE]
            and str(test.with_name(test.stem.removeprefix("test_"))) not in files]


def loaded_by(*modules: str) -> set[str]:
    """Return which of HEAVY a process has loaded that has imported `modules`."""
    code = "import importlib, sys; [*map(importlib.import_module, sys.argv[1:])]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *modules], cwd=ROOT, capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def none(found: list[str]) -> None:
    """Fail with all that is found, a line each."""
    assert not found, "\n".join(["", *found])


def test_every_file_has_a_room():
    assert {room_of(path) for path in sources(".py")} == {room for room, _, _ in FLOORS}


def test_imports_run_one_way():
    none(arrows_back(sources(".py")))


def test_no_imports_go_round_in_a_circle():
    none(circle(sources(".py")))


def test_contributing_has_the_floors():
    rows = re.findall(r"^\| (.*) \| (nothing|all above|all above but .*|only .*) \|$",
                      (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    stated = [(room.strip("`"), "but" if what.startswith("all") else "only", tuple(re.findall("`(.*?)`", what)))
              for room, what in rows]
    assert stated == [*FLOORS]


def test_no_file_is_long():
    none(long_files(sources(".py", ".sh", ".toml", ".css")))


def test_no_function_takes_many_parameters():
    none(crowded(sources(".py")))


def test_tests_mirror_the_tree():
    none(unmirrored(sources(".py", ".sh")))
    none([name for name in WHOLE if not (ROOT / "tests" / f"test_{name}.py").exists()])


def test_a_method_is_listed_without_what_a_round_needs():
    methods = [f"strategies.{path.stem}" for path in Path(ROOT, "strategies").glob("*.py")]
    assert len(methods) > 3 and loaded_by(*methods) == set()
    assert loaded_by("utils.vectors.parameters") == {"torch"}  # it can be seen


@pytest.mark.parametrize(("path", "text", "imports"), [
    ("utils/data/a.py", "from utils.model import b", "utils/model/b.py"),
    ("utils/data/a.py", "from utils.vectors.c import something", "utils/vectors/c.py"),
    ("utils/vectors/a.py", "import os, utils.model.b as d", "utils/model/b.py"),
    ("utils/a.py", "def f():\n    from utils.model.b import something", "utils/model/b.py"),
    ("strategies/a.py", "if TYPE_CHECKING:\n    from engine import e", "engine/e.py"),
    ("strategies/a.py", "from utils.model.b import something", "utils/model/b.py"),
    ("preprocess/a.py", "from utils.model import b, x", "utils/model/b.py"),
    ("clients/a.py", "import engine.e", "engine/e.py"),
    ("engine/a.py", "import main_lm", "main_lm.py"),
    ("utils/data/a.py", "from ..model import b", "utils/model/b.py"),
    ("tests/toy.py", "from tests.test_b import x", "tests/test_b.py"),
])
def test_an_arrow_that_runs_back_is_seen(path, text, imports):
    others = dict.fromkeys(("utils/model/b.py", "utils/vectors/c.py", "engine/e.py", "main_lm.py", "tests/test_b.py"),
                           "import utils.data.a")
    others["utils/model/b.py"] = "from utils.data.a import something; import engineering, os.path"  # all of it allowed
    assert arrows_back({**others, path: text})[-1] == f"{path} imports {imports}"
    assert arrows_back({**others, path: "import os"})[-1:] != [f"{path} imports {imports}"]


def test_a_circle_is_seen():
    chain = {"a/b.py": "import a.c", "a/c.py": "def f():\n    from a import d", "a/d.py": "", "a/__init__.py": ""}
    assert circle(chain) == []
    assert sorted(circle({**chain, "a/d.py": "from a.b import f"})[1:]) == ["a/b.py", "a/c.py", "a/d.py"]


def test_a_long_file_is_seen():
    project = {"a.py": "\n" * 300, "b.py": "\n" * 301, "main_lm.py": "\n" * 120}
    assert long_files(project) == ["b.py: 301 lines", "main_lm.py: 120 lines"]


def test_many_parameters_are_seen():
    seven, eight = "a, b, *c, d, e, f=1, **g", "a, b, *, c, d, e, f, g, h=1"
    methods = f"class A:\n def f(self, {seven}): 0\n def g(self, {eight}): 0\n"
    fields = "\n".join(f" {letter}: int" for letter in "abcdefg")
    project = {"a.py": methods, "b.py": f"async def h({eight}): 0", "c.py": f"lambda {eight}: 0",
               "d.py": f"@dataclass(frozen=True)\nclass B:\n{fields}\n h: int = 1\n",
               "e.py": f"@dataclass\nclass C:\n{fields}\n h: int\n"}
    assert crowded(project) == ["a.py:3 g: 8 parameters", "b.py:1 h: 8 parameters", "c.py:1 lambda: 8 parameters",
                                "e.py:2 C: 8 parameters"]


def test_a_test_of_no_file_is_seen():
    tree = dict.fromkeys(("a/b.sh", "c.py", "tests/a/test_b.py", "tests/test_c.py", "tests/test_house.py"), "")
    assert unmirrored(tree) == []
    assert unmirrored({**tree, "tests/a/test_house.py": "", "tests/test_b.py": "", "tests/toy.py": ""}) == [
        "tests/a/test_house.py", "tests/test_b.py"]

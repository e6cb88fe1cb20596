"""Every command of README.md and docs/ runs, made small: fewer rows, one round, a tiny model where the hub's is named.

They run in a copy of the project, to which the files that the pages show are added. Runs whose results a page redirects
are typed into a shell; the others are done in one process, which starts once for all. docs/flower.md's are run by
tests/test_flower_app.py.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT, copied_tree
from tests.processes import drive, outcome_of
from tests.tiny import tiny_once
from utils.flags import fields_of
from utils.plugins import STRATEGIES

SMALL = "--test 12 --n_iterations 1 --max_length 32 --n_workers 1"  # one worker: there are two runs at once
MAIN_COMMANDS = 18  # of main_lm.py: pages that lose their commands must not pass
#: lines of a dry run; of two names in a command the first one counts
STUDIES = {"/mini": 35, "methods_mini": 63, "mixture": 18, "--quick": 108, "law_mini": 613}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRIED = [page for page in PAGES if page.name != "flower.md"]


def blocks(language: str) -> list[str]:
    """Return the pages' code blocks in a language."""
    return [block for page in TRIED
            for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)]


def commands() -> list[str]:
    """Return the lines of the pages' sh blocks, without their comments, each once."""
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return list(dict.fromkeys(lines))


def shrink(command: str, models: dict[str, Path], shared: Path) -> str:
    """Return a command with the hub's models, the GPUs and the sizes replaced."""
    command = command.replace("path/to/official/files", str(shared)).replace("path/to/tickets", "tickets")
    command = command.replace("bert-large-uncased", str(models["bert"])).replace("t5-base ", f"{models['t5']} ")
    command = command.replace("--n_gpus 2", "--n_gpus 0")
    if command.startswith("python main_lm.py"):
        rounds = "--n_iterations 0" if "--n_iterations 0" in command else ""
        head, to, file = command.partition(" > ")
        command = f"{head} {SMALL} {rounds} --precision fp32{to}{file}"
    elif command.startswith("python merge.py"):
        command += " --test 12 --max_length 32" if "--data" in command else ""
    elif command.startswith("python pretrain.py"):
        command += f" --task cola --teacher {models['bert']} --hidden 32 --vocab 300 --max_length 32 --tokens 0,1k"
    elif command.startswith("python sweeps/run.py"):
        command += "" if "--dry_run" in command else " --dry_run"  # tests/sweeps/test_run.py runs a study
    elif command.startswith("sweeps/"):
        command = f"SEEDS=1 ROUNDS=1 {command} {SMALL} --model {models['bert']}"
    return command


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, shared_data):
    """A copy of the project with data/ and log/ of its own, and the files of the pages: studies and extensions."""
    folder = copied_tree(tmp_path_factory.mktemp("readme"))
    files = {match[1]: block for block in (*blocks("toml"), *blocks("python"))
             if (match := re.match(r"# (\S+\.(?:py|toml))\n", block))}
    assert len(files) == 7
    for name, text in files.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    write_tickets(folder / "tickets")
    models = {family: tiny_once(folder, family) for family in ("bert", "t5")}
    return folder, models, shared_data


def write_tickets(folder: Path) -> None:
    """Write the rows of the README's own task."""
    folder.mkdir()
    for name in ("train.tsv", "dev.tsv"):
        rows = [f"{word} thing number {k}\t{label}\t{team}" for team in ("north", "south") for k in range(12)
                for word, label in (("good", "praise"), ("bad", "complaint"))]
        (folder / name).write_text("\n".join(["message\tlabel\tteam", *rows, ""]))


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a shell command in `folder` with this Python first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return outcome_of(["bash", "-c", command], {"PATH": path}, folder)


def test_the_pages_commands_run(workplace):
    folder, models, shared = workplace
    small = dict.fromkeys(shrink(command, models, shared) for command in commands()
                          if not command.startswith(("make ", "sweeps/", "python report.py")))
    mains = [command for command in small if "main_lm.py" in command]
    merges = [command for command in small if command.startswith("python merge.py")]
    others = [command for command in small if command not in mains + merges]
    assert len(mains) == MAIN_COMMANDS
    others.sort(key=lambda command: not command.startswith("python preprocess/"))  # pretrain.py reads such tables
    # Tables, folders and models first; then the runs whose results are redirected, as typed, beside the others.
    with ThreadPoolExecutor(2) as pool:
        for command, done in zip(others, pool.map(lambda command: run(command, folder), others)):
            assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
            if "sweeps/run.py" in command:
                lines = next(number for name, number in STUDIES.items() if name in command)
                assert len(done.stdout.splitlines()) == lines, "a study of other size than its page says"
        typed = [command for command in mains if " > " in command]
        driven = pool.submit(drive, [command.removeprefix("python ") for command in mains if command not in typed],
                             folder)
        for command in typed:
            done = run(command, folder)
            assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
        driven.result()
    assert len(merges) == 2
    for command in merges:
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
        assert [*re.findall(r"^\| (merged by|their|log/one) ", done.stdout, re.M)] == [
            "merged by", "their", "log/one"] * ("--data" in command)
    # Redirected output holds results and nothing else.
    files = re.findall(r" > (\S+)", "\n".join(typed))
    assert len(files) == 5
    for file in files:
        lines = [line.split() for line in (folder / file).read_text().splitlines()]
        sets = ["test", "short"] if "cola" in file else ["test"]  # the second is the README's own
        assert [words[:2] for words in lines[:-1]] == [[f"round={k}", f"split={name}"] for k in (0, 1) for name in sets]
        assert lines[-1][0] == "summary"
    every_field_is_told_of(folder / "log" / "tiny")


def every_field_is_told_of(record: Path) -> None:
    """Assert that docs/records.md names each field of the record of the run that it shows."""
    config, summary = (json.loads((record / name).read_text()) for name in ("config.json", "summary.json"))
    rounds = list(map(json.loads, (record / "rounds.jsonl").read_text().splitlines()))
    found = {*config, *config["flags"], *config["versions"], *summary}
    for one in (*rounds, summary):
        found |= {*one, *one["test"]}
    for one in rounds:
        found |= {*one["seconds"], *(name for client in one["clients"] for name in client)}
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    assert {name for name in found if f"`{name}`" not in page and f'"{name}"' not in page} == set()


def test_the_demo_and_the_offline_sweep_end_in_a_table(workplace):
    folder, models, _ = workplace
    run("python preprocess/sentiment.py", folder)
    scripts = {"demo": f"OUT=log/demo sweeps/demo.sh {SMALL} --model {models['bert']}",
               "offline": shrink(next(c for c in commands() if "offline.sh sentiment" in c), models, folder)}
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(scripts, pool.map(lambda command: run(command, folder), scripts.values())))
    for name, process in done.items():
        assert process.returncode == 0, f"{name}\n{process.stderr[-2000:]}"
    scores, gains = done["demo"].stdout.split("| rows trained")[1].split("gain over centralized")
    averaged = ["iid-linear", "noniid-linear", "noniid-partial0.5-linear"]
    for table, methods in ((scores, ["centralized", "centralized-linear", *averaged, "majority class"]),
                           (gains, averaged)):
        assert [row.split("|")[1].strip() for row in table.splitlines()[2:]
                if row.startswith("|") and not row.startswith("| method")] == methods
    assert (folder / "log" / "demo" / "report" / "report.html").exists()
    assert (folder / "log" / "demo" / "report" / "figures" / "curves.png").exists()
    assert all(f" {arm} " in done["offline"].stdout for arm in (
        "centralized-large-linear", "centralized-linear-client_swa", "centralized-linear-keep"))
    # The reports that the pages make of them
    [report] = [command for command in commands() if command.startswith("python report.py")]
    done = run(report, folder)
    assert done.returncode == 0, done.stderr
    assert "gain over centralized-linear " in done.stdout
    assert (folder / report.split(" --out ")[1] / "report.tex").exists()


def test_make_targets_of_the_readme_exist():
    named = {command.split()[1] for command in commands() if command.startswith("make ")}
    assert named == {"demo", "test", "bench"}
    for target in (*named, "setup"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def prose(page: Path) -> str:
    """Return a page without its code, in which nothing is a link."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """Return what a link may name in a page: its headings, in small letters, without punctuation, with - for spaces."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_links_lead_somewhere():
    dead, found = [], 0
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target, found = (page.parent / file).resolve() if file else page, found + 1
            if not (target.is_relative_to(ROOT) and target.exists() and (not anchor or anchor in anchors(target))):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert not dead
    assert found > 30


def test_the_page_of_methods_has_each_with_its_flags():
    text, _ = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8").split("\n## Compare them fairly\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
            if re.match(r"\| `\w+` \|", line)]
    flags: dict[str, str] = {}
    for name, _, its, *_ in rows:
        flags.setdefault(name.strip("`"), its)  # averaging stands among the adapters, too
    assert {*flags} == {*STRATEGIES.names()}
    for name, its in flags.items():
        assert re.findall(r"`--(\w+)`", its) == [field.name for field in fields_of(STRATEGIES.flags(name))], name

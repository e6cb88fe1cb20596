"""The versions that requirements.txt and constraints.txt pin, beside those that are installed.

    python -m tests.pins            print what is installed otherwise than pinned: one line each
    python -m tests.pins --write    pin what is installed here, in both files; their comments stay

`make newest` runs it in an environment of the newest versions; CONTRIBUTING.md says how pins are renewed.
"""

import argparse
import re
from importlib.metadata import distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS, CONSTRAINTS = "requirements.txt", "constraints.txt"
PIN = re.compile(r"^([\w.-]+)(\[[\w,-]+\])?(?:==(\S+))?(\s+#.*)?$")


def pinned(folder: Path, *files: str) -> dict[str, str]:
    """Return name → version of the `files` in `folder`; a name without a version has ""."""
    lines = [PIN.match(line) for file in files for line in (folder / file).read_text(encoding="utf-8").splitlines()]
    return {canonicalize_name(line[1]): line[3] or "" for line in lines if line}


def installed() -> dict[str, str]:
    """Return name → version of this environment's packages; of a build's own part (2.13.0+cpu) nothing."""
    return {canonicalize_name(found.name): found.version.partition("+")[0] for found in distributions()}


def needed(names: set[str]) -> set[str]:
    """Return `names` (with extras: flwr[simulation]) and all that they bring with them and is installed."""
    here, seen, left = installed(), set(), set(names)
    while left:
        requirement = Requirement(left.pop())
        seen.add(str(requirement))
        for line in requires(requirement.name) or []:
            brought = Requirement(line)
            wanted = brought.marker is None or any(brought.marker.evaluate({"extra": extra})
                                                   for extra in requirement.extras or {""})
            brought.marker = None
            if wanted and canonicalize_name(brought.name) in here and str(brought) not in seen:
                left.add(str(brought))
    return {canonicalize_name(Requirement(line).name) for line in seen}


def write(folder: Path) -> None:
    """Pin in the two files of `folder` what is installed here."""
    here, path, direct, lines = installed(), folder / REQUIREMENTS, set(), []
    for line in path.read_text(encoding="utf-8").splitlines():
        if pin := PIN.match(line):
            name, extras, _, comment = pin.groups(default="")
            direct.add(name + extras)
            line = f"{name}{extras}=={here[canonicalize_name(name)]}{comment}"
        lines.append(line)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    path = folder / CONSTRAINTS
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    brought = needed(direct) - pinned(folder, REQUIREMENTS).keys()
    path.write_text("\n".join([*lines, *(f"{name}=={here[name]}" for name in sorted(brought)), ""]), encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT, help="where the two files are (default: this project)")
    parser.add_argument("--write", action="store_true", help="pin what is installed here")
    flags = parser.parse_args()
    before, here = pinned(flags.folder, REQUIREMENTS, CONSTRAINTS), installed()
    for name in sorted(before):
        if before[name] != here.get(name):
            print(f"{name}: {before[name] or 'no version'} pinned, {here.get(name, 'none')} installed")
    if flags.write:
        write(flags.folder)


if __name__ == "__main__":
    main()

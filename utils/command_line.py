"""A command line → RunConfig, and `--help`, which alone imports every plug-in."""

import argparse
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

from utils.config import EVERY_RUNS, WITH_FLAGS, RunConfig, elsewhere, plugin_flags
from utils.errors import UserError, one_line
from utils.flags import PARSERS, fields_of, nearest, type_of
from utils.plugins import TRACKERS, Plugins

PLUGINS = {plugins.flag for plugins in (*WITH_FLAGS, TRACKERS)}
DESCRIPTION = ("Fine-tune a language model by averaging the parameters of clients, or (--centralized) on all rows, and "
               "evaluate it on every domain, and on all rows at once.")


def parse_flags(argv: list[str] | None, tasks: Sequence[str], prog: str = "main_lm.py") -> RunConfig:
    """Return the RunConfig of a command line of `prog`; a wrong flag exits with 2 and one line on stderr.

    `tasks`: what `--data` takes.
    """
    parser = FlagParser(prog, f"Tasks: {', '.join(tasks)}. Results go to stdout, everything else to stderr.")
    add_flags(parser, RunConfig)
    chosen = vars(parser.parse_known_args(argv)[0])  # --help ends here
    try:
        for cls in plugin_flags(chosen).values():
            add_flags(parser, cls)
        options, others = parser.parse_known_args(argv)
        if others:
            words = others[0].split("=", 1) if "=" in others[0] else others[:2]
            wrong = elsewhere(words[0].removeprefix("--"), chosen)
            near = nearest(words[0].removeprefix("--"), (*EVERY_RUNS, *vars(options)))
            raise UserError(f"{' '.join(words)}: {wrong}" if wrong else
                            f"unrecognized arguments: {' '.join(others)}{near}")
        check_task(options.data, tasks)
        return RunConfig.of(**vars(options))
    except UserError as error:
        parser.error(str(error))


def check_task(name: str, tasks: Sequence[str]) -> None:
    """Raise UserError, with the nearest of `tasks`, for a `--data` that is none of them."""
    if name not in tasks:
        raise UserError(f"--data {name}: no such task{nearest(name, tasks)}; the tasks are {', '.join(tasks)}")


class OneLineParser(argparse.ArgumentParser):
    """argparse, but an error is one line: the usage of many flags would bury it."""

    def error(self, message: str) -> NoReturn:
        more = "" if "--help" in message else " (see --help)"
        self.exit(2, f"{self.prog}: {one_line(message)}{more}\n")


class FlagParser(OneLineParser):
    """The parser of a program that has flags as dataclasses.

    `--help` has the flags of `plugins` below those of every run, and ends with `last`.
    """

    def __init__(self, prog: str, last: str, usage: str = "main_lm.py [flags]", description: str = DESCRIPTION,
                 plugins: Sequence[Plugins] = WITH_FLAGS) -> None:
        super().__init__(prog=prog, usage=usage, allow_abbrev=False, description=description)
        self.last, self.plugins = last, plugins

    def format_help(self) -> str:
        """Return the flags of every run, then those of each plug-in."""
        return "\n".join([super().format_help(), *plugin_sections(self.plugins),
                          part_of_help(description=self.last).format_help()])


def part_of_help(**words: str) -> argparse.ArgumentParser:
    """Return a parser whose help is a part of another's."""
    return argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False, **words)  # type: ignore[arg-type]


def plugin_sections(families: Sequence[Plugins]) -> Iterator[str]:
    """Yield the help of each kind of plug-in, group by group."""
    for plugins in families:
        groups: dict[str, list[str]] = {}
        for name in plugins.names()[len(plugins.built_in):]:
            group, section = plugin_section(plugins, name)
            groups.setdefault(group, []).append(section)
        for group, sections in sorted(groups.items()):
            yield "\n".join([f"{group} (--{plugins.flag}):\n", *sections] if group else sections)


def plugin_section(plugins: Plugins, name: str) -> tuple[str, str]:
    """Return a plug-in's group, and its sentence with its flags; of one that cannot be used, why, in one line."""
    section, title = part_of_help(), f"--{plugins.flag} {name}"
    try:
        add_flags(section, plugins.flags(name, EVERY_RUNS), title, plugins.sentence(name))
        return plugins.group(name), section.format_help()
    except UserError as error:
        return "", f"{title}:\n  {error}\n"


def add_flags(parser: argparse.ArgumentParser, cls: type, title: str = "", words: str = "",
              only: Collection[str] = ()) -> None:
    """Add the flags of a dataclass to a parser, below `title` and `words`, and below what its flags open.

    `only`: their names, where not all are added.
    """
    group: Any = parser.add_argument_group(title, words) if title else parser
    for field in fields_of(cls):
        if only and field.name not in only:
            continue
        if field.metadata["opens"]:
            group = parser.add_argument_group(field.metadata["opens"])
        names = ["--" + name for name in (field.name, *field.metadata["also"])]
        valid, choices, kind = field.metadata["valid"], field.metadata["choices"], type_of(field)
        if field.name in PLUGINS:
            choices = ()  # they are many, and listed each with its flags
        facts = [f"default: {field.default}"] * (field.default != "") + ([valid[1].partition(" (")[0]] if valid else [])
        help_text = (field.metadata["help"] + (f" ({'; '.join(facts)})" if facts else "")).replace("%", "%%")
        if kind is bool:
            group.add_argument(*names, action="store_true", help=field.metadata["help"].replace("%", "%%"))
        else:
            group.add_argument(*names, dest=field.name, default=field.default, help=help_text,
                               type=PARSERS.get(kind, str), choices=choices or None,
                               metavar=None if choices else field.name.upper())

"""Reading from the Hugging Face hub: the commit that a name stands for, and its files in a folder of the local cache.

Nothing else asks the hub for a model or a data set, so all of them behave alike: one short look at what is there, the
cache instead where the hub does not answer, and one line, the cause first, where it says no. The cache, the token and
the hub's address are those of the hub's own client: HF_HOME, HF_TOKEN and HF_ENDPOINT.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from utils.console import NOTES, SECONDS_OF_SILENCE, in_bytes
from utils.errors import UserError
from utils.hub.causes import reason, refusal, unreachable
from utils.hub.repository import Repository
from utils.machine.durable import DISK_REFUSES, whole_file

SECONDS_TO_STALL = 60  # in which not one piece of a file has come
PIECE = 1 << 20  # bytes, which a line of 17 kB/s brings in that time
SECONDS_TO_ANSWER = 6  # to name the commit, and half as many more for the rest; half of both with a copy in the cache
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"(?!.*\.\.)\w[\w./+-]*", re.ASCII)  # it becomes a file's name in the cache
FIRST = {"model": "config.json", "dataset": "README.md"}  # a repository of each kind has it, and it is small


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit: its `folder` in the cache, and the names and bytes of all `files` that it has.

    `down` says why the hub cannot be asked for more; "" where it can.
    """

    repo: Repository
    commit: str
    folder: Path
    files: dict[str, int]
    down: str

    def fetch(self, wanted: Iterable[str]) -> Path:
        """Return `folder` with the `wanted` files in it, downloaded where they are not there yet.

        Raises UserError that names the cause when one of them cannot be had.
        """
        from huggingface_hub import constants, hf_hub_download

        missing = [file for file in wanted if not (self.folder / file).exists()]
        if missing and self.down:
            raise UserError(f"{self.repo.asked}: its copy in {self.folder} lacks {missing[0]}, and {self.down}; "
                            f"{self.repo.otherwise}")
        began, size = time.monotonic(), sum(self.files.get(file, 0) for file in missing)
        said = missing and missing != [FIRST[self.repo.kind]]
        if said:
            NOTES.info("%s: downloading %s in %d file(s) of commit %.7s into %s", self.repo.name, in_bytes(size),
                       len(missing), self.commit, constants.HF_HUB_CACHE)
        constants.DOWNLOAD_CHUNK_SIZE = PIECE  # the client's own is 10 MiB
        for file in missing:
            bar = bar_class(file)
            try:
                _within(SECONDS_TO_STALL, partial(hf_hub_download, self.repo.name, file, repo_type=self.repo.kind,
                                                  revision=self.commit, tqdm_class=bar), lambda: bar.last)
            except Exception as error:  # the client's, its HTTP library's and the system's have no common class
                raise self.broken(file, error) from error
        if said:
            seconds = max(time.monotonic() - began, 1e-3)
            NOTES.info("%s: downloaded in %.1f s (%s/s)", self.repo.name, seconds, in_bytes(size / seconds))
        self.remember()
        return self.folder

    def broken(self, file: str, error: Exception) -> UserError:
        """Return what to say of a download that has failed."""
        from huggingface_hub import constants

        asked, cache = self.repo.asked, constants.HF_HUB_CACHE
        if isinstance(error, OSError) and error.errno in DISK_REFUSES:
            return UserError(f"{asked}: {file} cannot be written to {cache} ({error.strerror}): free some space there, "
                             "or have HF_HOME name another folder")
        otherwise, older = self.repo.otherwise, _cached_commit(self.repo)
        if older not in ("", self.commit):
            otherwise = f"name the commit that is there whole: @{older}"
        return refusal(self.repo, error) or UserError(
            f"{asked}: the download of {file} broke off: {reason(error)}; what is whole stays in {cache}: "
            f"try again, or {otherwise}")

    def remember(self) -> None:
        """Note in the cache what the revision stood for, as the hub's client does, now that a copy is there."""
        place = self.repo.cache / "refs" / (self.repo.revision or "main")
        if self.down or COMMIT.fullmatch(self.repo.revision):
            return
        try:
            if not place.is_file() or place.read_text() != self.commit:
                place.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(place) as temporary:
                    temporary.write_text(self.commit)
        except OSError:  # a cache that may only be read serves as well
            pass


def open_snapshot(repo: Repository) -> Snapshot:
    """Return a repository at the commit that its revision stands for.

    Where the hub does not answer in time, or not as a hub does, it is the copy in the cache, with a note. Raises
    UserError when there is none, and when the hub has no such thing, or not for this user.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo.name)
    except HFValidationError:
        raise UserError(f"{repo.asked}: {repo.name} is neither a folder here nor a name on the hub; {repo.otherwise}"
                        ) from None
    if repo.revision and not REVISION.fullmatch(repo.revision):
        raise UserError(f"{repo.asked}: {repo.revision} is no branch, tag or commit")
    cached = _cached_commit(repo)
    try:
        commit, files = _ask(repo, SECONDS_TO_ANSWER / (2 if cached else 1))
        down = ""
    except Exception as error:  # as in fetch
        refused = refusal(repo, error)
        if refused:
            raise refused from error
        down = unreachable(error)
        if not cached:
            raise UserError(f"{repo.asked}: not in the local cache ({constants.HF_HUB_CACHE}), and {down}; "
                            f"{repo.otherwise}") from error
        commit, files = cached, _listed(repo, cached)
        if not constants.HF_HUB_OFFLINE:
            NOTES.warning("%s: %s: going on with the copy in the cache, commit %.7s", repo.asked, down, commit)
    folder = repo.cache / "snapshots" / commit
    if not files:  # another program has made the copy, and kept no list
        files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return Snapshot(repo, commit, folder, files, down)


def _cached_commit(repo: Repository) -> str:
    """Return the commit that the cache has for a revision; "" if it has none."""
    if COMMIT.fullmatch(repo.revision):
        return repo.revision if (repo.cache / "snapshots" / repo.revision).is_dir() else ""
    reference = repo.cache / "refs" / (repo.revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else ""
    return commit if commit and (repo.cache / "snapshots" / commit).is_dir() else ""


def _ask(repo: Repository, seconds: float) -> tuple[str, dict[str, int]]:
    """Return the commit of a revision and its files, once the hub has shown that it gives them.

    It has so many `seconds` to name the commit, and half as many more in all.
    """
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url, is_offline_mode, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    if is_offline_mode():  # the client would first look for its proxies
        raise OfflineModeIsEnabled
    api, commit, end = HfApi(), repo.revision, time.monotonic() + 1.5 * seconds
    name, kind, first = repo.name, repo.kind, FIRST[repo.kind]
    if not COMMIT.fullmatch(repo.revision):
        commit = _within(seconds, lambda: api.repo_info(name, repo_type=kind, revision=repo.revision or None).sha)
    listed = _listed(repo, commit)
    if listed and (first not in listed or (repo.cache / "snapshots" / commit / first).exists()):
        return commit, listed

    def look() -> dict[str, int]:
        snapshot_download(name, repo_type=kind, revision=commit, allow_patterns=[])  # the cache then has the list
        files = _listed(repo, commit) or {  # but for one that cannot be written to
            file.path: file.size for file in api.list_repo_tree(name, repo_type=kind, revision=commit, recursive=True)
            if hasattr(file, "size")}
        if first in files:
            get_hf_file_metadata(hf_hub_url(name, first, repo_type=kind, revision=commit))
        return files

    return commit, _within(end - time.monotonic(), look)


def _listed(repo: Repository, commit: str) -> dict[str, int]:
    """Return the names and bytes of a commit's files, as the cache has them from the hub; empty if it has not."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return {file.path: file.size for file in get_cached_repo_tree(repo.name, repo_type=repo.kind, revision=commit)}
    except CachedRepoTreeNotFoundError:
        return {}


def _within(seconds: float, work: Callable[[], Any], last: Callable[[], float] | None = None) -> Any:
    """Return what `work` does; raises TimeoutError after so many seconds, whatever it waits for then.

    They count from `last()`, a time by the monotonic clock, if that is given. A time limit of the client's own is one
    for each step of each try, and there is none for a name look-up.
    """
    done: Future = Future()
    end = time.monotonic() + seconds

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="hub", daemon=True).start()
    while not wait([done], end - time.monotonic()).done:
        if last is None or last() + seconds <= time.monotonic():
            raise TimeoutError(f"no answer within {seconds:.2g} s")
        end = last() + seconds
    return done.result()


def bar_class(file: str) -> Any:
    """Return what shows a file's download: a bar with size and speed on a terminal, elsewhere a line now and then."""
    from tqdm import tqdm

    class Bar(tqdm):
        """A bar that writes notes where there is no terminal; `last` is when something came, by the monotonic clock."""

        last = time.monotonic()

        def __init__(self, **options: Any) -> None:
            self.drawn = sys.stderr.isatty()
            quiet = {} if self.drawn else {"file": StringIO(), "mininterval": SECONDS_OF_SILENCE}
            super().__init__(total=options.get("total"), initial=options.get("initial", 0), unit="B", unit_scale=True,
                             desc=file, leave=False, dynamic_ncols=True, **quiet)

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            """Show how far it is; `msg` is "" where it is to vanish."""
            if self.drawn:
                super().display(msg, pos)
            elif msg is None and self.n:
                NOTES.info("%s", self)

        def update(self, n: float | None = 1) -> bool | None:
            """Count bytes that are there."""
            type(self).last = time.monotonic()
            return super().update(n)

        def update_transfer(self, n: int) -> None:
            """Count once what the client counts as it comes over the network, too."""
            type(self).last = time.monotonic()

        def set_transfer_postfix_str(self, postfix: str, refresh: bool = False) -> None:
            """Show one speed only."""

    return Bar

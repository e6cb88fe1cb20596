"""Sending a finished run's model to the Hugging Face hub: only when asked, and never at the cost of the run."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from utils.config import RunConfig
from utils.console import NOTES, in_bytes
from utils.errors import UserError, one_line

SECONDS_TO_ASK = 10
SECONDS_TO_SEND = 120  # and more for a large model:
SLOWEST = 250_000  # bytes a second


def check_push(config: RunConfig, finished: Path | None = None) -> None:
    """Before a run begins, look whether its model can be sent where `--push_to_hub` says; nothing is changed there.

    `finished`: the folder of a run that is. Raises UserError when that has no model, or the token is missing, unknown
    or may not write there. A hub that does not answer is only noted: it may answer when the run is done.
    """
    repository = config.push_to_hub
    if not repository:
        return
    if finished and not (finished / "model").is_dir():
        raise UserError(f"--push_to_hub {repository}: {finished} has kept no model (--save_model none, or model/ is "
                        "removed); run it again with another --run_dir, or leave the flag out")
    news = _ask("check", SECONDS_TO_ASK, repository)
    if "refused" in news:
        raise UserError(f"--push_to_hub {repository}: {news['refused']}")
    if "failed" in news:
        NOTES.warning("--push_to_hub %s: cannot be looked at now: %s; it is tried when the run is done", repository,
                      one_line(news["failed"]))
    elif news["visibility"]:
        NOTES.info("--push_to_hub %s: is there, and %s", repository, news["visibility"])
    else:
        NOTES.info("--push_to_hub %s: will be made, %s", repository, _visibility(config))


def push(folder: Path, config: RunConfig) -> None:
    """Send `folder`/model where `--push_to_hub` says, if it does; a repository that is absent is made.

    A failure is one line and none of the run's: its cause, what it leaves at the hub, and the command that
    tries again.
    """
    repository, model = config.push_to_hub, (folder / "model").resolve()
    if not repository:
        return
    files = [path for path in model.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    NOTES.info("sending %s in %d files to %s", in_bytes(size), len(files), repository)
    began = time.monotonic()
    news = _ask("send", SECONDS_TO_SEND + size / SLOWEST, repository, _visibility(config), str(model))
    seconds = time.monotonic() - began
    if "url" in news:
        NOTES.info("sent in %.1f s (%s/s): the model is at %s (%s)", seconds, in_bytes(size / seconds), news["url"],
                   news["visibility"])
        return
    cause = one_line(news.get("refused") or news["failed"])
    if sys.stderr.isatty():
        print(file=sys.stderr)  # below the bars of what was sent so far
    NOTES.error("--push_to_hub %s: the run is whole, but its model is not sent: %s%s; to send it: %s", repository,
                cause, _left(news), _command(repository, model, config.hub_public, news.get("xet", True)))


def _ask(verb: str, seconds: float, *values: str) -> dict:
    """Have utils/record/upload.py do something in at most so many seconds; return all it says, or how it `failed`."""
    shown = {"HF_HUB_DISABLE_PROGRESS_BARS": "0"}
    if not sys.stderr.isatty():  # lines, a few each minute
        shown = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "info"}
    done = subprocess.run([sys.executable, "-P", Path(__file__).with_name("upload.py"), verb, str(seconds), *values],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, **shown})
    news: dict = {}
    for line in done.stdout.splitlines():
        news |= json.loads(line) if line.startswith("{") else {}
    if done.returncode == -signal.SIGALRM:
        news["failed"] = f"not done within {seconds:.0f} s"
    elif done.returncode:
        news["failed"] = f"its process ended with {done.returncode}"
    return news


def _left(news: dict) -> str:
    """Return, as the middle of a sentence, what a failed push has left at the hub."""
    if "made" not in news:
        return ""
    state = {True: "is empty" if news["made"] else "is as it was", False: "has changed all the same: look at it first",
             None: "may hold the model or not: look at it first"}[news.get("unchanged")]
    made = f", made for it ({news['visibility']})," * news["made"]
    return f"; the repository{made} {state}"


def _visibility(config: RunConfig) -> str:
    return "public" if config.hub_public else "private"


def _command(repository: str, model: Path, public: bool, xet: bool) -> str:
    """Return the command line that sends a model, as a shell reads it; without the storage `xet` if it was amiss."""
    client = "hf" if shutil.which("hf") else str(Path(sys.executable).with_name("hf"))
    words = [client, "upload", repository, str(model), *([] if public else ["--private"])]
    return "HF_HUB_DISABLE_XET=1 " * (not xet) + " ".join(_word(word) for word in words)


def _word(text: str) -> str:
    """Return a word of a command line, quoted for bash and printable."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + one_line(text.replace("\\", r"\\").replace("'", r"\'")) + "'"

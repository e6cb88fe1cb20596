"""Models sent to a hub on loopback by the hub's real client: what arrives, and what is said when it does not."""

import os
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub.store import User
from tests.processes import HANGS, outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.errors import UserError
from utils.record.push import check_push, push
from utils.record.upload import may_write

FILES = {"model.safetensors": bytes(range(256)) * 500, "README.md": b"---\nlicense: mit\n---\n", "config.json": b"{}"}
AWKWARD = "it's \"a run\" of $HOME & [more] *"


@pytest.fixture
def finished(tmp_path) -> Path:
    """The folder of a finished run, under a name that a shell would take apart."""
    (tmp_path / AWKWARD / "model").mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / AWKWARD / "model" / name).write_bytes(content)
    return tmp_path / AWKWARD


@pytest.fixture
def login(hub, monkeypatch):
    """A function that makes a token of the hub's this process's own; `hf_good` is, until then."""
    def as_user(token: str) -> None:
        for name, value in hub.environment(token).items():
            monkeypatch.setenv(name, value)

    as_user("hf_good")
    return as_user


@pytest.fixture
def notes(caplog, monkeypatch):
    """A function that returns the notes since it was last called."""
    monkeypatch.setattr("utils.record.push.NOTES.propagate", True)
    caplog.set_level("INFO", logger="lm")

    def taken() -> list[str]:
        lines = caplog.messages[:]
        caplog.clear()
        return lines
    return taken


def config(repository: str = "me/toy", public: bool = False) -> RunConfig:
    return RunConfig(push_to_hub=repository, hub_public=public)


def arrived(hub, name: str = "me/toy") -> bool:
    files = hub.models[name].files() if name in hub.models else {}
    return {path: files.get(path) for path in FILES} == FILES


def typed(command: str, hub) -> subprocess.CompletedProcess:
    """Run a command line as a user's bash does, in the project's environment or not."""
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_DISABLE_UPDATE_CHECK": "1", **hub.environment("hf_good")}
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=HANGS)


def test_nothing_is_asked_or_sent_without_the_flag(hub, login, finished):
    check_push(RunConfig())
    push(finished, RunConfig())
    assert not hub.requests


def test_a_finished_run_that_has_kept_no_model_is_refused_before_the_hub_is_asked(tmp_path):
    with pytest.raises(UserError, match=f"--push_to_hub me/toy: {tmp_path} has kept no model .--save_model none"):
        check_push(config(), tmp_path)


@pytest.mark.parametrize("public, visibility", [(False, "private"), (True, "public")])
def test_the_repository_is_made_private_unless_asked_otherwise(hub, login, finished, notes, public, visibility):
    check_push(config(public=public))
    assert notes() == [f"--push_to_hub me/toy: will be made, {visibility}"]
    assert not hub.models  # to look changes nothing
    push(finished, config(public=public))
    assert arrived(hub) and hub.models["me/toy"].private is not public
    first, last = notes()
    assert first.startswith("sending 1") and first.endswith(" kB in 3 files to me/toy")
    assert last.startswith("sent in ") and last.endswith(f"/s): the model is at {hub.url}/me/toy ({visibility})")


def test_one_that_is_there_stays_as_private_as_it_is(hub, login, finished, notes):
    hub.add_model("me/toy", finished / "model")
    check_push(config())
    assert notes() == ["--push_to_hub me/toy: is there, and public"]
    push(finished, config())
    assert arrived(hub) and not hub.models["me/toy"].private and notes()[-1].endswith("/me/toy (public)")


REFUSED = {
    "": "no token of the hub is here; `hf auth login` or HF_TOKEN gives one",
    "hf_wrong": "the hub refuses the token: it is wrong, or has expired; make one at {url}/settings/tokens",
    "hf_read": "the token may not write in me; make one that may at {url}/settings/tokens",
    "hf_other": "me is neither you (other) nor an organization of yours; name another"}


@pytest.mark.parametrize("token", REFUSED)
def test_a_token_that_cannot_do_it_is_refused_before_the_run(hub, login, token):
    login(token)
    with pytest.raises(UserError) as error:
        check_push(config())
    assert str(error.value) == "--push_to_hub me/toy: " + REFUSED[token].format(url=hub.url)


def test_a_fine_grained_token_goes_by_its_scopes(hub, login):
    def token(name: str, *permissions: str) -> dict:
        return {"role": "fineGrained", "fineGrained": {
            "global": ["discussion.write"], "scoped": [{"entity": {"name": name}, "permissions": permissions}]}}

    for each, may in ((token("Me", "repo.content.read", "repo.write"), True), (token("me/toy", "repo.write"), True),
                      (token("me/else", "repo.write"), False), (token("me", "repo.content.read"), False),
                      ({"role": "fineGrained"}, False), ({"role": "write"}, True), ({}, True)):
        assert may_write(each, "me", "me/toy") is may
    hub.users["hf_fine"] = User("me", role="fineGrained", scopes=token("me", "repo.read")["fineGrained"]["scoped"])
    login("hf_fine")
    with pytest.raises(UserError, match="the token may not write in me; make one that may"):
        check_push(config())


def test_name_spaces_and_repositories_that_only_read(hub, login, finished, monkeypatch, notes):
    check_push(config("Team/toy"))
    with pytest.raises(UserError, match="you may only read in the organization readers; name another"):
        check_push(config("readers/toy"))
    hub.add_model("team/toy", finished / "model")
    hub.fault("GET .*/team/toy/auth-check/write", status=403)
    with pytest.raises(UserError, match="you may not write to it: the hub answers 403: .*; name another"):
        check_push(config("team/toy"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set; unset it, or leave the flag out"):
        check_push(config())


@pytest.mark.parametrize("fault, said", [({"status": 503}, "the hub answers 503: out of order"),
                                         ({"hang": True}, "not done within 1 s"), (None, "[Errno 111] Connection")])
def test_a_hub_out_of_order_before_the_run_does_not_stop_it(hub, login, monkeypatch, notes, fault, said):
    monkeypatch.setattr("utils.record.push.SECONDS_TO_ASK", 1)
    if fault:
        hub.fault("GET /api/whoami", **fault)
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    check_push(config())
    line, = notes()
    assert line.startswith(f"--push_to_hub me/toy: cannot be looked at now: {said}")
    assert line.endswith("; it is tried when the run is done")


def test_a_terminal_shows_size_and_speed_and_a_log_file_gets_plain_lines(hub, finished):
    code = ("import sys; from pathlib import Path; from utils.config import RunConfig; "
            "from utils.record.push import push; push(Path(sys.argv[1]), RunConfig(push_to_hub='me/toy'))")
    command = [sys.executable, "-c", code, str(finished)]
    environment = hub.environment("hf_good")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    assert outcome_of(command, environment, stderr=theirs).returncode == 0
    shown = os.read(ours, 65536).decode()
    assert "model.safetensors: 100%" in shown and "128k/128k" in shown and "B/s]" in shown
    for end in (ours, theirs):
        os.close(end)
    (finished / "model" / "model.safetensors").write_bytes(b"others")
    logged = outcome_of(command, environment)
    assert logged.returncode == 0
    assert "\r" not in logged.stderr and "%" not in logged.stderr and "\x1b" not in logged.stderr


@dataclass(frozen=True)
class Failed:
    """What goes wrong at the hub, what is said of it, and of a repository `made` for the model, or `kept` as it was."""

    match: str
    fault: dict
    cause: str
    made: str = "is empty"
    kept: str = "is as it was"


FAILED = [
    Failed("POST .*/commit/", {"status": 500}, "the hub answers 500: out of order"),
    Failed("PUT /lfs/", {"status": 403}, "the hub answers 403: out of order"),
    Failed("POST .*/commit/", {"hang": True}, "not done within 4 s", "may hold the model or not: look at it first", "")]


@pytest.mark.parametrize("failed", FAILED, ids=lambda failed: failed.cause)
def test_what_a_failed_push_leaves_is_said_and_its_command_sends_the_model(
        hub, login, finished, monkeypatch, notes, failed):
    monkeypatch.setattr("utils.record.push.SECONDS_TO_SEND", 3.5)
    hub.fault(failed.match, **failed.fault)
    if failed.fault.get("hang"):
        finished = finished.rename(f"{finished}\n\x1b[31mé\\")
    for state in filter(None, (f", made for it (private), {failed.made}", failed.kept and f" {failed.kept}")):
        push(finished, config())
        line = notes()[-1]
        outcome, command = line.split("; to send it: ")
        assert outcome == (f"--push_to_hub me/toy: the run is whole, but its model is not sent: {failed.cause}; "
                           f"the repository{state}")
        assert line.isprintable() and not arrived(hub) and hub.models["me/toy"].private
    hub.faults.clear()
    del hub.models["me/toy"]
    done = typed(command, hub)
    assert done.returncode == 0, done.stderr
    assert arrived(hub) and hub.models["me/toy"].private


def test_a_hub_without_xet_gets_the_files_by_the_older_way(hub, login, finished, monkeypatch, notes):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "0")
    push(finished, config(public=True))
    assert arrived(hub) and any("xet-write-token" in request.path for request in hub.requests)
    hub.fault("POST .*/commit/", status=500)
    push(finished, config(public=True))
    command = notes()[-1].split("; to send it: ")[1]
    assert command.startswith("HF_HUB_DISABLE_XET=1 ") and not command.endswith("--private")


def main_lm(hub, base: Path, token: str, *flags: str) -> subprocess.CompletedProcess:
    """Run main_lm.py on a small table as a user would, in reach of the hub."""
    words = ["--data", "rte", "--data_dir", base / "data", "--model", tiny_once(base, "bert"), "--n_iterations", "1",
             "--run_dir", base / AWKWARD, "--max_length", "32", "--push_to_hub", "me/toy", *flags]
    return outcome_of([sys.executable, "main_lm.py", *words], hub.environment(token))


def test_a_run_is_whole_whatever_becomes_of_the_sending(hub, tmp_path):
    toy_table(tmp_path / "data")
    refused = main_lm(hub, tmp_path, "hf_read")
    assert refused.returncode == 2 and not (tmp_path / AWKWARD).exists()
    last, = refused.stderr.splitlines()
    assert last.startswith("main_lm.py: --push_to_hub me/toy: the token may not write in me")

    hub.fault("POST .*/commit/", status=500)
    failed = main_lm(hub, tmp_path, "hf_good")
    assert failed.returncode == 0 and failed.stdout.splitlines()[-1].startswith("summary "), failed.stderr
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("--push_to_hub me/toy: the run is whole, but its model is not sent: the hub answers 500")
    assert "hf_good" not in failed.stderr + failed.stdout

    hub.faults.clear()
    again = main_lm(hub, tmp_path, "hf_good", "--resume")
    assert again.returncode == 0 and again.stdout == failed.stdout.splitlines()[-1] + "\n"
    assert again.stderr.splitlines()[-1].endswith(f"the model is at {hub.url}/me/toy (private)")
    sent = {path.name: path.read_bytes() for path in (tmp_path / AWKWARD / "model").iterdir()}
    assert hub.models["me/toy"].files().items() >= sent.items()
    assert not any("agent" in request.path for request in hub.requests)  # which the client asks of its own accord

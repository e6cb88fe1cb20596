"""What push.py asks of the hub, as a process of its own: it ends in time, and shows its bars, whatever it meets.

    python -P utils/record/upload.py check SECONDS NAME/REPO                       may the token write there?
    python -P utils/record/upload.py send SECONDS NAME/REPO private|public FOLDER

Each line on stdout is a JSON object with news. It imports nothing of the project, and the hub's client only.
"""

import json
import signal
import sys
from contextlib import suppress

from huggingface_hub import CommitInfo, HfApi, ModelInfo, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError


class Refused(Exception):
    """The user has to mend something, and a later try would fail as well."""


def say(**news: object) -> None:
    """Print news for the parent process: `refused` or `failed` for which reason, or what there is at the hub."""
    print(json.dumps(news), flush=True)


def check(repository: str) -> None:
    """Say whether the repository is there (`visibility`: public, private, or "" for none).

    Raises Refused unless the token may write there, or make it, as far as the hub says without a change to it.
    """
    tokens, owner = f"{constants.ENDPOINT}/settings/tokens", repository.partition("/")[0].lower()
    if constants.is_offline_mode():
        raise Refused("HF_HUB_OFFLINE is set; unset it, or leave the flag out and send the model later")
    if get_token() is None:
        raise Refused("no token of the hub is here; `hf auth login` or HF_TOKEN gives one")
    api = HfApi()
    try:
        user = api.whoami()
    except HfHubHTTPError as error:
        if error.response.status_code != 401:
            raise
        raise Refused(f"the hub refuses the token: it is wrong, or has expired; make one at {tokens}") from None
    roles = {each["name"].lower(): each.get("roleInOrg") for each in [*user.get("orgs", []), user]}  # case is ignored
    if owner not in roles:
        raise Refused(f"{owner} is neither you ({user['name']}) nor an organization of yours; name another")
    if roles[owner] == "read":
        raise Refused(f"you may only read in the organization {owner}; name another")
    if not may_write(user.get("auth", {}).get("accessToken") or {}, owner, repository):
        raise Refused(f"the token may not write in {owner}; make one that may at {tokens}")
    try:
        visibility = visibility_of(api.model_info(repository))
        api.auth_check(repository, write=True)
    except RepositoryNotFoundError:
        visibility = ""
    except HfHubHTTPError as error:
        if error.response.status_code not in (401, 403):
            raise
        raise Refused(f"you may not write to it: {reason(error)}; name another") from None
    say(visibility=visibility)


def visibility_of(repository: ModelInfo) -> str:
    """Return whether a repository is public or private."""
    return "private" if repository.private else "public"


def may_write(token: dict, owner: str, repository: str) -> bool:
    """Return whether a token may write in the name space `owner` (in lower case), by the hub's description of it."""
    if token.get("role") != "fineGrained":
        return token.get("role") != "read"
    rights = token.get("fineGrained", {})
    scopes = [scope["permissions"] for scope in rights.get("scoped", [])
              if scope.get("entity", {}).get("name", "").lower() in (owner, repository.lower())]
    return any("repo.write" in permissions for permissions in [rights.get("global", []), *scopes])


def send(repository: str, visibility: str, folder: str) -> None:
    """Upload a folder, to a repository that is made if it is absent; say what there is before and after."""
    api = HfApi()
    made = not api.repo_exists(repository)
    if made:
        api.create_repo(repository, private=visibility == "private", exist_ok=True)
    before = api.model_info(repository)
    say(made=made, visibility=visibility if made else visibility_of(before))
    try:
        commit = upload(api, repository, folder)
    except Exception:
        with suppress(Exception):
            say(unchanged=api.model_info(repository).sha == before.sha)
        raise
    say(url=commit.commit_url.partition("/commit/")[0])


def upload(api: HfApi, repository: str, folder: str) -> CommitInfo:
    """Upload a folder; without Xet, the storage that the client sends to first, where that cannot be had."""
    options = {"repo_id": repository, "folder_path": folder, "commit_message": "Upload a fine-tuned model"}
    try:
        return api.upload_folder(**options)
    except (ConnectionError, RuntimeError) as error:
        if constants.HF_HUB_DISABLE_XET:
            raise
        print(f"without Xet, which is out of reach: {reason(error)}", file=sys.stderr, flush=True)
        constants.HF_HUB_DISABLE_XET = True
        say(xet=False)
        return api.upload_folder(**options)


def reason(error: BaseException) -> str:
    """Return an error's cause in a line: what the hub says, or what lies below the client's own words."""
    while not isinstance(error, HfHubHTTPError) and error.__cause__:
        error = error.__cause__
    if isinstance(error, json.JSONDecodeError):
        return "what answers there is no hub"
    if isinstance(error, HfHubHTTPError):
        words = " ".join((error.server_message or "").split()).rstrip(".")
        if not words or len(words) > 300:  # a whole page
            words = error.response.reason_phrase
        return f"the hub answers {error.response.status_code}: {words}"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def main(verb: str, seconds: str, *values: str) -> None:
    """Do one of the two; the kernel ends this process, whatever it waits for, after so many seconds."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    try:
        (check if verb == "check" else send)(*values)
    except (Refused, OfflineModeIsEnabled) as error:
        say(refused=str(error))
    except Exception as error:  # what the hub's client raises has no common class but Exception
        say(failed=reason(error))


if __name__ == "__main__":
    main(*sys.argv[1:])

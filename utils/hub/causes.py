"""Why the Hugging Face hub does not give something, in words that name the cause and what to do."""

import os
import re
from json import JSONDecodeError
from urllib.parse import urlsplit

from utils.errors import UserError, one_line
from utils.hub.repository import Repository

NOT_NOW = (408, 429)  # with 500 and above: answers that say nothing about the repository


def refusal(repo: Repository, error: Exception) -> UserError | None:
    """Return what to say where the hub has answered that it does not give this; None where it has not answered so."""
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if not isinstance(error, HfHubHTTPError):
        return None
    status, token = error.response.status_code, get_token()
    if status >= 500 or status in NOT_NOW or error.response.url.host != urlsplit(constants.ENDPOINT).hostname:
        return None  # large files are on another host, which has no users
    if status == 404 and not error.response.headers.get("X-Error-Code"):
        return None  # the hub gives a code: another server has answered
    page, address = repo.page, error.response.url.copy_with(userinfo=b"")
    words = f"the hub answers {status} {error.response.reason_phrase} to {address}; is HF_ENDPOINT right?"
    if status == 401 and token and not isinstance(error, RepositoryNotFoundError):
        words = (f"the hub does not accept the token of {token_place()}: it has expired, or is not whole; `hf auth "
                 "login` gives another, and what is public needs none")
    elif isinstance(error, GatedRepoError):
        words = (f"access to it is granted one by one: ask for it on {page}" +
                 (f", as the owner of the token of {token_place()}" if token else
                  ", then log in with `hf auth login` or HF_TOKEN"))
    elif isinstance(error, RepositoryNotFoundError):
        words = (f"there is no {page}, or it is private and " +
                 (f"the token of {token_place()} may not read it" if token else
                  "needs a token: `hf auth login` or HF_TOKEN gives one"))
    elif isinstance(error, RevisionNotFoundError):
        words = f"{page} has no branch, tag or commit {repo.revision or 'main'}"
    elif isinstance(error, RemoteEntryNotFoundError):
        words = f"{page} has no such file: {error.response.url.path}"
    elif status == 403 and token:
        words = f"the token of {token_place()} may not read {page}: {one_line(error.server_message or 'forbidden')}"
    return UserError(f"{repo.asked}: {words}")


def token_place() -> str:
    """Return where the token that is sent comes from."""
    from huggingface_hub import constants

    names = [name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)]
    return names[0] if names else constants.HF_TOKEN_PATH


def unreachable(error: Exception) -> str:
    """Return that, and why, the hub cannot be asked, as a clause."""
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE says not to ask the hub"
    return f"the hub ({constants.ENDPOINT}) cannot be reached: {reason(error)}"


def reason(error: Exception) -> str:
    """Return what has gone wrong on the way to the hub, as a clause."""
    from urllib.request import getproxies, proxy_bypass  # a fifth of the time of --help

    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    words = re.sub(r"//[^/@\s]+@", "//", (str(error).strip() or repr(error)).splitlines()[0])  # no password
    if isinstance(error, JSONDecodeError):
        words = "what answers there is no hub"
    if isinstance(error, HfHubHTTPError):
        words = f"it answers {error.response.status_code} {error.response.reason_phrase}"
    hub, proxies = urlsplit(constants.ENDPOINT), getproxies()
    if (hub.scheme in proxies or "all" in proxies) and not proxy_bypass(hub.netloc):
        words += ", by way of the proxy that the environment names"
    return one_line(words)

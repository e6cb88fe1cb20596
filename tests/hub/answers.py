"""What the hub answers to a request, as the public one does. Nothing here is about sockets."""

import base64
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.store import LARGE, Repository, Store, User, blob, sha256


@dataclass
class Request:
    """A request as a client has sent it."""

    method: str
    path: str  #: with its query
    headers: dict[str, str]  #: by names in lower case
    body: bytes
    host: str  #: of the hub, with its port
    status: int = 0  #: that it was answered with; 0 while it is not

    @property
    def authorization(self) -> str:
        """The header of that name, "" without one."""
        return self.headers.get("authorization", "")

    @property
    def parts(self) -> list[str]:
        """The path's parts, unquoted."""
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def asks(self, name: str) -> bool:
        """Return whether the query sets a switch."""
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0].lower() in ("1", "true")


@dataclass
class Answer:
    """A status, a body, and the headers beside its length."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request is not granted: an error in the form that the clients read, with the kind that they read there."""

    def __init__(self, status: int, message: str, kind: str = "", **headers: str) -> None:
        kinds = {"X-Error-Code": kind} if kind else {}
        self.answer = said({"error": message}, status, **kinds, **{"X-Error-Message": message}, **headers)


def said(value: object, status: int = 200, **headers: str) -> Answer:
    """Return a JSON answer."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def answer(store: Store, request: Request) -> Answer:
    """Return what the public hub would answer, were `store` all it holds."""
    try:
        return _answer(store, request, _user(store, request))
    except Refused as error:
        return error.answer


def _user(store: Store, request: Request) -> User | None:
    token = request.authorization.removeprefix("Bearer ")
    if token and token not in store.users:
        raise Refused(401, "Invalid credentials in Authorization header")
    return store.users.get(token)


def _answer(store: Store, request: Request, user: User | None) -> Answer:
    match request.parts:
        case ["api", "whoami-v2"]:
            return _whoami(user)
        case ["api", "validate-yaml"]:
            return said({"errors": [], "warnings": []})
        case ["api", "repos", "create"]:
            return _create(store, user, request)
        case ["lfs", name] if request.method == "PUT":
            store.large[name] = request.body
            return Answer()
        case ["lfs", kind, owner, repository, name]:
            files = [content for held in getattr(store, kind)[f"{owner}/{repository}"].commits.values()
                     for content in held.values()]
            return _ranged(next(content for content in files if sha256(content) == name), request, {})
        case [owner, repository, "info", "lfs", "objects", "batch"]:
            _check_write(user, f"{owner}/{repository.removesuffix('.git')}")
            return _batch(store, request)
        case ["api", "models", alias, *_] | [alias, "resolve", *_] if alias in store.aliases:
            there = request.path.replace(f"/{alias}", f"/{store.aliases[alias]}", 1)
            return Answer(307, headers={"Location": there})
        case ["api", "models" | "datasets" as kind, owner, name, *rest]:
            return _api(store, kind, f"{owner}/{name}", user, request, rest)
        case ["datasets", owner, name, "resolve", revision, *path]:
            return _resolve(store, "datasets", f"{owner}/{name}", user, request, revision, "/".join(path))
        case [owner, name, "resolve", revision, *path]:
            return _resolve(store, "models", f"{owner}/{name}", user, request, revision, "/".join(path))
    raise Refused(404, "Not Found")


def _whoami(user: User | None) -> Answer:
    if user is None:
        raise Refused(401, "Invalid username or password.")
    organizations = [{"type": "org", "name": name, "roleInOrg": role} for name, role in user.organizations.items()]
    token = {"displayName": "token", "role": user.role, "fineGrained": {"global": [], "scoped": user.scopes}}
    return said({"type": "user", "name": user.name, "fullname": user.name, "isPro": False, "orgs": organizations,
                 "auth": {"type": "access_token", "accessToken": token}})


def _create(store: Store, user: User | None, request: Request) -> Answer:
    asked = json.loads(request.body)
    owner = asked.get("organization") or (user.name if user else "")
    name, kind = f"{owner}/{asked['name']}", getattr(store, asked.get("type", "model") + "s")
    url = f"http://{request.host}/{name}"
    if user is None:
        raise Refused(401, "Invalid username or password.")
    if not user.may_write(name):
        raise Refused(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    if name in kind:
        return said({"error": "You already created this model repo", "url": url}, 409)
    kind[name] = Repository(private=asked.get("private") or asked.get("visibility") == "private")
    kind[name].put({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
    return said({"url": url, "name": name, "id": "1"})


def _repository(store: Store, kind: str, name: str, user: User | None) -> Repository:
    """Return a repository that the user may see."""
    found = getattr(store, kind).get(name)
    own = (user.name, *user.organizations) if user else ()
    if found is None or found.private and name.partition("/")[0] not in own:
        raise Refused(404 if user else 401, "Repository not found" if user else "Invalid username or password.",
                      "RepoNotFound")
    return found


def _check_gate(repository: Repository, name: str, user: User | None) -> None:
    if repository.gated and not (user and user.gated):
        raise Refused(403 if user else 401, f"Access to {name} is restricted and you are not in the authorized list. "
                      f"Visit https://huggingface.co/{name} to ask for access.", "GatedRepo")


def _check_write(user: User | None, name: str) -> None:
    if user is None:
        raise Refused(401, "Invalid username or password.")
    if not user.may_write(name):
        raise Refused(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")


def _commit(repository: Repository, revision: str) -> str:
    """Return the commit that a branch, tag, reference or commit stands for."""
    commit = repository.revisions.get(revision, revision)
    if commit not in repository.commits:
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


def _api(store: Store, kind: str, name: str, user: User | None, request: Request, rest: list[str]) -> Answer:
    """Answer what is asked of a repository below its API address: `rest` is the path from there."""
    repository = _repository(store, kind, name, user)
    match rest:
        case ["preupload", _]:
            _check_write(user, name)
            return said({"files": [{"path": file["path"], "shouldIgnore": False,
                                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
                                   for file in json.loads(request.body)["files"]]})
        case ["commit", revision]:
            _check_write(user, name)
            commit = repository.put(_changed(store, repository.files(revision), request.body), revision)
            return said({"success": True, "commitOid": commit, "hookOutput": "",
                         "commitUrl": f"http://{request.host}/{name}/commit/{commit}"})
        case ["auth-check", *write]:
            _check_gate(repository, name, user)
            if write:
                _check_write(user, name)
            return said({})
        case ["refs"]:
            return said(_refs(repository))
        case ["discussions"]:
            return said({"discussions": [], "count": 0, "start": 0})
    commit = _commit(repository, rest[1] if rest[1:] else "main")
    files = repository.commits[commit]
    match rest:
        case [] | ["revision", _]:
            return said({"_id": "1", "id": name, "modelId": name, "author": name.partition("/")[0], "sha": commit,
                         "lastModified": "2025-01-01T00:00:00.000Z", "createdAt": "2025-01-01T00:00:00.000Z",
                         "private": repository.private, "gated": "auto" if repository.gated else False,
                         "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                         "siblings": [{"rfilename": path} for path in sorted(files)]})
        case ["commits", _]:
            return said([{"id": commit, "title": "", "message": "", "date": "2025-01-01T00:00:00.000Z", "authors": []}])
        case ["tree", _, *folder]:
            return said(_tree(files, "/".join(folder), request.asks("recursive")))
        case ["paths-info", _]:
            as_json = "json" in request.headers.get("content-type", "")
            paths = (json.loads if as_json else parse_qs)(request.body.decode())["paths"]
            return said([_entry(path, files) for path in paths if path in files or _tree(files, path, False)])
    raise Refused(404, "Not Found")


def _changed(store: Store, files: dict[str, bytes], body: bytes) -> dict[str, bytes]:
    """Return a revision's files after the changes that a commit's lines ask for."""
    files = dict(files)
    for line in map(json.loads, body.splitlines()):
        match line:
            case {"key": "file", "value": {"path": path, "content": content}}:
                files[path] = base64.b64decode(content)
            case {"key": "lfsFile", "value": {"path": path, "oid": name}}:
                files[path] = store.large[name]
            case {"key": "deletedFile", "value": {"path": path}}:
                del files[path]
    return files


def _refs(repository: Repository) -> dict:
    """Return the lists of references: `main` is a branch, what begins with v a tag, refs/pr/… a pull request."""
    refs: dict[str, list] = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
    for name, commit in repository.revisions.items():
        kind = "pullRequests" if name.startswith("refs/pr/") else "tags" if name.startswith("v") else "branches"
        ref = {"branches": f"refs/heads/{name}", "tags": f"refs/tags/{name}"}.get(kind, name)
        refs[kind].append({"name": name, "ref": ref, "targetCommit": commit})
    return refs


def _entry(path: str, files: dict[str, bytes]) -> dict:
    """Return what a listing says of a file, or of a folder."""
    if path not in files:
        return {"type": "directory", "oid": blob(path.encode()), "size": 0, "path": path}
    content = files[path]
    entry = {"type": "file", "oid": blob(content), "size": len(content), "path": path}
    lfs = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return entry | {"lfs": lfs} if path.endswith(LARGE) else entry


def _tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict]:
    """Return the entries below a folder: all of them, or the uppermost only."""
    start = f"{folder}/" if folder else ""
    below = [path for path in files if path.startswith(start)]
    folders = {path[:cut.start()] for path in below for cut in re.finditer("/", path) if cut.start() >= len(start)}
    shown = [path for path in sorted({*below, *folders}) if recursive or "/" not in path[len(start):]]
    return [_entry(path, files) for path in shown]


def _batch(store: Store, request: Request) -> Answer:
    """Answer where to put large files: nowhere, where they are here already."""
    def place(name: str) -> dict:
        upload = {"upload": {"href": f"http://{request.host}/lfs/{name}", "header": {}}}
        return {} if name in store.large else {"actions": upload}

    return said({"transfer": "basic", "objects": [{"oid": each["oid"], "size": each["size"], "authenticated": True,
                                                   **place(each["oid"])}
                                                  for each in json.loads(request.body)["objects"]]},
                **{"Content-Type": "application/vnd.git-lfs+json"})


def _resolve(store: Store, kind: str, name: str, user: User | None, request: Request, revision: str,
             path: str) -> Answer:
    """Answer with a file, or of a large one with where it is: at another host, with its name and size here."""
    repository = _repository(store, kind, name, user)
    _check_gate(repository, name, user)
    commit = _commit(repository, revision)
    content = repository.commits[commit].get(path)
    if content is None:
        raise Refused(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": commit})
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    if not path.endswith(LARGE):
        return _ranged(content, request, headers | {"ETag": f'"{blob(content)}"'})
    elsewhere = request.host.replace("127.0.0.1", "localhost")
    return Answer(302, headers=headers | {
        "X-Linked-ETag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content)),
        "Location": f"http://{elsewhere}/lfs/{kind}/{name}/{sha256(content)}"})


def _ranged(content: bytes, request: Request, headers: dict[str, str]) -> Answer:
    """Return a file's content, or the part of it that the request asks for."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if not asked:
        return Answer(200, content, headers)
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first >= len(content):
        raise Refused(416, "Range Not Satisfiable", **{"Content-Range": f"bytes */{len(content)}"})
    return Answer(206, content[first:last + 1],
                  headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"})

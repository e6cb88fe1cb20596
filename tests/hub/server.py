"""The hub at an address: requests come in, are noted, go wrong where that is asked for, and are answered."""

import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.hub.answers import Answer, Request, answer
from tests.hub.store import Store


@dataclass
class Fault:
    """What goes wrong with requests: see Hub.fault."""

    match: str
    status: int = 0
    hang: bool = False
    delay: float = 0.0
    drop: int | None = None
    times: int | None = None


class Hub(Store):
    """A hub at `url`, in threads of this process, from `with` on; `requests` are those it has got, in order.

    `folder` is where the clients' own files go: their HF_HOME.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def environment(self, token: str = "") -> dict[str, str]:
        """Return the variables by which a command finds this hub, online, with a home of its own for what it keeps."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(self.folder / "hf"), "HF_TOKEN": token, "HF_HUB_OFFLINE": "0",
                "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1,localhost"}

    def fault(self, match: str, **what: object) -> Fault:
        """Have requests go wrong whose "METHOD path" the pattern `match` is found in; return the Fault.

        `status`: they are answered with that error. `hang`: they get no answer. `delay`: it comes so many seconds
        late. `drop`: the connection breaks after so many bytes of the body. `times`: only the first so many do.
        `faults.clear()` mends it all.
        """
        self.faults.append(Fault(match, **what))
        return self.faults[-1]

    def next_fault(self, request: Request) -> Fault:
        """Return what is to go wrong with a request, and count it; a Fault that does nothing where nothing is."""
        for fault in self.faults:
            if fault.times != 0 and re.search(fault.match, f"{request.method} {request.path}"):
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return Fault("")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request of any method."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = re.sub("^http://[^/]*", "", self.path)  # whole where a client takes this for its proxy
        request = Request(self.command, path, {name.lower(): value for name, value in self.headers.items()}, body,
                          self.hub.url.removeprefix("http://"))
        self.hub.requests.append(request)
        fault = self.hub.next_fault(request)
        if fault.hang:  # at the end it answers, so that a client that still waits does not try again, at the next hub
            self.hub.closing.wait()
            fault = Fault("", status=410)
        time.sleep(fault.delay)
        response = Answer(fault.status, b"out of order") if fault.status else answer(self.hub, request)
        request.status = response.status
        with suppress(ConnectionError):  # the client has gone
            self.send(response, fault.drop)

    do_HEAD = do_POST = do_PUT = do_GET

    def send(self, response: Answer, drop: int | None) -> None:
        """Send an answer, or the first `drop` bytes of its body and no more."""
        self.send_response(response.status)
        for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body[:drop])
            self.close_connection = drop is not None

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""

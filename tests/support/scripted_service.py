"""A peer that misbehaves on demand, over a real connection: what the real service must not do at will."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """One answer; `cut_after` breaks the connection after so many bytes of the body, `endless` repeats it for ever."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut_after: int | None = None
    endless: bool = False

    @classmethod
    def json(cls, value: Any, *, status: int = 200, content_type: str = "application/json") -> "Answer":
        return cls(json.dumps(value).encode(), status, {"Content-Type": content_type})


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedService(ThreadingHTTPServer):
    """Gives the answers of its script, by method and path, each until the last of its list."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: dict[str, list[Answer]] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        answers = self.script[f"{request.method} {request.path}"]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
        assert isinstance(self.server, ScriptedService)
        answer = self.server.answer(request)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.endless:
            self.end_headers()
            with suppress(OSError):  # until the other end has had enough
                while True:
                    self.wfile.write(answer.body)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut_after])

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

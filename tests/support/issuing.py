"""An issuer of tokens as a process of its own: discovery, public keys, and tokens signed by joserfc.

It shares nothing with the service, neither code nor a library for tokens. `python -m tests.support.issuing PORT` serves
it on loopback.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwk, jwt

FAR = 3600


class State:
    """Keys by their names, and what is answered."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetched = 0
        self.answers: dict[str, Any] = {}
        """Answers by path that differ from the usual ones: text, or an object of JSON."""
        self.hangs = False
        self.ended = threading.Event()
        self.add("ec-1", "EC", "P-256")

    def add(self, name: str, kind: str, of: str | int) -> None:
        """Make a key of this name, by which tokens name it."""
        self.keys[name] = jwk.JWKRegistry.generate_key(kind, of, {"kid": name, "use": "sig"})

    def public(self) -> dict[str, Any]:
        """The key set, as it is published."""
        return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}

    def sign(self, header: dict[str, Any], claims: dict[str, Any], by: str) -> str:
        """A token by the key of this name, or by a fresh one that nobody has published."""
        key = self.keys.get(by) or jwk.JWKRegistry.generate_key("EC", "P-256", {"kid": by})
        return jwt.encode(
            header, claims, key, algorithms=[header["alg"]], default_type=header.get("typ", "JWT")
        )


def serve(port: int) -> None:
    """Answer until the process is ended."""
    state = State()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if state.hangs:
                state.ended.wait(FAR)
            url = f"http://127.0.0.1:{server.server_address[1]}"
            usual: dict[str, Any] = {
                "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/keys"},
                "/keys": state.public(),
                "/fetched": state.fetched,
            }
            if self.path == "/keys":
                state.fetched += 1
            self._answer(state.answers.get(self.path, usual.get(self.path)))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            match self.path:
                case "/sign":
                    self._answer(state.sign(**asked))
                case "/add":
                    self._answer(state.add(**asked))
                case "/withdraw":
                    self._answer(state.keys.pop(asked) and None)
                case "/answers":
                    state.answers = asked
                    self._answer(None)
                case _:
                    state.hangs = asked
                    self._answer(None)

        def _answer(self, what: Any) -> None:
            body = (
                what.encode()
                if isinstance(what, str) and self.command == "GET"
                else json.dumps(what).encode()
            )
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name in the base class)
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", port), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

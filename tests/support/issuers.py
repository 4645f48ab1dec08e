"""Issuers of tokens for tests, each a process of its own on loopback."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from api.settings import Settings

ROOT = Path(__file__).parents[2]
AUDIENCE = "td3"


class Issuer:
    """An issuer that runs, until it is stopped."""

    def __init__(self) -> None:
        self._process = self._run(0)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self._port}"

    def _run(self, port: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.issuing", str(port)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self) -> None:
        """Start it again where it was, with a key of the same name, which is another one."""
        self._process = self._run(self._port)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def tell(self, path: str, what: Any) -> Any:
        """Tell it something, and return its answer."""
        return httpx.post(f"{self.url}/{path}", json=what, timeout=60, trust_env=False).json()

    def add(self, name: str, kind: str = "EC", of: str | int = "P-256") -> None:
        """Publish a further key."""
        self.tell("add", {"name": name, "kind": kind, "of": of})

    def fetched(self) -> int:
        """How often its keys were fetched."""
        return httpx.get(f"{self.url}/fetched", trust_env=False).json()

    def public(self) -> dict[str, Any]:
        """Its keys, as everybody sees them. This counts, too."""
        return httpx.get(f"{self.url}/keys", trust_env=False).json()

    def token(
        self,
        subject: str = "ada",
        *,
        by: str = "ec-1",
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token for this user; a claim or a part of the header that is None is left out."""
        at = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": at, "exp": at + 300}
        return self.tell(
            "sign",
            {
                "header": without_none({"alg": "ES256", "kid": by} | dict(header or {})),
                "claims": without_none(usual | claims),
                "by": by,
            },
        )

    def bearing(self, subject: str = "ada", **options: Any) -> dict[str, str]:
        """The header of a request with a token."""
        return {"Authorization": f"Bearer {self.token(subject, **options)}"}

    def trusted(self, settings: Settings, *rules: Mapping[str, Any], **others: Any) -> Settings:
        """The settings of a service that trusts it, by these rules."""
        trust = {"issuer": self.url, "audience": AUDIENCE, "rules": rules}
        trust |= {name: others.pop(name) for name in ("algorithms",) if name in others}
        return settings.model_copy(
            update={"access_control": "keys", "oidc_issuers": json.dumps([trust]), **others}
        )


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer until the block ends."""
    issuer = Issuer()
    try:
        yield issuer
    finally:
        issuer.stop()


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def encoded(part: Any) -> str:
    """A part of a token that nobody has signed."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")

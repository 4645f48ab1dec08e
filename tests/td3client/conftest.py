import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.scripted_service import ScriptedService


@contextmanager
def served() -> Iterator[ScriptedService]:
    with ScriptedService() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def new_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing that whoever runs the tests has set or stored; the folder of the configuration."""
    for name in ("TD3_URL", "TD3_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with served() as server:
        yield server


@pytest.fixture
def storage() -> Iterator[ScriptedService]:
    """Another host, to which the service redirects downloads."""
    with served() as server:
        yield server

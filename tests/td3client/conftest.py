import threading
from collections.abc import Iterator
from contextlib import contextmanager

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


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with served() as server:
        yield server


@pytest.fixture
def storage() -> Iterator[ScriptedService]:
    """Another host, to which the service redirects downloads."""
    with served() as server:
        yield server

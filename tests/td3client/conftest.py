import threading
from collections.abc import Iterator

import pytest

from tests.support.scripted_service import ScriptedService


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with ScriptedService() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()

"""A real service for each test: its own processes, folder and port, on a small log with small specs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.service import Service, running_service
from td3client import Client
from td3core.data.sample import generate_sample_log
from tests.support.environment import own_environment


@pytest.fixture(scope="session")
def small_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "clicks.csv"
    generate_sample_log(users=60, items=30, seed=1).write_csv(path)
    return path


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service with settings of the test's choice; it is stopped in the end."""
    with ExitStack() as stack:

        def start(**settings: str) -> Service:
            environment = own_environment() | settings
            return stack.enter_context(running_service(data_dir=tmp_path / "var", environment=environment))

        yield start


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, token=service.key) as client:
        yield client

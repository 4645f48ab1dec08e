"""A real service for each test: its own processes, folder and port, on a small log with small specs."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from embedded.service import Service, running_service
from td3client import Client
from td3core.data.sample import generate_sample_log

# A worker that vanishes is noticed in seconds.
BRISK = {
    "TD3_LEASE_SECONDS": "3",
    "TD3_HEARTBEAT_SECONDS": "0.5",
    "TD3_SWEEP_SECONDS": "0.5",
    "TD3_TORCH_THREADS": "1",
}

SMALL_SPEC: dict[str, Any] = {
    "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 10},
    "teacher": {"max_epochs": 2},
    "summary": {"users": 4, "length": 10},
    "inner": {"steps": 10, "window": 3, "compile": "never"},
    "outer": {"steps": 4, "validate_every": 2, "validation_learners": 1},
}


def with_outer_steps(steps: int) -> dict[str, Any]:
    """The small spec, made as long as a test needs."""
    return {**SMALL_SPEC, "outer": {**SMALL_SPEC["outer"], "steps": steps, "validate_every": steps}}


def own_environment() -> dict[str, str]:
    """This process's environment without settings that somebody made for another service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TD3_")} | BRISK


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
    with Client(service.url) as client:
        yield client

from pathlib import Path

import pytest
import redis

from api.settings import Settings
from tests.support.live_api import running_api
from tests.support.submissions import submit
from worker.resources import served_queues


@pytest.mark.parametrize(
    ("queues", "device", "served"),
    [
        ("auto", "cpu", ["cpu"]),
        ("auto", "cuda:1", ["cpu", "gpu"]),
        ("gpu", "cpu", ["gpu"]),
        ("cpu,gpu", "auto", ["cpu", "gpu"]),
    ],
)
def test_a_worker_serves_what_it_has_or_is_told(queues: str, device: str, served: list[str]) -> None:
    settings = Settings.model_validate({"worker_queues": queues, "device": device})
    assert served_queues(settings) == served


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_serves_none() -> None:
    assert served_queues(Settings.model_validate({"device": "auto"})) == ["cpu"]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("queue", ["cpu", "gpu"])
def test_jobs_go_to_the_queue_of_the_settings(settings: Settings, broker: redis.Redis, queue: str) -> None:
    with running_api(settings.model_copy(update={"queue": queue})) as api:
        submit(api)
    assert {name: broker.llen(name) for name in ("cpu", "gpu")} == {"cpu": 0, "gpu": 0} | {queue: 1}

"""Workers on machines of their own, one of which is cut off the network and comes back."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.support.fleet import PATIENCE, SHORT_LEASE, Fleet, running_fleet
from tests.support.network import IP, Network, running_network
from tests.support.servers.postgres import postgres_process
from tests.support.servers.s3 import running_s3
from tests.support.undisturbed import Undisturbed, small_spec
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]


@pytest.fixture
def network() -> Iterator[Network]:
    with running_network() as network:
        yield network


@pytest.fixture
def spread_fleet(network: Network, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose database, broker and bucket are reached over the network."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_process(host=network.host))
        s3 = stack.enter_context(running_s3(network.host))
        fleet = stack.enter_context(running_fleet(tmp_path, postgres))
        with redis.Redis.from_url(fleet.broker.url) as broker:
            broker.config_set("bind", f"127.0.0.1 {network.host}")
            broker.config_set("protected-mode", "no")
        fleet.environment |= s3.environment | {
            "TD3_BROKER_URL": fleet.broker.url.replace("127.0.0.1", network.host),
            "TD3_STORAGE_URL": f"s3://{s3.bucket}/chaos",
        }
        yield fleet


def test_a_worker_that_is_cut_off_for_longer_than_its_lease_and_comes_back_changes_nothing(
    network: Network, spread_fleet: Fleet, undisturbed: Undisturbed
) -> None:
    fleet = spread_fleet
    specs = [small_spec(seed) for seed in range(4)]
    machines = {name: network.add(name) for name in ("worker-1", "worker-2")}

    fleet.start("worker-1", through=machines["worker-1"], **SHORT_LEASE)
    fleet.start("keeper", **SHORT_LEASE)
    fleet.start("api")
    job_ids = [fleet.submit(undisturbed.log, spec).json()["id"] for spec in specs]
    fleet.wait_for_step(job_ids[0])
    fleet.start("worker-2", through=machines["worker-2"], **SHORT_LEASE)

    network.cut("worker-1")
    wait_until(lambda: fleet.job(job_ids[0]).attempt == 2, seconds=PATIENCE)
    network.join("worker-1")
    wait_until(lambda: "run.lease_lost" in fleet.log("worker-1"), seconds=PATIENCE)
    fleet.wait_for_all()

    fleet.stop("worker-2")
    job_ids.append(fleet.submit(undisturbed.log, small_spec(4)).json()["id"])
    fleet.wait_for_all()  # by the worker that came back
    for job_id, spec in zip(job_ids, [*specs, small_spec(4)], strict=True):
        fleet.check_succeeded_once(job_id, undisturbed.archive(spec))


def test_a_network_leaves_nothing_behind() -> None:
    def made() -> str:
        listed = (
            subprocess.run([IP or "ip", *what], check=True, capture_output=True, text=True).stdout
            for what in (("-brief", "link"), ("netns", "list"))
        )
        return "".join(listed)

    with running_network() as network:
        before = made()
        network.add("one")
        assert "one" in made()
        assert made() != before
    assert "td3n" not in made()

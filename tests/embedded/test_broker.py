from pathlib import Path

import pytest
import redis

from embedded.broker import start_broker
from embedded.errors import ChildDiedError


def test_messages_survive_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        with (
            start_broker(tmp_path / "data", log=tmp_path / "broker.log") as broker,
            redis.Redis.from_url(broker.url) as client,
        ):
            assert client.llen("queue") == expected
            client.rpush("queue", "message")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_two_brokers_get_their_own_ports(tmp_path: Path) -> None:
    with (
        start_broker(tmp_path / "a", log=tmp_path / "a.log") as first,
        start_broker(tmp_path / "b", log=tmp_path / "b.log") as second,
    ):
        assert first.port != second.port
        with redis.Redis.from_url(first.url) as client, redis.Redis.from_url(second.url) as other:
            client.rpush("queue", "message")
            assert (client.llen("queue"), other.llen("queue")) == (1, 0)


def test_a_damaged_log_of_messages_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "data" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("nonsense\n")
    with pytest.raises(ChildDiedError, match=r"broker exited unexpectedly[\s\S]*nonsense"):
        start_broker(tmp_path / "data", log=tmp_path / "broker.log")

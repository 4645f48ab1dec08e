import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import redis
import sqlalchemy

STARTER = """
import time
from tests.support.servers.postgres import running_postgres
with running_postgres():
    print("running", flush=True)
    time.sleep(1000)
"""


def test_postgres_database_is_fresh_for_each_test(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (id int)")


test_postgres_database_is_fresh_for_another_test = test_postgres_database_is_fresh_for_each_test


def test_database_url_serves_both_engines(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE mine (id int)"))
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM mine")).scalar_one() == 0
    engine.dispose()


def test_broker_is_empty_and_never_evicts(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_broker_is_empty_again(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0


def test_postgres_ends_with_what_started_it_even_when_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        try:
            assert starter.stdout is not None
            assert starter.stdout.readline() == "running\n"
            family = psutil.Process(starter.pid).children(recursive=True)
            assert len(family) > 1, "the server and its own workers"
            data_dir = Path(family[0].cwd())
        finally:
            starter.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    shutil.rmtree(data_dir.parent)

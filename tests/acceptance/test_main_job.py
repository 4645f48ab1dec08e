"""The main job as a user sees it: a log goes in over HTTP, a summary comes out, and is worth something."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.service import Service
from td3client import Client, ServiceProblem
from td3core import load_summary
from tests.support.specs import SMALL_SPEC

pytestmark = pytest.mark.acceptance

LABELLED = {f"{what}_labelled{life}" for what in ("random", "sampled", "tokens") for life in ("", "_long")}
RIVALS = {"random", "longest", "coreset", "random_stopped", "coreset_stopped"} | LABELLED
SOURCES = {"full", "summary", "summary_long", "floor", "popularity", "teacher"} | RIVALS


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_log_goes_in_and_an_evaluated_summary_comes_out(
    start_service: Callable[..., Service],
    request: pytest.FixtureRequest,
    small_log: Path,
    tmp_path: Path,
    engine: str,
) -> None:
    database = {"TD3_DATABASE_URL": request.getfixturevalue("postgres_url")} if engine == "postgres" else {}
    service = start_service(**database)
    with Client(service.url, token=service.key) as client:
        job = client.submit(small_log, SMALL_SPEC)
        assert job["state"] == "queued"
        assert job["spec"]["summary"]["users"] == 4
        assert job["dataset"]["sha256"] == hashlib.sha256(small_log.read_bytes()).hexdigest()
        with pytest.raises(ServiceProblem) as early:
            client.download_summary(job["id"], tmp_path)
        assert early.value.status == 409

        seen = list(client.wait(job["id"], poll=0.1))
        progress = [run["progress"] for run in seen]
        assert progress == sorted(progress)
        done = seen[-1]
        assert (done["state"], done["progress"], done["attempt"]) == ("succeeded", 1.0, 1)
        assert done["started_at"] is not None
        assert done["finished_at"] is not None
        assert client.jobs()["items"][0]["id"] == job["id"]

        path = client.download_summary(job["id"], tmp_path)
        summary = load_summary(path)
        assert summary.soft_sequences().shape[:2] == (4, 10)
        item_ids = {line.split(",")[1] for line in small_log.read_text().splitlines()[1:]}
        assert {item for sequence in summary.sample(3, seed=1) for item in sequence} <= item_ids

        evaluation = client.evaluate(job["id"], {"seeds": 2, "steps": 10})
        *_, evaluated = client.wait_evaluation(evaluation["id"], poll=0.1)
        assert evaluated["job_id"] == job["id"]
        assert evaluated["results"] is not None
        assert evaluated["recovery"] is not None
        results = evaluated["results"]["sasrec"]
        assert set(results) == SOURCES
        for source in SOURCES:
            spread = results[source]["ndcg@10"]
            assert 0.0 <= spread["mean"] <= 1.0
            assert spread["mean"] == pytest.approx(sum(spread["values"]) / len(spread["values"]))
        full, small = (results[source]["ndcg@10"]["mean"] for source in ("full", "summary"))
        recovery = evaluated["recovery"]["sasrec"]["ndcg@10"]["recovery"]
        assert recovery is not None
        assert math.isclose(recovery, small / full, rel_tol=1e-6)
        assert evaluated["comparison"] is not None
        assert set(evaluated["comparison"]["sasrec"]) == RIVALS
        assert evaluated["timing"] is not None
        timing = evaluated["timing"]["sasrec"]
        assert done["metrics"] is not None
        seconds = done["metrics"].get("seconds")
        assert seconds is not None
        assert timing["distil_seconds"] == seconds["teacher"] + seconds["distilling"]
        assert evaluated["size"] is not None
        assert evaluated["size"]["summary_bytes"] == path.stat().st_size


def test_the_same_spec_gives_the_same_bytes(client: Client, small_log: Path) -> None:
    digests: list[str] = []
    for _ in range(2):
        *_, job = client.wait(client.submit(small_log, SMALL_SPEC, force=True)["id"], poll=0.1)
        assert job["summary"] is not None
        digests.append(job["summary"]["sha256"])
    assert digests[0] == digests[1]


def test_a_log_with_bad_rows_is_refused_by_line_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    log = tmp_path / "bad.csv"
    log.write_text("user_id,item_id,timestamp\nu1,i1,1\nu1,i2,soon\nu1,,3\n")
    with pytest.raises(ServiceProblem) as refused:
        client.submit(log)
    assert refused.value.code == "bad_rows"
    assert [error["line"] for error in refused.value.errors] == [3, 4]
    assert client.jobs()["items"] == []

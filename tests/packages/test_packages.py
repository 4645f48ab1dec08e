"""What can be installed apart: the client without torch, and the method without the service."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from td3client.version import VERSION as CLIENT_VERSION
from td3core.data.sample import generate_sample_log
from td3core.version import VERSION
from tests.packages.environment import ROOT, FreshEnvironment

pytestmark = pytest.mark.slow

CLIENT_BYTES = 30 * 2**20
SERVICE = {"api", "worker", "embedded", "migrations"}

USE_CLIENT = """
from pathlib import Path

from td3client import Client, Evaluation, Job, ServiceProblem


def distil(log: Path) -> Evaluation | None:
    with Client("http://127.0.0.1:8000", timeout=5.0) as client:
        try:
            job: Job = client.submit(log, {"summary": {"users": 30}})
        except ServiceProblem as problem:
            print(problem.code, problem.status)
            return None
        for job in client.wait(job["id"]):
            print(job["state"], job["progress"])
        client.download_summary(job["id"], log.parent)
        return client.evaluate(job["id"], {"seeds": 3})
"""

USE_CORE = """
import sys
from pathlib import Path

import torch

from td3core import DistillationRun, EvaluationRun, Recommender, Summary, load_summary
from td3core.config import EvaluationSpec, JobSpec


def distil(log: Path, archive: Path) -> Summary:
    spec = JobSpec.model_validate(
        {
            "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 10},
            "teacher": {"members": 1, "max_epochs": 1},
            "summary": {"users": 4, "length": 8},
            "inner": {"steps": 4},
            "outer": {"steps": 2, "validation_learners": 1},
            "certificate": {"learners": 1},
        }
    )
    run = DistillationRun(log, spec, device=torch.device("cpu"))
    for progress in run:
        print(progress.stage, progress.step, progress.steps)
    run.save(archive)
    return load_summary(archive)


def main(log: Path) -> None:
    archive = log.with_name("summary.zip")
    summary = distil(log, archive)
    recommender: Recommender = summary.train()
    names: list[str] = [item for item, score in recommender.recommend([summary.item_ids[0]], k=3)]
    print(names, len(summary.sample(2)))
    spec = EvaluationSpec(seeds=1, cutoffs=(10,), sources=("summary", "floor"))
    evaluation = EvaluationRun(archive, log, spec, device=torch.device("cpu"))
    for _ in evaluation:
        pass
    print(evaluation.result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    return FreshEnvironment(tmp_path_factory.mktemp("client"), ROOT / "td3client")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    return FreshEnvironment(tmp_path_factory.mktemp("core"), ROOT / "td3core")


def is_typed(environment: FreshEnvironment, code: str, folder: Path) -> None:
    """Check a user's module against the installed package, strictly."""
    path = folder / "use.py"
    path.write_text(textwrap.dedent(code))
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", environment.python, path]
    done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_versions_are_one() -> None:
    assert CLIENT_VERSION == VERSION


def test_the_client_is_small_and_brings_nothing_of_the_service(
    client: FreshEnvironment, tmp_path: Path
) -> None:
    assert client.own_bytes + client.linked_bytes < CLIENT_BYTES
    assert not {"torch", "numpy", "polars", "sqlalchemy"} & set(client.requirements)
    top_level = {path.name for path in client.packages.iterdir()}
    assert "td3client" in top_level
    assert not top_level & {*SERVICE, "td3core"}
    done = client.run("-m", "td3client", "--help", cwd=tmp_path)
    assert "submit" in done.stdout, done.stderr
    assert (client.bin / "td3").exists()
    version = client.run("-c", "import td3client, td3client.cli; print(td3client.__version__)", cwd=tmp_path)
    assert version.stdout.strip() == VERSION, version.stderr


def test_the_client_is_typed_for_its_users(client: FreshEnvironment, tmp_path: Path) -> None:
    is_typed(client, USE_CLIENT, tmp_path)


def test_the_method_distils_alone(core: FreshEnvironment, tmp_path: Path) -> None:
    top_level = {path.name for path in core.packages.iterdir()}
    assert not top_level & {*SERVICE, "td3client", "fastapi", "sqlalchemy", "celery"}
    log = tmp_path / "log.csv"
    generate_sample_log(users=40, items=25, seed=1).write_csv(log)
    (tmp_path / "use.py").write_text(textwrap.dedent(USE_CORE))
    done = core.run("use.py", log, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'floor'" in done.stdout
    export = core.run("-m", "td3core.export", tmp_path / "summary.zip", tmp_path / "out.csv", cwd=tmp_path)
    assert export.returncode == 0, export.stderr


def test_the_method_is_typed_for_its_users(core: FreshEnvironment, tmp_path: Path) -> None:
    is_typed(core, USE_CORE, tmp_path)

"""Small real pieces of the method in float64, where derivatives are compared to the last digits."""

from pathlib import Path

import pytest
import torch

from td3core.catalogue.candidates import Catalogue
from td3core.config import LearnerConfig
from td3core.data.sample import generate_sample_log
from td3core.errors import CompilerError
from td3core.inner.compiled import compiled
from td3core.learners import Learner, SASRec, build_learner
from td3core.runs.distillation import DistillationRun
from tests.support.specs import FARZI_SPEC, TINY_SPEC


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.fixture
def learner() -> SASRec:
    return SASRec(embedding_size=8, layers=2, heads=2, inner_size=12, max_length=12)


@pytest.fixture(params=["sasrec", "gru4rec", "narm", "bert4rec"])
def every_learner(request: pytest.FixtureRequest) -> Learner:
    """One of each kind."""
    return build_learner(
        LearnerConfig(kind=request.param, embedding_size=8, layers=2, heads=2, inner_size=12, max_length=12)
    )


@pytest.fixture
def items(generator: torch.Generator) -> torch.Tensor:
    """An item factor of 11 items."""
    return torch.randn(11, 8, dtype=torch.float64, generator=generator)


@pytest.fixture(scope="session")
def tiny_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "tiny.csv"
    generate_sample_log(users=60, items=40, seed=3).write_csv(path)
    return path


@pytest.fixture(scope="session", params=[TINY_SPEC, FARZI_SPEC], ids=lambda spec: spec.summary.kind)
def finished_run(request: pytest.FixtureRequest, tiny_log: Path) -> DistillationRun:
    """A distillation of the tiny log to each kind of summary, run to its end once for all tests."""
    run = DistillationRun(tiny_log, request.param, log_name="tiny.csv", device=torch.device("cpu"))
    for _ in run:
        pass
    return run


@pytest.fixture(scope="session")
def archive(finished_run: DistillationRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "summary.zip"
    finished_run.save(path)
    return path


@pytest.fixture
def compiler() -> None:
    """One that works; it takes the headers of Python, too."""
    try:
        compiled(_scaled, required=True)(Catalogue(torch.ones(1, 1)), torch.zeros(1))
    except CompilerError as error:
        pytest.skip(f"nothing can be compiled here: {error}")


def _scaled(catalogue: Catalogue, x: torch.Tensor) -> torch.Tensor:
    return catalogue.items * x

import logging
from collections.abc import Sequence

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config

from td3core.catalogue.candidates import Catalogue
from td3core.config import Compilation, LearnerConfig
from td3core.errors import CompilerError
from td3core.inner.batches import Batch, BatchSampler
from td3core.inner.compiled import compiled
from td3core.inner.lessons import Lesson
from td3core.inner.optimizers import Adam
from td3core.inner.unroll import InnerLoop
from td3core.learners import Learner, build_learner
from td3core.schedules import Schedule

MU, ZETA = 4, 6


def inner_loop(learner: Learner, items: torch.Tensor, compilation: Compilation) -> InnerLoop:
    return InnerLoop(
        learner=learner,
        items=items,
        optimizer=Adam(weight_decay=1e-3),
        schedule=Schedule(0.1, "cosine", 6),
        compilation=compilation,
    )


def draw(learner: Learner, generator: torch.Generator) -> Sequence[Batch]:
    sampler = BatchSampler(learner.objective, MU, ZETA, batch_users=3, positions=2)
    return sampler.draw(3, learners=2, generator=generator)


def squared(catalogue: Catalogue, x: torch.Tensor) -> torch.Tensor:
    return catalogue.items.sum() * x**2


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_steps_are_those_that_they_are_compiled_from() -> None:
    """Each draw brings other candidates, and more of them: nothing is compiled again for that."""
    learner = build_learner(LearnerConfig(embedding_size=8, inner_size=16, max_length=ZETA))
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(11, 8, dtype=torch.float64, generator=generator)
    lesson = Lesson(*torch.randn(2, MU, ZETA, 8, dtype=torch.float64, generator=generator))
    eager, fast = (inner_loop(learner, items, how) for how in ("never", "always"))
    eager.lr_factor = fast.lr_factor = 0.7
    start = eager.start(2, generator=generator)
    outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator)
    offsets = torch.rand(11, dtype=torch.float64, generator=generator)
    before = counters["stats"]["unique_graphs"]
    for n in (5, 9):
        rows = torch.randperm(11, generator=generator)[:n]
        candidates = Catalogue(items[rows], rows, offsets[rows])
        drawn = draw(learner, generator)
        found: list[tuple[torch.Tensor, ...]] = []
        for loop in (eager, fast):
            cohort, trajectory = loop.unroll(start, lesson, drawn, candidates)
            pulled = loop.pull_back(trajectory, lesson, outer, candidates)
            found.append(
                (cohort.parameters, *cohort.optimizer.moments, *pulled.by_lesson.tensors, pulled.by_log_lr)
            )
        for ours, theirs in zip(*found, strict=True):
            assert theirs.abs().max() > 1e-6
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert counters["stats"]["unique_graphs"] - before == 2, "one forwards, one backwards"


def many(catalogue: Catalogue, x: torch.Tensor) -> torch.Tensor:
    for _ in range(3001):
        x = x + catalogue.items
    return x


@config.patch({"cpp.cxx": (None, "/nonexistent/g++"), "force_disable_caches": True})
def test_without_a_compiler_a_function_stays_as_it_is_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    catalogue, x = Catalogue(torch.ones(2, 1)), torch.arange(3.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert compiled(squared)(catalogue, x).tolist() == [0.0, 2.0, 8.0]
    assert "/nonexistent/g++" in caplog.text
    with pytest.raises(CompilerError, match="/nonexistent/g"):
        compiled(squared, required=True)(catalogue, x)


def test_what_is_too_long_to_compile_stays_as_it_is() -> None:
    catalogue, x = Catalogue(torch.ones(2, 1)), torch.zeros(2, 1)
    assert compiled(many)(catalogue, x).flatten().tolist() == [3001.0, 3001.0]
    with pytest.raises(CompilerError, match="3000 operations are too many"):
        compiled(many, required=True)(catalogue, x)

import functools
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._inductor import config

from benchmarks.direct import direct_unroll
from td3core.catalogue.candidates import Catalogue
from td3core.config import (
    DataConfig,
    InnerConfig,
    JobSpec,
    OuterConfig,
    StopConfig,
    SummaryConfig,
    TeacherConfig,
)
from td3core.data import supervise
from td3core.data.sequences import Sequences, Split, build_sequences, leave_last_out
from td3core.errors import DivergedError
from td3core.factors import expected_embeddings, initial_factors, map_tensors
from td3core.inner import Labeller
from td3core.inner.lessons import Lesson
from td3core.inner.unroll import build_inner_loop
from td3core.interactions import filter_log, read_log
from td3core.learners import Learner, SASRec
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import OuterStep, hypergradient
from td3core.outer.pool import LearnerPool
from td3core.ranking.task import RankingTask
from td3core.training import roll_out
from td3core.training.log import LogTraining, Trained

CPU = torch.device("cpu")
LEARNER = SASRec(embedding_size=8, layers=1, heads=1, inner_size=8, max_length=12)
TUCKER = SummaryConfig(users=5, length=9, rank_users=3, rank_time=4)
ROLLED_OUT = TUCKER.model_copy(update={"start": "rollouts"})
FARZI = SummaryConfig(kind="farzi", users=5, length=9, rank=4, temperature=0.5)
every_kind = pytest.mark.parametrize("summary", [TUCKER, FARZI], ids=lambda config: config.kind)


def tiny_split(tiny_log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))


def distillation(
    tiny_log: Path,
    *,
    learner: Learner = LEARNER,
    teacher: Trained | None = None,
    teacher_score: float = 0.0,
    summary: SummaryConfig = TUCKER,
    stop: StopConfig | None = None,
    data: DataConfig | None = None,
    train: Sequences | None = None,
    dtype: torch.dtype = torch.float32,
    **changes,
) -> Distillation:
    split = tiny_split(tiny_log)
    generator = torch.Generator().manual_seed(1)
    items = torch.randn(split.train.n_items, 8, dtype=dtype, generator=generator)
    parameters = learner.initialise(1, generator=generator, dtype=dtype, device=CPU)
    task = RankingTask(split, part="valid", max_length=12, cutoffs=(10,), device=CPU)
    inner = {"steps": 12, "window": 4, "pool_size": 3} | changes.pop("inner", {})
    outer = {"steps": 6, "validate_every": 2, "validation_learners": 1} | changes.pop("outer", {})
    return Distillation(
        JobSpec(
            summary=summary,
            inner=InnerConfig(**inner),
            outer=OuterConfig(**outer),
            stop=stop or StopConfig(),
            data=data or DataConfig(),
        ),
        learner=learner,
        teacher=teacher
        or Trained(items, parameters, teacher_score, torch.stack([parameters[0] * 0.5, parameters[0]])),
        train=train or split.train,
        task=task,
    )


def copied(run: Distillation) -> list[torch.Tensor]:
    return [factor.detach().clone() for factor in run.factors.tensors.values()]


@every_kind
@pytest.mark.parametrize(
    "inner",
    [
        {},
        {"learners": 3},
        {"warm_up": "rat"},
        {"warm_up": "rat", "learners": 2},
        {"supervision": "paper"},
        {"positions": 3},
        {"window": 12, "warm_up": "rat"},
        {"warm_up": "fixed"},
        {"optimizer": "sgd", "lr": 0.1},
        {"schedule": "constant"},
        {"initial": "trajectory"},
        {"initial": "mixed", "warm_up": "rat"},
        {"precision": "bfloat16"},
        {"learn_lr": True},
    ],
    ids=str,
)
def test_every_way_through_the_loop_runs_and_keeps_the_best(
    tiny_log: Path, summary: SummaryConfig, inner: dict
) -> None:
    run = distillation(tiny_log, summary=summary, inner=inner, outer={"alignment": 1.0})
    before = copied(run)
    reports = list(run)
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6]
    scores = [report.scores["ndcg@10"] for report in reports[1::2]]
    assert run.best is not None
    assert run.best.score == max(scores)
    assert run.best.step == 2 * (scores.index(max(scores)) + 1)
    for old, new in zip(before, run.factors.tensors.values(), strict=True):
        assert not torch.equal(old, new)


@pytest.mark.parametrize("inner", [{}, {"supervision": "paper"}, {"warm_up": "fixed", "window": 12}], ids=str)
def test_every_learner_can_be_distilled_with(tiny_log: Path, every_learner: Learner, inner: dict) -> None:
    run = distillation(tiny_log, learner=every_learner, inner=inner, outer={"alignment": 1.0})
    before = copied(run)
    assert len(list(run)) == 6
    assert run.best is not None
    for old, new in zip(before, run.factors.tensors.values(), strict=True):
        assert not torch.equal(old, new)


@pytest.mark.parametrize("aligned", ["all", "last"])
@every_kind
def test_hypergradient_equals_plain_autograd_through_the_whole_outer_step(
    tiny_log: Path, summary: SummaryConfig, aligned: str
) -> None:
    """Factors -> S -> inner loop -> real loss and alignment."""
    run = distillation(
        tiny_log,
        summary=summary,
        dtype=torch.float64,
        inner={"schedule": "constant", "lr": 5e-3, "targets": "summary"},
        outer={"alignment": 0.5, "alignment_at": aligned},
    )
    start = run.loop.start(2, generator=torch.Generator().manual_seed(3))
    drawn = run.batches.draw(4, learners=2, generator=run.generator)
    n_items = len(run.teacher.items)
    chunks = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, n_items, n_items]])
    real = supervise(chunks, LEARNER.objective, n_items=n_items, generator=run.generator)
    before = copied(run)
    found = hypergradient(
        run.factors,
        OuterStep(start, drawn, real, run.loop.catalogue),
        loop=run.loop,
        lessons=run.lessons,
        objective=run.objective,
    )
    assert all(map(torch.equal, before, run.factors.tensors.values()))
    assert all(factor.grad is None for factor in run.factors.tensors.values())

    items = run.teacher.items
    factors = map_tensors(run.factors, lambda factor: factor.detach().clone().requires_grad_())
    weights = start.parameters.clone().requires_grad_()
    weights = direct_unroll(LEARNER, factors, items, weights, drawn, lr=5e-3, weight_decay=5e-5)
    expected = torch.zeros((), dtype=torch.float64)
    for learner in range(2):
        losses, drift = [], []
        for user in ([1, 2, 3, 4, 5], [6, 7, 8]):
            outputs = LEARNER(weights[learner : learner + 1], items[user][None, None])[0, 0]
            features = LEARNER(run.teacher.parameters, items[user][None, None])[0, 0]
            losses.append(
                torch.nn.functional.cross_entropy(outputs @ items.T, torch.tensor(user[1:]), reduction="none")
            )
            drift.append((outputs - features).square()[-1 if aligned == "last" else 0 :])
        expected = expected + (torch.cat(losses).mean() + 0.5 * torch.cat(drift).mean()) / 2
    assert float(found.loss) == pytest.approx(float(expected.detach()))
    learned = list(factors.tensors.values())
    assert list(found.by_factors) == list(factors.tensors)
    for ours, theirs in zip(found.by_factors.values(), torch.autograd.grad(expected, learned), strict=True):
        assert theirs.abs().max() > 1e-6
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)


def test_sequences_without_a_transition_are_refused(tiny_log: Path) -> None:
    split = tiny_split(tiny_log)
    firsts = split.train.items[split.train.offsets[:-1]]
    single = replace(split.train, items=firsts, offsets=np.arange(len(firsts) + 1))
    with pytest.raises(ValueError, match="no sequence has two items"):
        distillation(tiny_log, train=single)


@pytest.fixture(scope="module")
def trained(tiny_log: Path) -> Trained:
    """A teacher that knows the log."""
    run = distillation(tiny_log)
    training = LogTraining(
        LEARNER,
        tiny_split(tiny_log).train,
        run.task,
        config=TeacherConfig(max_epochs=15, lr=0.02, batch_size=256),
        dropout=0.0,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    ).run()
    while True:
        try:
            next(training)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize(
    "summary", [TUCKER, ROLLED_OUT, FARZI], ids=lambda config: f"{config.kind}-{config.starts_with}"
)
def test_a_distilled_summary_lowers_the_outer_loss_and_beats_the_floor(
    tiny_log: Path, trained: Trained, summary: SummaryConfig
) -> None:
    run = distillation(
        tiny_log,
        teacher=trained,
        summary=summary,
        inner={"steps": 20, "window": 20},
        outer={"steps": 60, "validate_every": 10, "validation_learners": 4},
    )
    untrained = run.loop.start(4, generator=torch.Generator().manual_seed(4)).parameters
    floor = [row["ndcg@10"] for row in run.task.evaluate(LEARNER, untrained, trained.items)]
    losses = [report.losses["outer"] for report in run]
    assert sum(losses[-10:]) < 0.97 * sum(losses[:10])
    assert run.best is not None
    assert run.best.score > max(floor)


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_factors_start_near_what_the_teacher_rolls_out(tiny_log: Path, exclude_seen: bool) -> None:
    """With factors of full rank, the queries are those of the sampled items' embeddings."""
    summary = SummaryConfig(users=5, length=9, rank_users=5, rank_time=9, start="rollouts")
    run = distillation(
        tiny_log, summary=summary, data=DataConfig(exclude_seen=exclude_seen), dtype=torch.float64
    )
    items = run.teacher.items
    sampled = roll_out(
        Labeller(LEARNER, run.teacher.parameters, items),
        tiny_split(tiny_log).train,
        5,
        length=9,
        distinct=exclude_seen,
        generator=torch.Generator().manual_seed(run.spec.seed),
    )
    centred = items - items.mean(0)
    offsets = run.factors.queries().detach() @ (centred.T @ centred / len(items))
    torch.testing.assert_close(offsets + items.mean(0), items[sampled])


def test_factors_start_as_noise_where_the_spec_says_so(tiny_log: Path) -> None:
    summary = TUCKER.model_copy(update={"start": "noise"})
    run = distillation(tiny_log, summary=summary)
    drawn = initial_factors(summary, items=run.teacher.items, generator=torch.Generator().manual_seed(0))
    for ours, expected in zip(run.factors.tensors.values(), drawn.tensors.values(), strict=True):
        assert torch.equal(ours, expected)


def test_sequences_longer_than_the_catalogue_are_rolled_out_with_repeats(tiny_log: Path) -> None:
    length = tiny_split(tiny_log).train.n_items + 1
    learner = SASRec(embedding_size=8, layers=1, heads=1, inner_size=8, max_length=length)
    summary = SummaryConfig(users=2, length=length, start="rollouts")
    run = distillation(tiny_log, learner=learner, summary=summary)
    assert run.factors.shape == (2, length)


def test_validated_factors_are_the_running_mean(tiny_log: Path) -> None:
    as_it_is = TUCKER.model_copy(update={"precision": "float32"})
    run = distillation(tiny_log, summary=as_it_is, outer={"averaging": 0.5, "steps": 2})
    seen = [copied(run)]
    for _ in run:
        seen.append(copied(run))
    assert run.best is not None
    assert run.best.step == 2
    for mean, first, second, third in zip(run.best.factors.tensors.values(), *seen, strict=True):
        torch.testing.assert_close(mean, (first / 2 + second / 2) / 2 + third / 2)


def test_same_seed_same_factors(tiny_log: Path) -> None:
    runs = [distillation(tiny_log) for _ in range(2)]
    for run in runs:
        list(run)
    for first, again in zip(*(run.factors.tensors.values() for run in runs), strict=True):
        assert torch.equal(first, again)


def test_divergence_is_named_and_the_best_kept(tiny_log: Path) -> None:
    run = distillation(tiny_log)
    progress = iter(run)
    for _ in range(2):
        next(progress)
    with torch.no_grad():
        run.factors.tensors["core"].fill_(torch.nan)
    with pytest.raises(DivergedError, match="outer step 3"):
        next(progress)
    assert run.best is not None
    assert run.best.step == 2
    assert all(factor.isfinite().all() for factor in run.best.factors.tensors.values())


def test_pool_ages_and_renews_its_learners() -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(9, 8, generator=generator)
    loop = build_inner_loop(InnerConfig(), learner=LEARNER, items=items, steps=10)
    pool = LearnerPool(
        functools.partial(loop.start, generator=generator), size=3, lifetime=10, generator=generator
    )
    pool.left[:] = torch.tensor([10, 4, 1])
    cohort, places = pool.take(3, steps=4)
    marked = cohort._replace(parameters=torch.full_like(cohort.parameters, 7.0))
    pool.put_back(places, marked)
    assert pool.left.tolist() == [6, 10, 10]
    assert (pool.members.parameters[0] == 7.0).all()
    for renewed in (1, 2):
        assert not (pool.members.parameters[renewed] == 7.0).any()
        assert pool.members.optimizer.step[renewed] == 0


def test_real_batches_never_end(tiny_log: Path) -> None:
    run = distillation(tiny_log, outer={"batch_size": 100_000})
    first, second = run.real_batch(), run.real_batch()
    assert len(first.items) == pytest.approx(len(second.items), rel=0.3)


def test_learners_start_where_the_config_says(tiny_log: Path) -> None:
    def starts(initial: str) -> list[list[float]]:
        run = distillation(tiny_log, inner={"initial": initial, "pool_size": 64})
        trajectory = run.teacher.trajectory
        assert trajectory is not None
        pool = run.learners.state()
        assert pool is not None
        members = pool.members.parameters
        return [[float((member - epoch).abs().max()) for epoch in trajectory] for member in members]

    from_teacher = {name: sum(min(row) == 0 for row in starts(name)) for name in ("trajectory", "mixed")}
    assert from_teacher["trajectory"] == 64
    assert 16 < from_teacher["mixed"] < 48
    assert not any(min(row) == 0 for row in starts("random"))


def test_learning_rate_is_learned_and_kept_with_the_summary(tiny_log: Path) -> None:
    run = distillation(tiny_log, inner={"learn_lr": True})
    list(run)
    assert run.best is not None
    assert run.best.lr_factor != 1.0
    assert run.best.lr_factor == pytest.approx(1.0, abs=0.3)


def test_candidates_stand_for_the_whole_catalogue(tiny_log: Path) -> None:
    """The more of them, the nearer is their hypergradient to the one by all items."""
    exact = distillation(tiny_log, dtype=torch.float64)
    exact.teacher.items.mul_(0.3)  # scores of ordinary size
    start = exact.loop.start(1, generator=torch.Generator().manual_seed(3))
    embeddings = expected_embeddings(exact.factors, exact.teacher.items).detach()
    # A fresh learner's second moments are too small to compare by.
    for batch in exact.batches.draw(30, learners=1, generator=exact.generator):
        start = exact.loop.step(start, Lesson(embeddings), batch)
    batches = exact.batches.draw(4, learners=1, generator=exact.generator)
    real = exact.real_batch()

    def gradient(catalogue: Catalogue) -> torch.Tensor:
        step = OuterStep(start, batches, real, catalogue)
        found = hypergradient(
            exact.factors, step, loop=exact.loop, lessons=exact.lessons, objective=exact.objective
        )
        return torch.cat([gradient.flatten() for gradient in found.by_factors.values()])

    expected = gradient(exact.loop.catalogue)
    n_items = len(exact.teacher.items)

    def similarity(candidates: int) -> float:
        run = distillation(tiny_log, dtype=torch.float64, outer={"candidates": candidates})
        run.teacher.items.mul_(0.3)
        drawn = torch.stack([gradient(run.catalogues.draw(run.generator)) for _ in range(30)])
        return float(torch.cosine_similarity(drawn, expected[None], dim=1).mean())

    few, many = similarity(n_items // 2), similarity(n_items - 3)
    assert few > 0.2
    assert many > max(0.9, few)


def test_stops_when_enough_is_recovered(tiny_log: Path) -> None:
    run = distillation(tiny_log, teacher_score=1e-6, stop=StopConfig(recovery=0.5))
    assert [progress.step for progress in run] == [1, 2]
    assert run.course.stopped == "recovery"
    assert run.best is not None


def test_a_run_that_took_all_its_steps_was_not_stopped(tiny_log: Path) -> None:
    run = distillation(tiny_log, outer={"validate_every": 6}, stop=StopConfig(recovery=1e-9, seconds=1000))
    assert len(list(run)) == 6
    assert run.course.stopped is None


def test_stops_when_the_time_is_up(tiny_log: Path) -> None:
    run = distillation(tiny_log, stop=StopConfig(seconds=1e-9))
    assert [progress.step for progress in run] == [1]
    assert run.course.stopped == "seconds"
    assert run.best is not None


def test_exploding_loss_is_named(tiny_log: Path) -> None:
    run = distillation(tiny_log)
    progress = iter(run)
    next(progress)
    run.teacher.items.mul_(100)
    with pytest.raises(DivergedError, match="at outer step 2"):
        next(progress)


@pytest.mark.parametrize("steps", [1249, 1250])
@config.patch({"cpp.cxx": (None, "/nonexistent/g++"), "force_disable_caches": True})
def test_only_what_is_long_enough_is_compiled(
    steps: int, tiny_log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Told by what there is no compiler for."""
    with caplog.at_level(logging.WARNING):
        next(iter(distillation(tiny_log, inner={"window": 4}, outer={"steps": steps})))
    assert ("/nonexistent/g++" in caplog.text) == (4 * steps >= 5000)

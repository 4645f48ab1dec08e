"""Each way of training learners, beside the same training put together by hand."""

import itertools
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from td3core.config import SOURCES, EvaluationSource, EvaluationSpec, LearnerConfig, StudentConfig
from td3core.data import Split, build_sequences, leave_last_out
from td3core.errors import DivergedError
from td3core.evaluation.coreset import coreset_users
from td3core.evaluation.rival import Rival
from td3core.evaluation.sources import Sources, Trial
from td3core.evaluation.users import embed_users, longest_users, random_users
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.ranking import RankingTask
from td3core.runs.distillation import DistillationRun
from td3core.summary import Summary
from td3core.training import EmbeddedTraining

CPU = torch.device("cpu")
STEPS = 11


@pytest.fixture
def summary(finished_run: DistillationRun) -> Summary:
    return finished_run.summary


@pytest.fixture
def split(summary: Summary, tiny_log: Path) -> Split:
    data = summary.manifest.spec.data
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, data), data)))


def sources_of(summary: Summary, split: Split, /, **spec: Any) -> Sources:
    asked = EvaluationSpec.model_validate({"steps": STEPS, "cutoffs": [10], **spec})
    return Sources(summary, split, asked, spare_bytes=2000, device=CPU, dtype=torch.float32)


def end_of(work: Generator[float, None, Trial]) -> tuple[list[float], Trial]:
    reports: list[float] = []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as end:
            return reports, end.value


def trial(
    sources: Sources, source: EvaluationSource, seed: int = 0, *, learner: LearnerConfig | None = None
) -> Trial:
    return end_of(sources.trial(learner or sources.job.learner, source, seed))[1]


def held_out(split: Split, summary: Summary) -> RankingTask:
    return RankingTask(
        split,
        part="test",
        max_length=summary.manifest.spec.learner.max_length,
        cutoffs=(10,),
        exclude_seen=summary.manifest.spec.data.exclude_seen,
        device=CPU,
    )


@pytest.mark.parametrize("source", ["random", "longest", "coreset"])
def test_real_users_are_trained_on_as_the_summary_is(
    summary: Summary, split: Split, source: EvaluationSource
) -> None:
    job, count = summary.manifest.spec, summary.manifest.spec.summary.users
    users = {
        "random": random_users(split.train, count, np.random.default_rng(3)),
        "longest": longest_users(split.train, count),
        "coreset": coreset_users(split.train, count, summary.items, length=job.summary.length),
    }[source]
    embeddings, lengths = embed_users(split.train, users, summary.items, length=job.summary.length)
    learner = build_learner(job.learner)
    training = EmbeddedTraining(
        embeddings,
        items=summary.items,
        learner=learner,
        inner=job.inner,
        steps=STEPS,
        seed=3,
        lr_factor=summary.manifest.lr_factor,
        lengths=lengths,
    )
    training.run(STEPS)
    (expected,) = held_out(split, summary).evaluate(
        learner, training.parameters, summary.items, history_length=summary.history_length
    )
    found = trial(sources_of(summary, split), source, seed=3)
    assert found.figures == pytest.approx(expected)
    assert found.seconds > 0


def test_the_floor_is_untrained_and_costs_nothing(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split)
    one, other = trial(sources, "floor", seed=0), trial(sources, "floor", seed=1)
    assert (one.seconds, one.curve) == (0.0, ())
    assert one.figures != other.figures
    assert one.figures != trial(sources, "summary", seed=0).figures
    assert one.figures == trial(sources_of(summary, split, steps=2 * STEPS), "floor", seed=0).figures


def test_popularity_ranks_by_counts_whatever_the_learner(summary: Summary, split: Split) -> None:
    counts = np.bincount(split.train.items, minlength=split.train.n_items)
    expected = held_out(split, summary).evaluate_scores(torch.from_numpy(counts).float())
    for learner in (None, LearnerConfig(kind="gru4rec")):
        found = trial(sources_of(summary, split), "popularity", seed=5, learner=learner)
        assert (found.figures, found.seconds) == (expected, 0.0)


def test_a_learner_of_the_jobs_kind_is_no_student_and_one_of_another_kind_is(
    summary: Summary, split: Split
) -> None:
    sources = sources_of(summary, split)
    assert trial(sources, "summary").figures == trial(sources, "summary_untaught").figures
    other = sources.job.learner.model_copy(update={"kind": "gru4rec"})
    taught = summary.student_training(build_learner(other), StudentConfig(), own_embedding=False, seed=0)
    for steps in np.diff(np.linspace(0, taught.steps, 9).round().astype(int)):  # each piece draws its batches
        taught.run(int(steps))
    (expected,) = held_out(split, summary).evaluate(
        build_learner(other), taught.parameters, taught.items, history_length=summary.history_length
    )
    assert trial(sources, "summary", learner=other).figures == pytest.approx(expected)
    assert trial(sources, "summary_untaught", learner=other).figures != pytest.approx(expected)


def test_learners_with_an_embedding_of_their_own_have_the_width_that_is_asked_for(
    summary: Summary, split: Split
) -> None:
    for source in ("full_own_embedding", "summary_own_embedding"):
        narrow, wide = (
            trial(sources_of(summary, split, own_embedding_size=width), source) for width in (4, 24)
        )
        assert narrow.figures != wide.figures
        shared = trial(sources_of(summary, split), "full" if source.startswith("full") else "summary")
        assert wide.figures != shared.figures


def test_only_what_is_timed_has_a_course(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split)
    for source in SOURCES:
        if source.preparation_cost or source.trains_on in ("item_counts", "teacher"):
            continue
        found = trial(sources, source.name)
        assert bool(found.curve) == (source.role in ("ceiling", "summary"))
        if found.curve:
            assert found.curve[-1].seconds == found.seconds > 0


def test_what_stops_at_the_best_validation_is_never_worse_there(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split, steps=200, split="valid")
    pairs = [(trial(sources, "random", seed), trial(sources, "random_stopped", seed)) for seed in range(3)]
    assert all(best.figures["ndcg@10"] >= end.figures["ndcg@10"] for end, best in pairs)
    assert any(best.figures != end.figures for end, best in pairs)


def test_progress_rises_to_the_whole(summary: Summary, split: Split) -> None:
    learner = summary.manifest.spec.learner
    reports, _ = end_of(sources_of(summary, split).trial(learner, "random", 0))
    assert reports == sorted(set(reports))
    assert reports[-1] == 1.0


def test_a_rival_is_trained_on_with_its_own_items(summary: Summary, split: Split) -> None:
    """The summary itself in a rival's place gives the summary's figures; with other items, others."""
    sources = sources_of(summary, split, sources=["farzi", "farzi_small"])
    assert list(sources.rival_configs) == ["farzi", "farzi_small"]
    assert {config.kind for config in sources.rival_configs.values()} == {"farzi"}
    lesson = summary.lesson()
    same = Rival(lesson.inputs, summary.items, summary.manifest.lr_factor, lesson.targets)
    sources.rivals = {"farzi": same, "farzi_small": same._replace(items=summary.items.flip(0))}
    assert trial(sources, "farzi").figures == trial(sources, "summary").figures
    assert trial(sources, "farzi_small").figures != trial(sources, "farzi").figures


def test_a_rival_that_diverged_is_named(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split, sources=["farzi_small"])
    sources.rivals = {"farzi_small": None}
    with pytest.raises(DivergedError, match="the distillation of farzi_small diverged"):
        trial(sources, "farzi_small")


def test_the_teacher_is_scored_as_it_is_in_the_archive(summary: Summary, split: Split) -> None:
    assert summary.teacher is not None
    (expected,) = held_out(split, summary).evaluate(
        build_learner(summary.manifest.spec.learner), summary.teacher, summary.items
    )
    sources = sources_of(summary, split)
    assert trial(sources, "teacher", seed=4).figures == expected
    assert trial(sources, "teacher", learner=LearnerConfig(kind="gru4rec")).figures == expected


def test_labelled_users_are_those_drawn_at_random_told_what_the_teacher_predicts(
    summary: Summary, split: Split
) -> None:
    job = summary.manifest.spec
    labeller = summary.labeller
    assert labeller is not None
    users = random_users(split.train, job.summary.users, np.random.default_rng(3))
    embeddings, lengths = embed_users(split.train, users, summary.items, length=job.summary.length)
    targets = torch.zeros_like(embeddings)
    for user, length in enumerate(lengths.tolist()):
        for step in range(1, length):
            before = embeddings[None, user : user + 1, : step + 1]
            output = labeller.learner(labeller.parameters, before, torch.tensor([[[step]]]))[0, 0, 0]
            targets[user, step] = (summary.items @ output).softmax(0) @ summary.items
    learner = build_learner(job.learner)
    training = EmbeddedTraining(
        embeddings,
        targets=targets,
        items=summary.items,
        learner=learner,
        inner=job.inner,
        steps=STEPS,
        seed=3,
        lr_factor=summary.manifest.lr_factor,
        lengths=lengths,
    )
    training.run(STEPS)
    (expected,) = held_out(split, summary).evaluate(
        learner, training.parameters, summary.items, history_length=summary.history_length
    )
    found = trial(sources_of(summary, split), "random_labelled", seed=3)
    assert found.figures == pytest.approx(expected)
    assert found.figures != trial(sources_of(summary, split), "random", seed=3).figures


def test_long_trainings_are_long_whatever_the_summary_takes(summary: Summary, split: Split) -> None:
    short, long = (
        trial(sources_of(summary, split), name) for name in ("tokens_labelled", "tokens_labelled_long")
    )
    other = sources_of(summary, split, steps=2 * STEPS)
    assert trial(other, "tokens_labelled").figures != short.figures
    assert trial(other, "tokens_labelled_long").figures == long.figures != short.figures


def test_students_of_a_rival_read_its_items_alone(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split)
    names: tuple[EvaluationSource, ...] = (
        "summary_own_embedding",
        "random_labelled_own_embedding",
        "sampled_labelled_own_embedding",
    )
    figures = [trial(sources, name).figures for name in names]
    assert all(one != other for one, other in itertools.combinations(figures, 2))


def test_without_a_teacher_there_is_nobody_to_label(summary: Summary, split: Split) -> None:
    sources = sources_of(replace(summary, teacher=None), split)
    lacking = {source.name for source in SOURCES if sources.lacks(source.name)}
    assert lacking == {source.name for source in SOURCES if source.labelled or source.name == "teacher"}
    with pytest.raises(ValueError, match="the archive has no teacher"):
        trial(sources, "random_labelled")


def test_no_rival_is_distilled_unasked(summary: Summary, split: Split) -> None:
    assert sources_of(summary, split).rival_configs == {}


def test_labelled_rivals_may_be_given_a_number_of_sequences(summary: Summary, split: Split) -> None:
    sources = sources_of(summary, split)
    for source in ("random_labelled", "random_labelled_long", "random_labelled_own_embedding"):
        rows, few, all_of_them = (
            end_of(sources.trial(sources.job.learner, source, 1, sequences=count))[1].figures
            for count in (summary.factors.shape[0], 1, split.train.n_users)
        )
        assert rows == trial(sources, source, 1).figures
        assert few != rows != all_of_them

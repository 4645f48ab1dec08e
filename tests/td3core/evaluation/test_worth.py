"""What a summary is worth, beside trainings on labelled users that are put together by hand."""

import math
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from td3core.config import EvaluationSpec
from td3core.data import Split, build_sequences, leave_last_out
from td3core.evaluation.sources import Sources, Trial
from td3core.evaluation.worth import Reading, WorthSearch, user_counts, users_as_good
from td3core.interactions import filter_log, read_log
from td3core.progress import Progress
from td3core.results import Worth
from td3core.runs.distillation import DistillationRun
from td3core.runs.evaluation import EvaluationRun
from td3core.summary import Summary, load_summary, save_summary

CPU = torch.device("cpu")
SEEDS = (3, 4)
ALL = [6, 12, 24, 48, 60]
"""Rows of the summary, doubled up to the users of the log."""
WAYS = ("random_labelled", "random_labelled_long")


@pytest.fixture
def summary(finished_run: DistillationRun) -> Summary:
    return finished_run.summary


@pytest.fixture
def split(summary: Summary, tiny_log: Path) -> Split:
    data = summary.manifest.spec.data
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, data), data)))


def sources_of(summary: Summary, split: Split) -> Sources:
    asked = EvaluationSpec(steps=10, cutoffs=(5,), sources=("summary",))
    return Sources(summary, split, asked, device=CPU, dtype=torch.float32)


def ended(work: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    reports: list[Any] = []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as end:
            return reports, end.value


def search_of(sources: Sources, *summaries: str) -> tuple[WorthSearch, list[Reading]]:
    readings = [Reading(sources.job.learner, name) for name in summaries]  # pyright: ignore[reportArgumentType]
    return WorthSearch(sources, readings, seeds=SEEDS, learner=sources.job.learner), readings


def found_in(sources: Sources, ranks: Tensor) -> tuple[list[Progress], Worth]:
    search, (reading,) = search_of(sources, "summary")
    reports, worth = ended(search.run({reading: ranks}))
    return reports, worth[reading]


def by_hand(sources: Sources, source: str, users: int) -> list[Trial]:
    learner = sources.job.learner
    return [ended(sources.trial(learner, source, seed, sequences=users))[1] for seed in SEEDS]  # pyright: ignore[reportArgumentType]


def ndcg(ranks: Tensor) -> float:
    """NDCG@10, mean over the users of a seed."""
    return math.fsum(1 / math.log2(1 + rank) for rank in ranks.tolist() if rank <= 10) / len(ranks)


def test_users_double_from_the_rows_of_the_summary_to_all_of_the_log() -> None:
    assert user_counts(30, 943) == (30, 60, 120, 240, 480, 943)
    assert user_counts(30, 480) == (30, 60, 120, 240, 480)
    assert user_counts(30, 30) == user_counts(60, 30) == (30,)


def test_users_as_good_by_hand() -> None:
    curve = [(30, 0.05), (60, 0.04), (120, 0.08)]
    assert users_as_good(0.05, curve) == 30
    assert users_as_good(0.01, curve) == 30
    assert users_as_good(0.06, curve) == pytest.approx(60 * math.sqrt(2))
    assert users_as_good(0.08, curve) == pytest.approx(120)
    assert users_as_good(0.0801, curve) is None
    assert users_as_good(0.0, []) is None


def test_each_number_of_users_has_its_stronger_training(summary: Summary, split: Split) -> None:
    """What no training comes up to is worth more than all users, each of which is tried."""
    sources = sources_of(summary, split)
    reports, worth = found_in(sources, torch.ones(2, split.train.n_users, dtype=torch.int32))
    assert [point.users for point in worth.curve] == ALL
    for point in worth.curve:
        means = {}
        for way in WAYS:
            values = [ndcg(trial.ranks) for trial in by_hand(sources, way, point.users)]
            means[way] = (math.fsum(values) / 2, values)
        assert point.source == max(means, key=lambda way: means[way][0])
        assert point.figure.values == pytest.approx(means[point.source][1])
    assert (worth.users, worth.times_rows, worth.low, worth.high) == (None, None, None, None)
    assert (worth.rows, worth.log_users, worth.metric) == (6, 60, "ndcg@10")
    assert (worth.summary.mean, worth.lead_over_teacher.disjoint) == (1.0, True)
    (teacher,) = ended(sources.trial(sources.job.learner, "teacher", 0))[1].ranks[None]
    assert worth.teacher.values == pytest.approx([ndcg(teacher)])
    assert reports[-1].step == reports[-1].steps == len(ALL) * 2 * len(WAYS)


def test_what_is_as_good_as_some_users_is_worth_no_more_than_they_are(summary: Summary, split: Split) -> None:
    """The learners of 24 labelled users in the place of the summary's."""
    sources = sources_of(summary, split)
    theirs = torch.stack([trial.ranks for trial in by_hand(sources, WAYS[1], 24)])
    score = sum(map(ndcg, theirs)) / 2 - 1e-12  # of rounding
    _, worth = found_in(sources, theirs)
    tried = [point.users for point in worth.curve]
    assert tried == ALL[: len(tried)]
    assert tried[-1] <= 24
    reached = [point.figure.mean for point in worth.curve]
    assert all(figure < score for figure in reached[:-1])
    assert reached[-1] >= score
    assert worth.users is not None
    assert worth.times_rows == pytest.approx(worth.users / 6)
    assert tried[-1] / 2 <= worth.users <= tried[-1]
    assert worth.low is not None
    assert worth.low <= worth.users <= (worth.high or math.inf)


def test_what_is_worse_than_its_rows_of_users_needs_no_more_of_them(summary: Summary, split: Split) -> None:
    reports, worth = found_in(
        sources_of(summary, split), torch.full((2, split.train.n_users), 40, dtype=torch.int32)
    )
    assert [point.users for point in worth.curve] == [6]
    assert (worth.users, worth.times_rows, worth.low, worth.high) == (6.0, 1.0, 6.0, 6.0)
    assert worth.lead_over_teacher.difference < 0
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert [report.step for report in reports if report.scores][-1] == 4  # of two seeds in two ways
    assert reports[-1].step == reports[-1].steps == 20


def test_summaries_on_which_training_diverged_are_skipped(summary: Summary, split: Split) -> None:
    search, readings = search_of(sources_of(summary, split), "summary", "summary_own_embedding")
    reports, worth = ended(search.run({}))
    assert worth == {}
    assert reports[-1].step == reports[-1].steps == search.steps == len(ALL) * 2 * (2 + 1)
    assert [reading.rivals for reading in readings] == [WAYS, ("random_labelled_own_embedding",)]


def test_a_way_to_train_that_diverges_leaves_the_other(summary: Summary, split: Split) -> None:
    job = summary.manifest.spec
    wild = job.model_copy(update={"inner": job.inner.model_copy(update={"lr": 1e38})})
    sources = sources_of(replace(summary, manifest=summary.manifest.model_copy(update={"spec": wild})), split)
    search, (reading,) = search_of(sources, "summary")
    (worth,) = ended(search.run({reading: torch.ones(2, split.train.n_users, dtype=torch.int32)}))[1].values()
    assert {point.source for point in worth.curve} == {"random_labelled_long"}
    assert [trial is None for trial in search.trials] == [True, True, False, False] * len(ALL)


def evaluation(archive: Path, log: Path, **spec: Any) -> EvaluationRun:
    asked = {"seeds": 1, "steps": 5, "cutoffs": (20,), "worth": True, **spec}
    return EvaluationRun(archive, log, EvaluationSpec.model_validate(asked), device=CPU)


def test_an_evaluation_that_was_interrupted_in_the_search_repeats_no_training(
    archive: Path, tiny_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"sources": ("floor", "summary", "summary_own_embedding"), "own_embedding_size": 8}
    whole = evaluation(archive, tiny_log, **spec)
    reports = list(whole)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert reports[-1].step == reports[-1].steps == 3 + len(ALL) * (2 + 1)
    first = evaluation(archive, tiny_log, **spec)
    left = next(report for report in first if report.step == 4)
    first.checkpoint(tmp_path / "checkpoint")
    second = evaluation(archive, tiny_log, **spec)
    second.resume(tmp_path / "checkpoint")
    trained: list[Mapping[str, int | None]] = []
    trial = Sources.trial

    def counted(self: Sources, config: Any, source: Any, seed: int, *, sequences: int | None = None) -> Any:
        trained.append({source: sequences})
        return trial(self, config, source, seed, sequences=sequences)

    monkeypatch.setattr(Sources, "trial", counted)
    rest = list(second)
    assert {"random_labelled": 6} not in trained
    assert trained[0] == {"random_labelled_long": 6}
    assert min(report.fraction for report in rest) == left.fraction
    assert second.result["worth"] == whole.result["worth"]
    worth = whole.result["worth"]["sasrec"]
    assert list(worth) == ["summary", "summary_own_embedding"]
    for source, found in worth.items():
        assert {point["source"] for point in found["curve"]} <= (
            set(WAYS) if source == "summary" else {"random_labelled_own_embedding"}
        )


def test_learners_of_another_kind_are_read_as_they_are_compared(archive: Path, tiny_log: Path) -> None:
    run = evaluation(
        archive,
        tiny_log,
        learners=("sasrec", "gru4rec"),
        sources=("summary", "summary_untaught"),
        cutoffs=(10,),
        seeds=2,
    )
    list(run)
    read = {learner: list(found) for learner, found in run.result["worth"].items()}
    assert read == {"sasrec": ["summary"], "gru4rec": ["summary_untaught"]}
    for learner, found in run.result["worth"].items():
        for source, worth in found.items():
            assert worth["summary"] == run.result["results"][learner][source]["ndcg@10"]


def test_an_archive_without_a_teacher_has_nobody_to_label(
    archive: Path, tiny_log: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without.zip"
    save_summary(replace(load_summary(archive), teacher=None), without)
    run = evaluation(without, tiny_log, sources=("summary", "teacher"))
    list(run)
    assert (run.result["worth"], run.result["unavailable"]) == ({"sasrec": {}}, ["teacher", "worth"])


def test_nobody_is_told_the_worth_unasked(archive: Path, tiny_log: Path) -> None:
    run = evaluation(archive, tiny_log, sources=("summary",), worth=False)
    assert list(run)[-1].steps == 1
    assert run.result["worth"] == {}

"""Odd logs and odd settings from end to end: each gives finite factors and sensible figures, or a named error."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from td3core.config import EvaluationSource, EvaluationSpec, JobSpec
from td3core.errors import DivergedError, LogTooSmallError, MissingColumnError
from td3core.runs.distillation import DistillationRun
from td3core.runs.evaluation import EvaluationRun
from td3core.summary.artifact import load_summary
from td3core.summary.summary import Summary

CPU = torch.device("cpu")
SOURCES: tuple[EvaluationSource, ...] = (
    "full",
    "summary",
    "floor",
    "random",
    "longest",
    "coreset_stopped",
    "popularity",
)
SMALL: dict[str, dict[str, Any]] = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 12, "dropout": 0.1},
    "teacher": {"members": 1, "max_epochs": 2},
    "summary": {"users": 6, "length": 8},
    "inner": {"steps": 8, "window": 3, "pool_size": 2},
    "outer": {"steps": 3, "validate_every": 1, "validation_learners": 1},
    "certificate": {"learners": 1},
}
KEEP_ALL = {"min_user_interactions": 3, "min_item_interactions": 1}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_spec(**changes: dict[str, Any]) -> JobSpec:
    """The small job with fields of its parts changed."""
    return JobSpec.model_validate(
        {**SMALL, **{part: SMALL.get(part, {}) | changes[part] for part in changes}}
    )


def drawn_log(lengths: Sequence[int], *, items: int, seed: int = 0) -> pl.DataFrame:
    """Users of these lengths who walk over the items, now and then at random; in time order."""
    draw = np.random.default_rng(seed)
    rows: list[tuple[str, str]] = []
    for user, length in enumerate(lengths):
        item = int(draw.integers(items))
        for _ in range(length):
            rows.append((f"u{user}", f"i{item}"))
            item = int(draw.integers(items)) if draw.random() < 0.2 else (item + 1) % items
    frame = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return frame.with_columns(timestamp=pl.int_range(pl.len()))


def ordinary_log() -> pl.DataFrame:
    return drawn_log([12] * 20, items=15)


def distilled(frame: pl.DataFrame, folder: Path, spec: JobSpec | None = None) -> Summary:
    """Write the log, distil it, and read the artefact back."""
    frame.write_csv(folder / "log.csv")
    run = DistillationRun(folder / "log.csv", spec or small_spec(), device=CPU)
    list(run)
    run.save(folder / "summary.zip")
    summary = load_summary(folder / "summary.zip")
    assert all(tensor.isfinite().all() for tensor in summary.factors.tensors.values())
    assert summary.items.isfinite().all()
    torch.testing.assert_close(summary.soft_sequences().sum(-1), torch.ones(summary.factors.shape))
    metrics = summary.manifest.metrics
    assert metrics["certificate"]["diverged"] == []
    assert 0 <= metrics["summary"]["valid_ndcg@10"] <= 1
    assert all(len(sequence) >= 2 for sequence in summary.sample(3))
    return summary


def evaluated(folder: Path, **spec: Any) -> dict[str, dict[str, float]]:
    """Evaluate what is in the folder; return the means by source."""
    asked = EvaluationSpec.model_validate(
        {"seeds": 1, "steps": 8, "cutoffs": (10,), "sources": SOURCES} | spec
    )
    run = EvaluationRun(folder / "summary.zip", folder / "log.csv", asked, device=CPU)
    list(run)
    json.dumps(run.result, allow_nan=False)
    (results,) = run.result["results"].values()
    assert set(results) == set(asked.sources)
    means = {
        source: {name: spread["mean"] for name, spread in figures.items()}
        for source, figures in results.items()
    }
    assert all(0 <= mean <= 1 for figures in means.values() for mean in figures.values())
    return means


def archive_bytes(folder: Path) -> bytes:
    return (folder / "summary.zip").read_bytes()


def one_long_user() -> pl.DataFrame:
    return drawn_log([5000] + [12] * 30, items=40)


def short_users() -> pl.DataFrame:
    """All but two have no transition in training."""
    return drawn_log([3] * 20 + [10] * 2, items=15)


def smallest_log() -> pl.DataFrame:
    rows = {"user_id": list("aaaabbb"), "item_id": list("xyxyxyx"), "timestamp": range(7)}
    return pl.DataFrame(rows)


def odd_ids() -> pl.DataFrame:
    return ordinary_log().with_columns(
        item_id=pl.format('{},"ü"\n', "item_id"), user_id=pl.format(" {};'", "user_id")
    )


@pytest.mark.parametrize(
    ("make", "spec"),
    [
        (ordinary_log, {}),
        (one_long_user, {}),
        (short_users, {"data": KEEP_ALL}),
        (smallest_log, {"data": KEEP_ALL}),
        (odd_ids, {}),
    ],
    ids=["20 users", "one long user", "short users", "smallest log", "odd ids"],
)
def test_odd_logs_work(make: Callable[[], pl.DataFrame], spec: dict[str, Any], tmp_path: Path) -> None:
    frame = make()
    summary = distilled(frame, tmp_path, small_spec(**spec))
    assert set(summary.item_ids) == {item.strip() for item in frame["item_id"]}
    evaluated(tmp_path)


@pytest.mark.parametrize("kind", ["gru4rec", "narm", "bert4rec"])
def test_other_learners_take_users_without_a_transition(kind: str, tmp_path: Path) -> None:
    distilled(short_users(), tmp_path, small_spec(data=KEEP_ALL, learner={"kind": kind}))
    evaluated(tmp_path, learners=[kind])


def test_items_seen_once_are_dropped_or_kept_as_the_job_says(tmp_path: Path) -> None:
    frame = ordinary_log()
    once = frame.with_columns(
        item_id=pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.format("once{}", "timestamp")).otherwise("item_id")
    )  # fmt: skip
    assert not any(item.startswith("once") for item in distilled(once, tmp_path).item_ids)
    evaluated(tmp_path)
    kept = distilled(once, tmp_path, small_spec(data=KEEP_ALL))
    assert sum(item.startswith("once") for item in kept.item_ids) == 60
    evaluated(tmp_path)


def test_a_log_of_nothing_but_items_seen_once_has_no_recovery_to_tell(tmp_path: Path) -> None:
    frame = ordinary_log().with_columns(item_id=pl.format("once{}", "timestamp"))
    frame.write_csv(tmp_path / "log.csv")
    with pytest.raises(LogTooSmallError, match=r"lower data\.min_user_interactions 5 or data\.min_item"):
        list(DistillationRun(tmp_path / "log.csv", small_spec(), device=CPU))
    distilled(frame, tmp_path, small_spec(data=KEEP_ALL))
    assert evaluated(tmp_path)["popularity"]["ndcg@10"] == 0


def test_of_equal_times_the_order_of_the_file_counts(tmp_path: Path) -> None:
    frame = ordinary_log()
    archives: list[Summary] = []
    for column in (
        {"timestamp": pl.lit(7)},
        {"timestamp": pl.lit(7.5)},
        {"timestamp": pl.int_range(pl.len())},
    ):
        timed = frame.with_columns(**column)
        archives.append(distilled(timed, tmp_path, small_spec(data={"repeats": "keep"})))
        evaluated(tmp_path)
    archives.append(distilled(frame.drop("timestamp"), tmp_path))
    evaluated(tmp_path)
    first, *others = archives
    for other in others:
        assert other.item_ids == first.item_ids
        for ours, theirs in zip(first.factors.tensors.values(), other.factors.tensors.values(), strict=True):
            assert torch.equal(ours, theirs)


def test_ratings_are_needed_only_to_be_compared_with(tmp_path: Path) -> None:
    ordinary_log().write_csv(tmp_path / "log.csv")
    with pytest.raises(MissingColumnError, match="rating"):
        list(DistillationRun(tmp_path / "log.csv", small_spec(data={"min_rating": 3.0}), device=CPU))


def test_a_log_without_a_transition_in_training_is_refused(tmp_path: Path) -> None:
    drawn_log([3] * 20, items=6).write_csv(tmp_path / "log.csv")
    with pytest.raises(LogTooSmallError, match="no user has 4 or more interactions"):
        list(DistillationRun(tmp_path / "log.csv", small_spec(data=KEEP_ALL), device=CPU))


def test_of_fewer_users_than_synthetic_ones_rivals_take_all(tmp_path: Path) -> None:
    summary = distilled(
        ordinary_log(), tmp_path, small_spec(summary={"users": 50}, inner={"batch_users": 30})
    )
    assert summary.factors.shape == (50, 8)
    chosen = evaluated(tmp_path, sources=("random", "longest", "coreset"), steps=3)
    assert len(chosen) == 3


def test_uni100_says_when_there_is_no_negative(tmp_path: Path) -> None:
    distilled(drawn_log([30] * 20, items=5), tmp_path)
    with pytest.raises(LogTooSmallError, match="user u0 has had all 5 items"):
        evaluated(tmp_path, protocol="uni100")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("rank_users", 7, "rank_users 7 is too large: at most users = 6 is allowed"),
        ("rank_time", 9, "rank_time 9 is too large: at most length = 8 is allowed"),
        ("length", 13, r"summary\.length 13 is larger than learner\.max_length = 12"),
    ],
)
def test_what_exceeds_its_bound_is_refused_by_name(field: str, value: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        small_spec(summary={field: value})


@pytest.mark.parametrize(
    "spec",
    [
        {"learner": {"embedding_size": 2}},
        {"learner": {"embedding_size": 2}, "summary": {"kind": "farzi", "rank": 40}},
        {"summary": {"users": 1, "length": 2}, "learner": {"max_length": 2}},
        {"summary": {"users": 1, "length": 2}, "learner": {"max_length": 2, "kind": "bert4rec"}},
        {"summary": {"length": 2}, "inner": {"supervision": "paper"}},
        {"summary": {"kind": "farzi"}},
        {"inner": {"precision": "bfloat16"}},
        {"inner": {"precision": "bfloat16"}, "learner": {"kind": "gru4rec"}},
        {"inner": {"optimizer": "sgd", "lr": 0.1}},
        {"inner": {"learn_lr": True}},
        {"inner": {"initial": "trajectory"}},
        {"inner": {"warm_up": "rat"}},
        {"inner": {"warm_up": "fixed"}},
        {"inner": {"steps": 1, "window": 1, "batch_users": 99, "positions": 99}},
        {"outer": {"batch_size": 1, "averaging": 0.0}, "teacher": {"batch_size": 1}},
    ],
    ids=str,
)
def test_every_setting_gives_a_loadable_artefact(spec: dict[str, Any], tmp_path: Path) -> None:
    distilled(ordinary_log(), tmp_path, small_spec(**spec))
    kind = spec.get("learner", {}).get("kind", "sasrec")
    evaluated(tmp_path, sources=("summary", "floor", "random"), learners=[kind])


@pytest.mark.parametrize("kind", ["tucker", "farzi"])
def test_a_catalogue_larger_than_its_candidates_works(kind: str, tmp_path: Path) -> None:
    frame = drawn_log([12] * 30, items=90)
    sampled = small_spec(data=KEEP_ALL, outer={"candidates": 16}, summary={"kind": kind})
    assert len(distilled(frame, tmp_path, sampled).item_ids) == frame["item_id"].n_unique() > 5 * 16
    evaluated(tmp_path, sources=("summary", "coreset"))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_absurd_rate_gives_a_finite_summary_or_says_that_it_diverged(
    optimizer: str, tmp_path: Path
) -> None:
    spec = small_spec(inner={"lr": 10.0, "optimizer": optimizer}, outer={"lr": 10.0, "steps": 8})
    try:
        summary = distilled(ordinary_log(), tmp_path, spec)
    except DivergedError as error:
        assert "lower" in str(error)  # noqa: PT017 - either end is right
    else:
        assert summary.manifest.metrics.get("stopped", {"reason": "diverged"})["reason"] == "diverged"


def test_the_seed_alone_decides_on_the_bytes(tmp_path: Path) -> None:
    frame = ordinary_log()
    summary = distilled(frame, tmp_path)
    first = archive_bytes(tmp_path)
    distilled(frame, tmp_path)
    assert archive_bytes(tmp_path) == first
    other = distilled(frame, tmp_path, small_spec().model_copy(update={"seed": 1}))
    assert archive_bytes(tmp_path) != first
    for ours, theirs in zip(summary.factors.tensors.values(), other.factors.tensors.values(), strict=True):
        assert not torch.equal(ours, theirs)


def test_lower_precision_is_another_summary(tmp_path: Path) -> None:
    as_they_are = {"precision": "float32"}
    exact, rounded = (
        distilled(ordinary_log(), tmp_path, small_spec(inner={"precision": precision}, summary=as_they_are))
        for precision in ("float32", "bfloat16")
    )
    assert torch.equal(exact.items, rounded.items)
    assert not torch.equal(exact.expected_embeddings(), rounded.expected_embeddings())


def test_other_names_of_users_and_items_give_the_same_summary_under_other_names(tmp_path: Path) -> None:
    frame = ordinary_log()
    plain = distilled(frame, tmp_path)
    renamed = distilled(
        frame.with_columns(
            item_id=pl.format("{}-x", pl.col("item_id").str.reverse()), user_id=pl.format("z{}", "user_id")
        ),
        tmp_path,
    )
    assert renamed.item_ids == tuple(f"{item[::-1]}-x" for item in plain.item_ids)
    for ours, theirs in zip(plain.factors.tensors.values(), renamed.factors.tensors.values(), strict=True):
        assert torch.equal(ours, theirs)

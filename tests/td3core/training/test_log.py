from pathlib import Path

import pytest
import torch
from torch.nn import functional

from td3core.config import DataConfig, LearnerConfig, LearnerKind, TeacherConfig
from td3core.data.batches import supervise
from td3core.data.sequences import Split, build_sequences, leave_last_out, popularity
from td3core.errors import DivergedError
from td3core.interactions import filter_log, read_log
from td3core.learners import BERT4Rec, SASRec, build_learner
from td3core.progress import relay
from td3core.ranking.task import RankingTask
from td3core.training.log import LogTraining, Trained, next_item_loss

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split(tiny_log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))


def train(
    split: Split, *, kind: LearnerKind = "sasrec", seed: int = 0, **options
) -> tuple[Trained, RankingTask, list]:
    learner = build_learner(LearnerConfig(kind=kind, embedding_size=16, inner_size=16, max_length=20))
    task = RankingTask(split, part="valid", max_length=20, cutoffs=(10,), exclude_seen=True, device=CPU)
    reports: list = []
    work = relay(
        LogTraining(
            learner,
            split.train,
            task,
            config=TeacherConfig.model_construct(
                **(TeacherConfig(max_epochs=8, batch_size=16, lr=0.01).model_dump() | options)
            ),
            dropout=0.1,
            seed=seed,
            stage="teacher",
            device=CPU,
            dtype=torch.float32,
        ).run(),
        reports.append,
    )
    while True:
        try:
            next(work)
        except StopIteration as finished:
            return finished.value, task, reports


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_teacher_beats_popularity_and_reports_its_own_score(split: Split, kind: LearnerKind) -> None:
    trained, task, reports = train(split, kind=kind)
    learner = build_learner(LearnerConfig(kind=kind, embedding_size=16, inner_size=16, max_length=20))
    (figures,) = task.evaluate(learner, trained.parameters, trained.items)
    counts = torch.from_numpy(popularity(split.train)).float()
    assert figures["ndcg@10"] == pytest.approx(trained.score)
    assert trained.score > task.evaluate_scores(counts)["ndcg@10"]
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert steps[-1] < reports[-1].steps


def test_same_seed_same_weights(split: Split) -> None:
    first, again, other = (train(split, seed=seed, max_epochs=1)[0] for seed in (1, 1, 2))
    assert torch.equal(first.items, again.items)
    assert torch.equal(first.parameters, again.parameters)
    assert not torch.equal(first.items, other.items)


def test_stops_when_validation_no_longer_rises(split: Split) -> None:
    _, _, reports = train(split, max_epochs=1000, patience=2)
    assert reports[-1].step < 0.5 * reports[-1].steps


def test_divergence_is_named(split: Split) -> None:
    with pytest.raises(DivergedError, match=r"teacher\.lr"):
        train(split, lr=1e38)


def test_padding_takes_no_part_in_the_loss(
    learner: SASRec, items: torch.Tensor, generator: torch.Generator
) -> None:
    parameters = learner.initialise(1, generator=generator, dtype=torch.float64, device=CPU)
    chunks = torch.tensor([[1, 2, 3, 4], [5, 6, 11, 11]])
    outputs = learner(parameters, items[chunks.clamp(max=10)][None])[0]
    logits = outputs @ items.T
    expected = torch.stack(
        [functional.cross_entropy(logits[row, step], chunks[row, step + 1]) for row, step in
         [(0, 0), (0, 1), (0, 2), (1, 0)]]
    ).mean()  # fmt: skip
    batch = supervise(chunks, learner.objective, n_items=11, generator=generator)
    torch.testing.assert_close(next_item_loss(learner, parameters, items, batch), expected)


def test_masked_learner_is_asked_for_what_is_hidden(generator: torch.Generator, items: torch.Tensor) -> None:
    learner = BERT4Rec(embedding_size=8, layers=1, heads=1, inner_size=8, max_length=9)
    parameters = learner.initialise(1, generator=generator, dtype=torch.float64, device=CPU)
    chunks = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 6, 7, 11, 11, 11, 11, 11, 11, 11]])
    batch = supervise(chunks, learner.objective, n_items=11, generator=generator)
    assert batch.positions is not None
    outputs, targets = [], []
    for chunk, length, supervised in zip(chunks, batch.lengths.tolist(), batch.positions, strict=True):
        hidden = supervised[supervised < length]
        assert length - 1 in hidden
        outputs.append(learner(parameters, items[chunk[:length]][None, None], hidden[None, None])[0, 0])
        targets.append(chunk[hidden])
    expected = functional.cross_entropy(torch.cat(outputs) @ items.T, torch.cat(targets))
    torch.testing.assert_close(next_item_loss(learner, parameters, items, batch), expected)


@pytest.mark.slow
def test_a_deep_and_wide_learner_learns_at_the_default_rate() -> None:
    """At the full rate, from the first step on, it ends where popularity is."""
    path = Path(__file__).parents[3] / "examples" / "sample.csv.gz"
    split = leave_last_out(build_sequences(filter_log(read_log(path, DataConfig()), DataConfig())))
    learner = build_learner(LearnerConfig(layers=4, embedding_size=128, inner_size=256))
    task = RankingTask(split, part="valid", max_length=50, cutoffs=(10,), exclude_seen=True, device=CPU)
    training = LogTraining(
        learner,
        split.train,
        task,
        config=TeacherConfig(max_epochs=8),
        dropout=0.2,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )
    scores = [report.scores["ndcg@10"] for report in training.run() if report.scores]
    counts = torch.from_numpy(popularity(split.train)).float()
    assert max(scores) > 1.3 * task.evaluate_scores(counts)["ndcg@10"]


@pytest.mark.parametrize(
    ("options", "layers", "scale"),
    [({}, 1, 1.0), ({}, 4, 1.0), ({}, 16, 0.5), ({"scale_lr": False}, 16, 1.0), ({"warm_up": 0.0}, 1, None)],
)
def test_the_learning_rate_rises_and_is_lower_for_large_learners(
    split: Split, options: dict, layers: int, scale: float | None
) -> None:
    """By hand: over two epochs to lr sqrt(64 / (16 x layers)); the cosine falls from epoch to epoch alone."""
    training = LogTraining(
        SASRec(embedding_size=16, layers=layers, heads=1, inner_size=8, max_length=20),
        split.train,
        RankingTask(split, part="valid", max_length=20, cutoffs=(10,), exclude_seen=True, device=CPU),
        config=TeacherConfig(max_epochs=2, batch_size=64, lr=0.004, **options),
        dropout=0.0,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )
    work = training.run()
    first, second = (
        (next(work), training._optimizer.param_groups[0]["lr"])[1] for _ in range(2)
    )  # after steps 1 and 11
    if scale is None:
        assert (first, second) == (0.004, 0.004)
    else:
        steps = training._course.epoch_steps
        assert first == pytest.approx(scale * 0.004 * 1 / (2 * steps))
        assert second == pytest.approx(scale * 0.004 * 11 / (2 * steps))

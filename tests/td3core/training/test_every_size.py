"""Learners of every kind, shallow or deep, narrow or wide, learn from a log by default."""

from pathlib import Path

import pytest
import torch

from td3core.config import DataConfig, LearnerConfig, LearnerKind, TeacherConfig
from td3core.data import Split, build_sequences, leave_last_out
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.ranking import RankingTask, validation_task
from td3core.training import LogTraining
from td3core.training.restarts import BAR

CPU = torch.device("cpu")
SAMPLE = Path(__file__).parents[3] / "examples" / "sample.csv.gz"


@pytest.fixture(scope="module")
def split() -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(SAMPLE, DataConfig()), DataConfig())))


@pytest.fixture(scope="module")
def task(split: Split) -> RankingTask:
    return validation_task(split, max_length=50, exclude_seen=True, device=CPU)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layers", "width", "inner"),
    [
        ("sasrec", 1, 128, 64),
        ("sasrec", 1, 8, 16),
        ("sasrec", 4, 8, 16),
        ("gru4rec", 1, 8, 16),
        ("gru4rec", 1, 128, 64),
        ("gru4rec", 4, 8, 16),
        ("gru4rec", 4, 64, 128),
        ("narm", 1, 8, 16),
        ("narm", 1, 128, 64),
        ("bert4rec", 1, 8, 16),
    ],
)
def test_every_kind_of_learner_gets_beyond_popularity(
    split: Split, task: RankingTask, kind: LearnerKind, layers: int, width: int, inner: int
) -> None:
    """Corners of kinds, depths and widths, the hardest that take seconds; a training is left as soon as it is there.

    `test_log` has SASRec with four layers of width 128.
    """
    config = LearnerConfig(kind=kind, layers=layers, embedding_size=width, inner_size=inner)
    training = LogTraining(
        build_learner(config),
        split.train,
        task,
        config=TeacherConfig(),
        dropout=config.dropout,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )
    bar = BAR * task.popularity["ndcg@10"]
    for _ in training.run():
        best = training.state().course.best
        if best is not None and best.score >= bar:
            break
    best = training.state().course.best
    assert best is not None
    assert best.score >= bar

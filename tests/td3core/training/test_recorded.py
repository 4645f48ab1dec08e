"""The gradient of padded chunks, which a GPU records, against that of real targets alone."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from td3core.config import DataConfig, LearnerConfig, LearnerKind, TeacherConfig
from td3core.data.batches import chunk_batches, room_for_chunks, supervise
from td3core.data.sequences import Sequences, build_sequences, leave_last_out
from td3core.interactions import filter_log, read_log
from td3core.learners import Dropout, build_learner
from td3core.ranking.task import RankingTask
from td3core.training.log import LogTraining, next_item_loss
from td3core.training.recorded import RecordedGradient, pad
from tests.support.devices import DEVICES, ON_A_GPU

CPU = torch.device("cpu")
ITEMS, MOST = 9, 7
CHUNKS = [
    torch.tensor([[1, 2, 3, 4, 5], [6, 0, ITEMS, ITEMS, ITEMS]]),
    torch.tensor([[8, 7, ITEMS], [5, 4, 3], [2, 1, ITEMS]]),
    torch.tensor([[0, 1, 2, 3, 4, 5, 6]]),
]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm"])
def test_padding_changes_neither_loss_nor_derivatives(
    kind: LearnerKind, device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    learner = build_learner(
        LearnerConfig(kind=kind, embedding_size=8, heads=2, inner_size=12, max_length=MOST - 1)
    )
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(ITEMS, 8, dtype=torch.float64, generator=generator).to(device)
    drawn = learner.initialise(1, generator=generator, dtype=torch.float64, device=torch.device("cpu"))
    parameters = drawn.to(device)
    gradient = RecordedGradient(learner, Dropout(0.0, torch.Generator(device)), items, parameters, rows=3)
    for chunks in (*CHUNKS, *(chunks.flip(0) for chunks in CHUNKS)):
        items.mul_(1.1)  # the weights move where they are
        own_items, own_parameters = (tensor.clone().requires_grad_() for tensor in (items, parameters))
        batch = supervise(
            chunks.to(device), learner.objective, n_items=ITEMS, generator=torch.Generator(device)
        )
        expected = next_item_loss(learner, own_parameters, own_items, batch)
        found = gradient(chunks.to(device))
        torch.testing.assert_close(found.loss, expected.detach())
        by_items, by_parameters = torch.autograd.grad(expected, (own_items, own_parameters))
        torch.testing.assert_close(found.by_items, by_items)
        torch.testing.assert_close(found.by_parameters, by_parameters)
    assert not caplog.records


def test_chunks_are_padded_to_few_shapes() -> None:
    shapes = {
        tuple(pad(torch.zeros(count, steps, dtype=torch.int64), rows=3, most=51, n_items=ITEMS).shape)
        for count in (1, 2, 3)
        for steps in range(2, 52)
    }
    assert shapes == {(3, length) for length in (4, 6, 8, 12, 16, 24, 32, 51)}


def test_there_is_room_for_almost_every_batch() -> None:
    lengths = np.random.default_rng(0).geometric(0.1, 2_000) + 1
    sequences = Sequences(
        items=np.zeros(lengths.sum(), dtype=np.int64),
        offsets=np.concatenate(([0], lengths.cumsum())),
        item_ids=pl.Series(["a"]),
        user_ids=pl.int_range(2_000, eager=True).cast(pl.String),
    )
    room = room_for_chunks(sequences, length=8, batch_size=64)
    generator = np.random.default_rng(1)
    most = [
        max(map(len, chunk_batches(sequences, length=8, batch_size=64, generator=generator, device=CPU)))
        for _ in range(20)
    ]
    assert max(most) <= room <= 1.2 * max(most)


def test_dropout_is_drawn_anew_at_each_call(device: torch.device, caplog: pytest.LogCaptureFixture) -> None:
    learner = build_learner(LearnerConfig(embedding_size=8, heads=2, inner_size=12, max_length=MOST - 1))
    generator = torch.Generator(device).manual_seed(0)
    items = torch.randn(ITEMS, 8, generator=generator, device=device)
    parameters = learner.initialise(1, generator=generator, dtype=items.dtype, device=device)
    gradient = RecordedGradient(learner, Dropout(0.5, generator), items, parameters, rows=3)
    losses = [float(gradient(CHUNKS[0].to(device)).loss) for _ in range(6)]
    assert len(set(losses)) == 6
    left = generator.get_state()
    ahead = [float(gradient(CHUNKS[0].to(device)).loss) for _ in range(3)]
    generator.set_state(left)
    assert [float(gradient(CHUNKS[0].to(device)).loss) for _ in range(3)] == ahead
    assert not caplog.records


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_a_teacher_of_recorded_steps_is_as_good(
    tiny_log: Path, device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    split = leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))
    learner = build_learner(LearnerConfig(embedding_size=16, inner_size=16, max_length=20))
    scores: list[float] = []
    for at in (CPU, device):
        task = RankingTask(split, part="valid", max_length=20, cutoffs=(10,), exclude_seen=True, device=at)
        training = LogTraining(
            learner,
            split.train,
            task,
            config=TeacherConfig(max_epochs=8, batch_size=16, lr=0.01),
            dropout=0.1,
            seed=0,
            stage="teacher",
            device=at,
            dtype=torch.float32,
        ).run()
        while True:
            try:
                next(training)
            except StopIteration as finished:
                scores.append(finished.value.score)
                break
    assert scores[1] == pytest.approx(scores[0], rel=0.15)
    assert not [record for record in caplog.records if "recorded" in record.getMessage()]

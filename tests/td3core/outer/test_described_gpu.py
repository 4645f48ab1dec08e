"""An outer step on a GPU: all is drawn first, and nothing after that waits for the device or uses another one."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from td3core.catalogue.blocks import score_blocks
from td3core.checkpoint import optimizer_tensors, restore_optimizer
from td3core.config import DataConfig, InnerConfig, JobSpec, LearnerConfig, OuterConfig, SummaryConfig
from td3core.data.sequences import Split, build_sequences, leave_last_out
from td3core.factors import map_tensors
from td3core.inner import Labeller, build_inner_loop, build_lesson_maker
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import hypergradient
from td3core.outer.objective import build_objective
from td3core.ranking.task import RankingTask
from td3core.training.log import Trained
from tests.support.described_gpu import described_gpu

TUCKER = SummaryConfig(users=5, length=7, rank_users=3, rank_time=4)
FARZI = SummaryConfig(kind="farzi", users=5, length=7, rank=4, temperature=0.5)


@pytest.fixture(scope="module")
def process() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


def split_of(log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(log, DataConfig()), DataConfig())))


def distillation(split: Split, kind: str, **asked: Any) -> Distillation:
    """On the CPU, from which the step is taken over."""
    learner = build_learner(
        LearnerConfig(kind=kind, embedding_size=8, heads=2, inner_size=12, max_length=8)  # pyright: ignore[reportArgumentType]
    )
    generator = torch.Generator().manual_seed(1)
    items = torch.randn(split.train.n_items, 8, generator=generator)
    parameters = learner.initialise(1, generator=generator, dtype=items.dtype, device=items.device)
    return Distillation(
        JobSpec(
            summary=asked.get("summary", TUCKER),
            inner=InnerConfig(steps=12, window=2, pool_size=3, compile="never", **asked.get("inner", {})),
            outer=OuterConfig(steps=6, **asked.get("outer", {})),
        ),
        learner=learner,
        teacher=Trained(items, parameters, 0.0),
        train=split.train,
        task=RankingTask(split, part="valid", max_length=8, cutoffs=(10,), device=items.device),
    )


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        *((kind, {}) for kind in ("sasrec", "gru4rec", "narm", "bert4rec")),
        ("sasrec", {"summary": FARZI, "outer": {"candidates": 16}}),
        ("sasrec", {"inner": {"learners": 2, "targets": "mixed"}, "outer": {"candidates": 16}}),
        (
            "bert4rec",
            {
                "inner": {"supervision": "paper", "targets": "summary", "optimizer": "sgd"},
                "outer": {"alignment_at": "last"},
            },
        ),
    ],
    ids=["sasrec", "gru4rec", "narm", "bert4rec", "farzi", "candidates", "paper"],
)
def test_the_hypergradient_stays_on_the_device_and_never_waits_for_it(
    process: Executor, tiny_log: Path, kind: str, asked: dict[str, Any]
) -> None:
    process.submit(work_out_the_hypergradient, tiny_log, kind, asked).result()


def work_out_the_hypergradient(log: Path, kind: str, asked: dict[str, Any]) -> None:
    run = distillation(split_of(log), kind, **asked)
    step, _ = run.draw_step()
    with described_gpu() as gpu:
        learner, inner = run.loop.learner, run.spec.inner
        teacher = gpu.of(run.teacher)
        found = hypergradient(
            map_tensors(run.factors, gpu.of),
            gpu.of(step),
            loop=build_inner_loop(inner, learner=learner, items=teacher.items, steps=12),
            lessons=build_lesson_maker(inner.targets, Labeller(learner, teacher.parameters, teacher.items)),
            objective=build_objective(run.spec.outer, learner=learner, teacher=teacher),
        )
        tensors = [found.loss, found.by_log_lr, found.cohort.parameters, *found.by_factors.values()]
        assert {tensor.device.type for tensor in tensors} == {gpu.device.type}
        assert {name: by.shape for name, by in found.by_factors.items()} == {
            name: factor.shape for name, factor in run.factors.tensors.items()
        }


def test_an_optimizer_that_goes_on_counts_its_steps_where_a_fresh_one_does(process: Executor) -> None:
    process.submit(restore_a_count).result()


def restore_a_count() -> None:
    with described_gpu() as gpu:
        weights = torch.ones(3, device=gpu.device, requires_grad=True)
        optimizer = torch.optim.Adam([weights])
        loaded = {"step": torch.ones(()), "exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}
        restore_optimizer(optimizer, {"0": {name: gpu.of(part) for name, part in loaded.items()}})
        found = optimizer_tensors(optimizer)["0"]
        assert {name: part.device.type for name, part in found.items()} == {
            "step": "cpu",
            "exp_avg": gpu.device.type,
            "exp_avg_sq": gpu.device.type,
        }


def test_blocks_of_scores_are_larger_than_on_a_cpu(process: Executor) -> None:
    process.submit(count_blocks).result()


def count_blocks() -> None:
    def blocks_on(device: torch.device) -> int:
        queries, keys = torch.ones(1000, 2, device=device), torch.ones(12_000, 2, device=device)
        return len(list(score_blocks(queries, keys)))

    assert blocks_on(torch.device("cpu")) == 24
    with described_gpu() as gpu:
        assert blocks_on(gpu.device) == 1

"""What holds on a CPU holds on a GPU: the same tests on both, the second skipped where there is none."""

import gc
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.problem import distillation, moved
from td3core.catalogue.blocks import MOST_HALVINGS, _Halved
from td3core.catalogue.sums import catalogue_sums, expected_embedding
from td3core.config import Compilation, JobSpec
from td3core.inner import Lesson
from td3core.inner.captured import MOST_RECORDINGS, captured
from td3core.learners import Learner
from td3core.outer import Distillation
from td3core.runs import DistillationRun
from tests.support.devices import DEVICES, ON_A_GPU
from tests.support.inner_loops import ZETA, batches, inner_loop
from tests.support.specs import TINY_SPEC

CPU = torch.device("cpu")


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


def test_learners_predict_the_same(
    every_learner: Learner, generator: torch.Generator, device: torch.device
) -> None:
    parameters = every_learner.initialise(2, generator=generator, dtype=torch.float64, device=CPU)
    sequences = torch.randn(2, 3, 6, 8, dtype=torch.float64, generator=generator)
    positions, lengths = torch.tensor([[[2, 5], [1, 3], [4, 5]]]), torch.tensor([[6, 4, 6]])
    expected = every_learner(parameters, sequences, positions, lengths=lengths)
    there = [part.to(device) for part in (parameters, sequences, positions)]
    found = every_learner(there[0], there[1], there[2], lengths=lengths.to(device))
    assert found.device.type == device.type
    torch.testing.assert_close(found.cpu(), expected)


def test_sums_over_the_catalogue_equal_attention(
    items: torch.Tensor, generator: torch.Generator, device: torch.device
) -> None:
    queries = torch.randn(6, 8, dtype=torch.float64, generator=generator).to(device).requires_grad_()
    items = items.to(device)
    found = expected_embedding(queries, items, items, catalogue_sums(queries, items))
    expected = (queries @ items.T).softmax(-1) @ items
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found.square().sum(), queries),
        torch.autograd.grad(expected.square().sum(), queries),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_steps_and_the_way_back_are_the_same(
    every_learner: Learner, items: torch.Tensor, generator: torch.Generator, device: torch.device
) -> None:
    drawn = batches(3, generator, objective=every_learner.objective)
    start = inner_loop(every_learner, items).start(2, generator=generator)
    inputs = torch.randn(5, ZETA, 8, dtype=torch.float64, generator=generator)
    outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator)

    def both_ways(at: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        loop = inner_loop(every_learner, items.to(at))
        lesson = Lesson(inputs.to(at))
        cohort, steps = loop.unroll(moved(start, at, torch.float64), lesson, moved(drawn, at, torch.float64))
        return cohort.parameters, loop.pull_back(steps, lesson, outer.to(at)).by_lesson.inputs

    for found, expected in zip(both_ways(device), both_ways(CPU), strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-7, atol=1e-10)


def test_recorded_steps_are_the_same_with_new_values(
    every_learner: Learner,
    items: torch.Tensor,
    generator: torch.Generator,
    device: torch.device,
    caplog: pytest.LogCaptureFixture,
) -> None:
    loops = [inner_loop(every_learner, items.to(device), recording=recording) for recording in (False, True)]
    for factor in (1.0, 0.5):
        drawn = moved(batches(3, generator, objective=every_learner.objective), device, torch.float64)
        start = moved(
            loops[0].start(2, generator=torch.Generator(device).manual_seed(7)), device, torch.float64
        )
        lesson = Lesson(torch.randn(5, ZETA, 8, dtype=torch.float64, generator=generator).to(device))
        outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator).to(device)
        found: list[tuple[torch.Tensor, ...]] = []
        for loop in loops:
            loop.lr_factor = factor
            cohort, steps = loop.unroll(start, lesson, drawn)
            pulled = loop.pull_back(steps, lesson, outer)
            found.append((cohort.parameters, pulled.by_lesson.inputs, pulled.by_log_lr))
        for expected, recorded in zip(*found, strict=True):
            torch.testing.assert_close(recorded, expected, rtol=1e-7, atol=1e-10)
    assert not caplog.records


@pytest.mark.parametrize("candidates", [16, None])
def test_outer_steps_move_the_factors_recorded_or_not(
    device: torch.device, candidates: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    losses: list[list[float]] = []
    compilations: tuple[Compilation, ...] = ("auto", "never")
    for compilation in compilations:
        run = distillation(
            60, learners=2, device=device, small=True, candidates=candidates, compilation=compilation
        )
        before = {name: factor.detach().clone() for name, factor in run.factors.tensors.items()}
        steps = iter(run)
        losses.append([next(steps).losses["outer"] for _ in range(3)])
        for name, factor in run.factors.tensors.items():
            assert factor.device.type == device.type
            assert factor.isfinite().all()
            assert not torch.equal(factor, before[name])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert not caplog.records


def test_a_run_that_is_left_goes_on(tiny_log: Path, tmp_path: Path, device: torch.device) -> None:
    spec: JobSpec = TINY_SPEC
    first, second, undisturbed = (DistillationRun(tiny_log, spec, device=device) for _ in range(3))
    next(progress for progress in first if (progress.stage, progress.step) == ("distilling", 3))
    first.checkpoint(tmp_path / "checkpoint")
    second.resume(tmp_path / "checkpoint")
    assert {progress.stage for progress in second} == {"reading", "distilling", "packing"}
    list(undisturbed)
    for name, factor in undisturbed.summary.factors.tensors.items():
        resumed = second.summary.factors.tensors[name]
        assert resumed.device.type == device.type
        torch.testing.assert_close(resumed, factor, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_a_step_that_does_not_fit_is_taken_again_with_smaller_blocks(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unrecorded() -> Distillation:
        return distillation(
            1_000_000, learners=1, device=device, small=True, candidates=None, compilation="never"
        )

    def step(halved: int) -> int:
        """Return how much memory it takes."""
        monkeypatch.setattr(_Halved, "times", halved)
        run = unrecorded()
        gc.collect()  # of the runs before, whose parts refer to each other
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        next(iter(run))
        return torch.cuda.max_memory_allocated()

    small, large = step(MOST_HALVINGS), step(0)
    assert small < large
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((small + large) / 2 / total)
    try:
        step(0)
        assert _Halved.times >= 1
        run, taken = unrecorded(), list[torch.Tensor]()
        torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_allocated() / total)
        with suppress(torch.OutOfMemoryError):
            while True:  # also what is free of the memory that PyTorch keeps
                taken.append(torch.empty(1 << 20, device=device))
        with pytest.raises(torch.OutOfMemoryError):
            next(iter(run))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_shapes_are_recorded_up_to_a_number_and_replayed_in_any_order(
    device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = captured(lambda values: (2 * values).cumsum(0))
    for size in (1, 2, 3, 4, 2, 1, 4, 3):
        for value in (1.0, 2.0):
            found = recorded(torch.full((size,), value, device=device))
            assert found.tolist() == [2 * value * (n + 1) for n in range(size)]
    assert not caplog.records
    for value in (1.0, 2.0):
        assert recorded(torch.full((MOST_RECORDINGS + 1,), value, device=device))[0] == 2 * value
    assert [record.getMessage() for record in caplog.records] == [
        f"More than {MOST_RECORDINGS} shapes: the others are not recorded"
    ]


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_a_graph_that_nothing_holds_does_not_end_another_ones_recording(
    device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    values = torch.ones(2, device=device)
    abandoned = [captured(torch.neg)]
    abandoned[0](values)
    calls = 0

    def littering(values: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:  # the first two are not recorded
            litter: list[object] = [abandoned.pop()]
            litter.append(litter)
            del litter
            assert len([[] for _ in range(10_000)]) == 10_000  # after some of which Python collects garbage
        return 2 * values

    recorded = captured(littering)
    for value in (1.0, 2.0):
        assert recorded(value * values).tolist() == [2 * value] * 2
    assert calls == 3
    assert not caplog.records


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_what_does_not_fit_is_recorded_with_smaller_blocks(device: torch.device) -> None:
    """In a process of its own, whose blocks stay smaller after that."""
    program = """
import torch
from td3core.catalogue.blocks import block_scores, with_smaller_blocks
from td3core.inner.captured import captured
def work(values):
    return values + torch.zeros(4 * block_scores(values.device), device=values.device).sum()
values = torch.ones(2, device="cuda")
room = 0.6 * 16 * block_scores(values.device)
total = torch.cuda.get_device_properties("cuda").total_memory
torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + room) / total)
recorded = captured(work)
for value in (1.0, 2.0):
    assert with_smaller_blocks(lambda: recorded(value * values)).tolist() == [value] * 2
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Blocks of" in done.stderr
    assert "Nothing is recorded" not in done.stderr


@pytest.mark.parametrize("device", [pytest.param(torch.device("cuda"), marks=ON_A_GPU)])
def test_what_cannot_be_recorded_is_called_as_it_is(device: torch.device) -> None:
    """In a process of its own, which records nothing after that."""
    program = """
import logging, torch
from td3core.inner.captured import captured
generator = torch.Generator("cuda").manual_seed(0)
def waiting(values):
    noise = torch.empty_like(values).bernoulli_(0.5, generator=generator)
    return float(values.sum()) * values + 0 * noise
asking = captured(waiting, generator=generator)
for value in (1.0, 2.0):
    assert asking(torch.full((2,), value, device="cuda")).tolist() == [2 * value**2] * 2
assert len({torch.rand(1, generator=generator, device="cuda").item() for _ in range(5)}) == 5
assert torch.cuda.current_stream() == torch.cuda.default_stream()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Nothing is recorded from here on" in done.stderr

"""`python -m benchmarks.speed`: an outer step in our formulation and in the direct one, in one process and one run.

Ours is measured over all items and, where there are more than `--candidates`, over these. All take the same inner steps
of the same learners on the same batches, read the same real batch, and end with the gradient of the same outer loss by
the factors; `agreement` is the cosine of ours, over all items, with the direct one. The data are random, since neither
time nor memory depends on what the items are.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import polars as pl
import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.direct import direct_unroll
from benchmarks.memory import peak_memory
from td3core.batches import supervise
from td3core.config import InnerConfig, LearnerConfig, OuterConfig, SummaryConfig
from td3core.distill import Distillation
from td3core.factors import mapped
from td3core.learners import build_learner
from td3core.ranking import RankingTask
from td3core.sequences import Sequences, leave_last_out
from td3core.train import Trained
from td3core.unroll import Batch, Cohort

_USERS = 500
_CANDIDATES = OuterConfig().candidates or 2048
_CPU = torch.device("cpu")
console = Console(soft_wrap=True, highlight=False)


class Work(NamedTuple):
    """What one outer step is given."""

    cohort: Cohort
    batches: list[Batch]
    real: Tensor


class Measured(NamedTuple):
    """One formulation."""

    seconds: tuple[float, ...]
    peak_bytes: int
    gradient: Tensor

    def row(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "seconds": self.seconds,
            "median_seconds": statistics.median(self.seconds),
            "peak_bytes": self.peak_bytes,
        }


def random_problem(
    n_items: int, *, summary: SummaryConfig, inner: InnerConfig, outer: OuterConfig, learner: LearnerConfig
) -> Distillation:
    """Return a distillation of random sequences over so many items."""
    per_user = learner.max_length + 3
    split = leave_last_out(
        Sequences(
            items=np.random.default_rng(0).integers(0, n_items, _USERS * per_user),
            offsets=np.arange(_USERS + 1) * per_user,
            item_ids=pl.int_range(n_items, eager=True).cast(pl.String),
            user_ids=pl.int_range(_USERS, eager=True).cast(pl.String),
        )
    )
    built = build_learner(learner)
    generator = torch.Generator().manual_seed(0)
    items = 0.3 * torch.randn(n_items, learner.embedding_size, generator=generator)
    parameters = built.initialise(1, generator=generator, dtype=torch.float32, device=_CPU)
    return Distillation(
        learner=built,
        teacher=Trained(items, parameters, 0.0),
        train=split.train,
        task=RankingTask(split, part="valid", max_length=learner.max_length, cutoffs=(10,), device=_CPU),
        summary=summary,
        inner=inner,
        outer=outer,
        seed=0,
    )


def ours(run: Distillation, work: Work, *, sampled: bool) -> Tensor:
    """The gradient by the embedding-space inner loop, over all items or over candidates drawn anew."""
    catalogue = run.catalogue() if sampled else run.loop.catalogue
    run.hypergradient(work.cohort, work.batches, work.real, catalogue)
    learned = run.factors.tensors.values()
    return torch.cat([factor.grad.flatten() for factor in learned if factor.grad is not None])


def direct(run: Distillation, work: Work) -> Tensor:
    """The gradient by the direct formulation: S at every inner step, one graph over the whole window."""
    factors = mapped(run.factors, lambda factor: factor.detach().requires_grad_())
    weights = direct_unroll(
        run.learner,
        factors,
        run.teacher.items,
        work.cohort.parameters.detach().requires_grad_(),
        work.batches,
        lr=run.inner.lr,
        weight_decay=run.inner.weight_decay,
    )
    asked = supervise(
        work.real, run.learner.objective, n_items=len(run.teacher.items), generator=torch.Generator()
    )
    loss = run.outer_loss(weights, asked) / len(weights)
    return torch.cat(
        [gradient.flatten() for gradient in torch.autograd.grad(loss, list(factors.tensors.values()))]
    )


def measure(step: Callable[[Distillation, Work], Tensor], run: Distillation, works: list[Work]) -> Measured:
    """Time every piece of work but the first, and watch the memory of all."""
    seconds: list[float] = []
    with peak_memory() as peak:
        gradient = step(run, works[0])
        for work in works[1:]:
            started = time.perf_counter()
            step(run, work)
            seconds.append(time.perf_counter() - started)
    return Measured(tuple(seconds), peak.bytes, gradient)


def direct_bytes(run: Distillation) -> int:
    """About what the direct formulation holds: a few tensors of S's size, and of the predictions', for each step."""
    n_items, mu, zeta = len(run.teacher.items), run.summary.users, run.summary.length
    batch = run.inner.batch_of(mu)
    return 4 * run.inner.window * n_items * zeta * (2 * mu + 6 * batch)


def main(
    items: Annotated[int, typer.Option(min=10, help="Items of the catalogue.")] = 1349,
    users: Annotated[int, typer.Option(min=1, help="Synthetic users.")] = 30,
    length: Annotated[int, typer.Option(min=6, help="Steps of a synthetic sequence.")] = 50,
    window: Annotated[int, typer.Option(min=1, help="Differentiated inner steps.")] = 40,
    loss: Annotated[str, typer.Option(help="Supervision: `paper` or `all`.")] = "paper",
    positions: Annotated[
        int | None, typer.Option(min=1, help="With `all`: random positions a step; left out: every one.")
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help="Columns of U and of T.")] = 8,
    embedding_size: Annotated[int, typer.Option(min=2, help="Width of the item factor.")] = 32,
    candidates: Annotated[
        int, typer.Option(min=16, help="Items of a step where they are sampled.")
    ] = _CANDIDATES,
    alignment: Annotated[float, typer.Option(min=0, help="Weight of the alignment objective.")] = 1.0,
    repeats: Annotated[int, typer.Option(min=1, help="Timed outer steps, after one that is not.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Time an outer step without warm-up, ours and direct, and compare memory and gradients."""
    torch.set_num_threads(threads)
    if loss not in ("paper", "all"):
        raise typer.BadParameter(f"--loss is paper or all, not {loss!r}")
    supervision: Literal["paper", "all"] = "paper" if loss == "paper" else "all"
    run = random_problem(
        items,
        summary=SummaryConfig(
            users=users, length=length, rank_users=min(rank, users), rank_time=min(rank, length)
        ),
        inner=InnerConfig(
            steps=max(200, window),
            window=window,
            lr=5e-3,
            schedule="constant",
            supervision=supervision,
            positions=positions,
        ),
        outer=OuterConfig(alignment=alignment, candidates=candidates),
        learner=LearnerConfig(embedding_size=embedding_size, max_length=length),
    )
    generator = torch.Generator().manual_seed(1)
    works = [
        Work(run.loop.start(1, generator=generator), run.batches(window, 1), run.real_batch())
        for _ in range(repeats + 1)
    ]
    fast = measure(partial(ours, sampled=False), run, works)
    sampled = measure(partial(ours, sampled=True), run, works) if candidates < items else None
    report: dict[str, Any] = {
        "items": items, "users": users, "length": length, "window": window, "loss": loss, "positions": positions,
        "rank": rank, "embedding_size": embedding_size, "threads": threads, "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(), "load": os.getloadavg()[0], "ours": fast.row(),
        "candidates": candidates, "sampled": None if sampled is None else sampled.row(),
    }  # fmt: skip
    needed, free = direct_bytes(run), psutil.virtual_memory().available
    if needed > 0.7 * free:
        report["direct"] = None
        console.print(f"The direct formulation is left out: it needs about {needed / 2**30:.0f} GiB.")
    else:
        slow = measure(direct, run, works)
        agreement = torch.nn.functional.cosine_similarity(fast.gradient, slow.gradient, dim=0)
        report |= {
            "direct": slow.row(),
            "speedup": statistics.median(slow.seconds) / statistics.median(fast.seconds),
            "speedup_sampled": None
            if sampled is None
            else statistics.median(slow.seconds) / statistics.median(sampled.seconds),
            "memory_ratio": slow.peak_bytes / max(fast.peak_bytes, 1),
            "agreement": float(agreement),
        }
    show(report)
    if output is not None:
        output.write_text(json.dumps(report, indent=2))


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table(title=f"{report['items']} items, window {report['window']}, loss {report['loss']}")
    for column in ("formulation", "seconds an outer step", "min to max", "peak MiB"):
        table.add_column(column)
    for name in ("ours", "sampled", "direct"):
        if row := report.get(name):
            table.add_row(
                f"ours, {report['candidates']} candidates" if name == "sampled" else name,
                f"{row['median_seconds']:.3f}",
                f"{min(row['seconds']):.3f} to {max(row['seconds']):.3f}",
                f"{row['peak_bytes'] / 2**20:.0f}",
            )
    console.print(table)
    if report.get("speedup_sampled"):
        console.print(f"{report['speedup_sampled']:.1f} times faster with candidates")
    if report["direct"]:
        console.print(
            f"{report['speedup']:.1f} times faster in {report['memory_ratio']:.1f} times less memory; "
            f"cosine of the gradients {report['agreement']:.6f}; load {report['load']:.1f}"
        )


if __name__ == "__main__":
    typer.run(main)

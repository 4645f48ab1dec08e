"""`python -m benchmarks.speed`: an outer step in our formulation and in the direct one, in one process and one run.

Ours is measured over all items and, where there are more than `--candidates`, over these; compiled, as a long run is,
and over all items as it is without a compiler. All take the same inner steps of the same learners on the same batches,
read the same real batch, and end with the gradient of the same outer loss by the factors; `agreement` is the cosine of
ours, over all items, with the direct one. The data are random, since neither time nor memory depends on what the items
are.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.direct import direct_unroll
from benchmarks.floor import operations, operations_a_second
from benchmarks.machine import surroundings
from benchmarks.memory import peak_memory
from td3core.config import InnerConfig, JobSpec, LearnerConfig, OuterConfig, SummaryConfig
from td3core.data.sequences import Sequences, leave_last_out
from td3core.factors import map_tensors
from td3core.learners import build_learner
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import OuterStep, hypergradient
from td3core.outer.objective import TrainedCohort
from td3core.ranking.task import RankingTask
from td3core.training.log import Trained, predict_targets

_USERS = 500
_CANDIDATES = OuterConfig().candidates or 2048
_CPU = torch.device("cpu")
Formulation = Literal["ours", "sampled", "eager", "direct"]
"""Over all items, over candidates, over all items and not compiled, and the direct one, which cannot be compiled."""
FORMULATIONS: tuple[Formulation, ...] = get_args(Formulation)
console = Console(soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class Problem:
    """What an outer step is measured on."""

    items: int = 1349
    users: int = 30
    length: int = 50
    window: int = 40
    loss: Literal["paper", "all"] = "paper"
    positions: int | None = None
    batch_users: int | None = 15
    """None: as many as the default spec takes."""
    rank: int = 8
    embedding_size: int = 32
    candidates: int = _CANDIDATES
    alignment: float = 1.0
    compiled: bool = True

    def distillation(self, *, compiled: bool) -> Distillation:
        """Return one whose outer steps are these, of random sequences."""
        return random_problem(
            self.items,
            summary=SummaryConfig(
                users=self.users,
                length=self.length,
                rank_users=min(self.rank, self.users),
                rank_time=min(self.rank, self.length),
            ),
            inner=InnerConfig(
                steps=max(200, self.window),
                window=self.window,
                lr=5e-3,
                schedule="constant",
                batch_users=self.batch_users,
                supervision=self.loss,
                positions=self.positions,
                compile="always" if compiled else "never",
                targets="summary",  # as in the paper, which the direct formulation follows
            ),
            outer=OuterConfig(alignment=self.alignment, candidates=self.candidates),
            learner=LearnerConfig(embedding_size=self.embedding_size, max_length=self.length),
        )


class Measured(NamedTuple):
    """One formulation."""

    first: float
    """Seconds of the first step, in which what is compiled is."""
    seconds: tuple[float, ...]
    peak_bytes: int
    held_bytes: int
    gradient: Tensor

    def row(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "first_seconds": self.first,
            "seconds": self.seconds,
            "median_seconds": statistics.median(self.seconds),
            "peak_bytes": self.peak_bytes,
            "process_bytes": self.held_bytes + self.peak_bytes,
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
        JobSpec(summary=summary, inner=inner, outer=outer, learner=learner),
        learner=built,
        teacher=Trained(items, parameters, 0.0),
        train=split.train,
        task=RankingTask(split, part="valid", max_length=learner.max_length, cutoffs=(10,), device=_CPU),
    )


def ours(run: Distillation, step: OuterStep, *, sampled: bool) -> Tensor:
    """The gradient by the embedding-space inner loop, over all items or over candidates drawn anew."""
    if sampled:
        step = step._replace(catalogue=run.catalogues.draw(run.generator))
    found = hypergradient(run.factors, step, loop=run.loop, lessons=run.lessons, objective=run.objective)
    return torch.cat([gradient.flatten() for gradient in found.by_factors.values()])


def direct(run: Distillation, step: OuterStep) -> Tensor:
    """The gradient by the direct formulation: S at every inner step, one graph over the whole window."""
    factors = map_tensors(run.factors, lambda factor: factor.detach().requires_grad_())
    items, inner = run.teacher.items, run.spec.inner
    weights = direct_unroll(
        run.loop.learner,
        factors,
        items,
        step.cohort.parameters.detach().requires_grad_(),
        step.batches,
        lr=inner.lr,
        weight_decay=inner.weight_decay,
    )
    outputs = predict_targets(run.loop.learner, weights, items, step.real)
    loss = run.objective.loss(TrainedCohort(weights, outputs, step.real, step.catalogue)) / len(weights)
    return torch.cat(
        [gradient.flatten() for gradient in torch.autograd.grad(loss, list(factors.tensors.values()))]
    )


def measure(
    formulation: Callable[[Distillation, OuterStep], Tensor], run: Distillation, steps: list[OuterStep]
) -> Measured:
    """Time every step, and watch the memory of all but the first."""
    seconds: list[float] = []
    gradient = torch.empty(0)

    def timed(step: OuterStep) -> None:
        nonlocal gradient
        started = time.perf_counter()
        gradient = formulation(run, step)
        seconds.append(time.perf_counter() - started)

    timed(steps[0])
    with peak_memory() as peak:
        for step in steps[1:]:
            timed(step)
    return Measured(seconds[0], tuple(seconds[1:]), peak.bytes, peak.held, gradient)


def direct_bytes(problem: Problem) -> int:
    """About what the direct formulation holds: a few tensors of S's size, and of the predictions', for each step."""
    batch = InnerConfig(batch_users=problem.batch_users).batch_of(problem.users)
    supervised = 2 if problem.loss == "paper" else min(problem.positions or problem.length, problem.length)
    rows = 2 * problem.users * problem.length + batch * problem.length + 5 * batch * supervised
    return 4 * problem.window * problem.items * rows


def measure_problem(
    problem: Problem,
    *,
    repeats: int = 3,
    threads: int = 1,
    formulations: Collection[Formulation] = FORMULATIONS,
) -> dict[str, Any]:
    """Measure the formulations one after the other; return the report, ready for JSON.

    A formulation that is not measured is null; `left_out` says why.
    """
    torch.set_num_threads(threads)
    report: dict[str, Any] = {"benchmark": "speed", **asdict(problem), **surroundings(threads)}
    run = problem.distillation(compiled=False)
    generator = torch.Generator().manual_seed(1)
    steps = [
        OuterStep(
            run.loop.start(1, generator=generator),
            run.batches.draw(problem.window, learners=1, generator=run.generator),
            run.real_batch(),
            run.loop.catalogue,
        )
        for _ in range(repeats + 1)
    ]
    left_out: dict[str, str] = {}
    if problem.candidates >= problem.items:
        left_out["sampled"] = f"there are no more items than the {problem.candidates} candidates"
    if not problem.compiled:
        left_out["eager"] = "nothing is compiled"
    needed, free = direct_bytes(problem), psutil.virtual_memory().available
    if needed > 0.7 * free:
        left_out["direct"] = (
            f"it needs about {needed / 2**30:.0f} GiB, and {free / 2**30:.0f} GiB of memory are free"
        )
    exact, sampled = partial(ours, sampled=False), partial(ours, sampled=True)
    formulas = {"ours": exact, "sampled": sampled, "eager": exact, "direct": direct}
    found: dict[Formulation, Measured] = {}
    for name in FORMULATIONS:
        if name in formulations and name not in left_out:
            fast = problem.compiled and name in ("ours", "sampled")
            found[name] = measure(formulas[name], problem.distillation(compiled=True) if fast else run, steps)
    report |= {name: found[name].row() if name in found else None for name in FORMULATIONS}
    report["left_out"] = {name: reason for name, reason in left_out.items() if name in formulations}
    if "ours" in found:
        needed_operations, rate = (
            operations(lambda: exact(run, steps[0])),
            operations_a_second(),
        )
        least = needed_operations / rate
        report["floor"] = {
            "operations": needed_operations,
            "operations_a_second": rate,
            "seconds": least,
            "ours_to_floor": statistics.median(found["ours"].seconds) / least,
        }
    report["load"] = os.getloadavg()[0]
    if "ours" in found and "direct" in found:
        fast, slow = found["ours"], found["direct"]
        agreement = torch.nn.functional.cosine_similarity(fast.gradient, slow.gradient, dim=0)
        report["speedup"] = {
            name: statistics.median(slow.seconds) / statistics.median(row.seconds)
            for name, row in found.items()
            if name != "direct"
        }
        report |= {
            "memory_ratio": slow.peak_bytes / max(fast.peak_bytes, 1),
            "agreement": float(agreement),
        }
    return report


def main(
    items: Annotated[int, typer.Option(min=10, help="Items of the catalogue.")] = Problem.items,
    users: Annotated[int, typer.Option(min=1, help="Synthetic users.")] = Problem.users,
    length: Annotated[int, typer.Option(min=6, help="Steps of a synthetic sequence.")] = Problem.length,
    window: Annotated[int, typer.Option(min=1, help="Differentiated inner steps.")] = Problem.window,
    loss: Annotated[str, typer.Option(help="Supervision: `paper` or `all`.")] = Problem.loss,
    positions: Annotated[
        int | None, typer.Option(min=1, help="With `all`: random positions a step; left out: every one.")
    ] = None,
    batch_users: Annotated[
        int | None, typer.Option(min=1, help="Synthetic users a step.")
    ] = Problem.batch_users,
    rank: Annotated[int, typer.Option(min=1, help="Columns of U and of T.")] = Problem.rank,
    embedding_size: Annotated[
        int, typer.Option(min=2, help="Width of the item factor.")
    ] = Problem.embedding_size,
    candidates: Annotated[
        int, typer.Option(min=16, help="Items of a step where they are sampled.")
    ] = Problem.candidates,
    alignment: Annotated[
        float, typer.Option(min=0, help="Weight of the alignment objective.")
    ] = Problem.alignment,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile ours: takes half a minute the first time.")
    ] = Problem.compiled,
    repeats: Annotated[int, typer.Option(min=1, help="Timed outer steps, after one that is not.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Time an outer step without warm-up, ours and direct, and compare memory and gradients."""
    if loss not in ("paper", "all"):
        raise typer.BadParameter(f"--loss is paper or all, not {loss!r}")
    problem = Problem(
        items=items,
        users=users,
        length=length,
        window=window,
        loss="paper" if loss == "paper" else "all",
        positions=positions,
        batch_users=batch_users,
        rank=rank,
        embedding_size=embedding_size,
        candidates=candidates,
        alignment=alignment,
        compiled=compiled,
    )
    report = measure_problem(problem, repeats=repeats, threads=threads)
    show(report)
    if output is not None:
        output.write_text(json.dumps(report, indent=2))


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table(title=f"{report['items']} items, window {report['window']}, loss {report['loss']}")
    for column in (
        "formulation",
        "seconds an outer step",
        "min to max",
        "the first",
        "peak MiB",
        "to direct",
    ):
        table.add_column(column)
    how = "" if report["compiled"] else ", not compiled"
    titles = {
        "ours": f"ours{how}",
        "sampled": f"ours, {report['candidates']} candidates{how}",
        "eager": "ours, not compiled",
        "direct": "direct",
    }
    for name, title in titles.items():
        if row := report.get(name):
            speedup = report.get("speedup", {}).get(name)
            table.add_row(
                title,
                f"{row['median_seconds']:.3f}",
                f"{min(row['seconds']):.3f} to {max(row['seconds']):.3f}",
                f"{row['first_seconds']:.1f}",
                f"{row['peak_bytes'] / 2**20:.0f}",
                f"{speedup:.1f} times faster" if speedup else "",
            )
    console.print(table)
    if floor := report.get("floor"):
        console.print(
            f"Ours needs {floor['operations'] / 1e9:.1f} billion operations, {floor['seconds']:.3f} s at the rate of "
            f"a large matrix product: it takes {floor['ours_to_floor']:.1f} times that."
        )
    for name, reason in report["left_out"].items():
        console.print(f"{name} is left out: {reason}")
    if "agreement" in report:
        console.print(
            f"Ours takes {report['memory_ratio']:.1f} times less memory than direct; cosine of the gradients "
            f"{report['agreement']:.6f}"
        )
    console.print(f"load {report['load']:.1f}")


if __name__ == "__main__":
    typer.run(main)

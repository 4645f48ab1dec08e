"""`python -m benchmarks.ablation LOG`: what each part of the default spec is worth.

The teacher is trained once. Each variant then distils one summary with one thing changed, and fresh learners are
trained on it and scored on the validation and the test items.
"""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.bars import follow
from benchmarks.machine import surroundings
from td3core.config import JobSpec
from td3core.data.sequences import Sequences, build_sequences, leave_last_out
from td3core.errors import DivergedError, Td3Error
from td3core.evaluation.fidelity import spread
from td3core.factors import expected_embeddings, history_length
from td3core.interactions import filter_log, read_log
from td3core.learners import Learner, build_learner
from td3core.outer.distillation import Distillation
from td3core.ranking import SELECTION_CUTOFF, SELECTION_METRIC, Figures
from td3core.ranking.task import RankingTask
from td3core.training.embeddings import EmbeddedTraining
from td3core.training.log import LogTraining, Trained

METRIC = SELECTION_METRIC
Changes = dict[str, dict[str, Any]]
"""Section of the spec -> field -> value."""
console = Console(soft_wrap=True, highlight=False)


class Ground(NamedTuple):
    """What all variants stand on."""

    learner: Learner
    train: Sequences
    teacher: Trained
    tasks: dict[str, RankingTask]
    """By split, `valid` and `test`."""


def variants(job: JobSpec) -> dict[str, Changes]:
    """Name each variant, and say what it changes."""
    long = {"steps": 60, "lr": 0.01}
    return {
        "default": {},
        "supervision paper": {"inner": {"supervision": "paper"}},
        "every position": {"inner": {"positions": None}},
        "half of the users a step": {"inner": {"batch_users": max(1, job.summary.users // 2)}},
        "60 steps, pool": {"inner": long},
        "60 steps, warm_up rat": {"inner": {**long, "warm_up": "rat"}},
        "60 steps, warm_up fixed": {"inner": {**long, "warm_up": "fixed"}},
        "60 steps, window 60": {"inner": {**long, "window": 60}},
        "learners 2": {"inner": {"learners": 2}},
        "sgd, lr 0.5": {"inner": {"optimizer": "sgd", "lr": 0.5}},
        "schedule constant": {"inner": {"schedule": "constant"}},
        "learn_lr": {"inner": {"learn_lr": True}},
        "initial trajectory": {"inner": {"initial": "trajectory"}},
        "initial mixed": {"inner": {"initial": "mixed"}},
        "alignment 0": {"outer": {"alignment": 0.0}},
        "alignment 1": {"outer": {"alignment": 1.0}},
        "alignment at the last": {"outer": {"alignment_at": "last"}},
        "averaging 0": {"outer": {"averaging": 0.0}},
        "clip 1": {"outer": {"clip": 1.0}},
        "candidates 512": {"outer": {"candidates": 512}},
        "every item": {"outer": {"candidates": None}},
        "start rollouts": {"summary": {"start": "rollouts"}},
        "kind farzi": {"summary": {"kind": "farzi", "rank_users": None, "rank_time": None, "start": None}},
    }


def main(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any log the service takes.")],
    output: Annotated[Path, typer.Option("--json", help="Write the figures here, after each variant.")],
    only: Annotated[list[str] | None, typer.Option(help="This variant; may be given more than once.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Synthetic users.")] = 30,
    length: Annotated[int, typer.Option(min=2, help="Steps of a synthetic sequence.")] = 50,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a summary.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of teacher and distillations.")] = 0,
    spec: Annotated[str, typer.Option(help="What else differs from the default spec, as JSON.")] = "{}",
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
) -> None:
    """Distil each variant from the same teacher, and score fresh learners on it."""
    torch.set_num_threads(threads)
    try:
        given = json.loads(spec)
        document = {
            **given,
            "seed": seed,
            "summary": {**given.get("summary", {}), "users": users, "length": length},
        }
        job = JobSpec.model_validate_json(json.dumps(document))
        known = variants(job)
        jobs = {
            name: JobSpec.model_validate_json(json.dumps(document | _merged(document, changes)))
            for name, changes in known.items()
            if not only or name in only
        }
    except (ValueError, AttributeError) as error:
        raise typer.BadParameter(str(error)) from error
    if unknown := set(only or ()) - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: --only is one of {', '.join(known)}")
    report: dict[str, Any] = {
        "benchmark": "ablation",
        "log": log.name,
        "spec": job.model_dump(mode="json"),
        **surroundings(threads),
    }
    try:
        ground = prepare(log, job)
        ceiling = scores(ground, ground.teacher.parameters, ground.teacher.items)
        report |= {"teacher": ceiling, "seeds": seeds, "variants": {}}
        for name, changed in jobs.items():
            row = {"changes": known[name], **distilled(ground, changed, seeds=seeds)}
            report["variants"][name] = row
            report["load"] = os.getloadavg()[0]
            output.write_text(json.dumps(report, indent=2))
    except Td3Error as error:
        console.print(f"[bold red]Error:[/] {error}")
        raise typer.Exit(1) from error
    show(report)


def prepare(log: Path, job: JobSpec) -> Ground:
    """Read the log and train the teacher."""
    device = torch.device("cpu")
    sequences = build_sequences(filter_log(read_log(log, job.data, name=log.name), job.data))
    split = leave_last_out(sequences)
    learner = build_learner(job.learner)
    tasks = {
        part: RankingTask(
            split,
            part=part,
            max_length=learner.max_length,
            cutoffs=(SELECTION_CUTOFF,),
            exclude_seen=job.data.exclude_seen,
            device=device,
        )
        for part in ("valid", "test")
    }
    found: list[Trained] = []
    training = LogTraining(
        learner,
        split.train,
        tasks["valid"],
        config=job.teacher,
        dropout=job.learner.dropout,
        seed=job.seed,
        stage="teacher",
        device=device,
        dtype=torch.float32,
    )

    def kept():
        found.append((yield from training.run()))

    follow(kept(), console)
    return Ground(learner, split.train, found[0], tasks)


def distilled(ground: Ground, job: JobSpec, *, seeds: int) -> dict[str, Any]:
    """Distil, and train and score fresh learners on the best summary; return a row ready for JSON."""
    run = Distillation(
        job, learner=ground.learner, teacher=ground.teacher, train=ground.train, task=ground.tasks["valid"]
    )
    started = time.monotonic()
    diverged = None
    try:
        follow(run, console)
    except DivergedError as error:
        diverged = str(error)
    seconds = time.monotonic() - started
    best = run.best
    if best is None:
        return {"seconds": seconds, "diverged": diverged, "valid": None, "test": None}
    items = ground.teacher.items
    lesson = run.lessons.lesson(expected_embeddings(best.factors, items), run.loop.catalogue)
    rows: list[dict[str, Figures]] = []
    for seed in range(seeds):
        training = EmbeddedTraining(
            lesson.inputs,
            targets=lesson.targets,
            items=items,
            learner=ground.learner,
            inner=job.inner,
            steps=job.inner.life,
            seed=seed,
            lr_factor=best.lr_factor,
        )
        training.run(job.inner.life)
        rows.append(scores(ground, training.parameters, items, history_length=history_length(best.factors)))
    return {
        "seconds": seconds,
        "diverged": diverged,
        "outer_step": best.step,
        "lr_factor": best.lr_factor,
        **{
            part: {
                name: spread([row[part][name] for row in rows]).model_dump(mode="json")
                for name in rows[0][part]
            }
            for part in ground.tasks
        },
    }


def scores(
    ground: Ground, parameters: torch.Tensor, items: torch.Tensor, *, history_length: int | None = None
) -> dict[str, Figures]:
    """Score one learner on the held-out items of each split."""
    return {
        part: task.evaluate(ground.learner, parameters, items, history_length=history_length)[0]
        for part, task in ground.tasks.items()
    }


def show(report: dict[str, Any]) -> None:
    """Print a row a variant."""
    teacher = report["teacher"]
    table = Table(
        title=f"{report['log']}: {METRIC}, mean ± standard deviation of {report['seeds']} learners; "
        "share is test / teacher"
    )
    for column in ("variant", "valid", "test", "share", "seconds"):
        table.add_column(column)
    table.add_row("the teacher itself", *(f"{teacher[part][METRIC]:.4f}" for part in ("valid", "test")))
    for name, row in report["variants"].items():
        figures = [row[part] and row[part][METRIC] for part in ("valid", "test")]
        share = figures[1] and figures[1]["mean"] / max(teacher["test"][METRIC], 1e-12)
        table.add_row(
            name + (", diverged" if row["diverged"] else ""),
            *("" if found is None else _with_spread(found) for found in figures),
            "" if share is None else f"{share:.3f}",
            f"{row['seconds']:.0f}",
        )
    console.print(table)


def _with_spread(found: dict[str, Any]) -> str:
    spread = "" if found["std"] is None else f" ± {found['std']:.4f}"
    return f"{found['mean']:.4f}{spread}"


def _merged(document: dict[str, Any], changes: Changes) -> Changes:
    return {
        section: {
            name: value
            for name, value in {**document.get(section, {}), **fields}.items()
            if value is not None or name in ("positions", "candidates")
        }
        for section, fields in changes.items()
    }


if __name__ == "__main__":
    typer.run(main)

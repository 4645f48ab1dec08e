"""`python -m benchmarks.sweep`: an outer step against items, users, length and window, in each formulation.

Every point is measured in a process of its own, so that none inherits memory from another. What needs more memory than
is free, or more time than `--bound`, is left out and says so; nothing is extrapolated.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import surroundings
from benchmarks.speed import Formulation, Problem, measure_problem
from td3core.config import InnerConfig

AXES = ("items", "users", "length", "window")
SWEPT: tuple[Formulation, ...] = ("ours", "sampled", "direct")
console = Console(soft_wrap=True, highlight=False)


def main(
    output: Annotated[Path, typer.Option("--json", help="Write the figures here, after each point.")],
    items: Annotated[str, typer.Option(help="Sizes of the catalogue.")] = "1000,10000,100000,1000000",
    users: Annotated[str, typer.Option(help="Numbers of synthetic users.")] = "10,30,100",
    length: Annotated[str, typer.Option(help="Steps of a synthetic sequence.")] = "10,25,50,100",
    window: Annotated[str, typer.Option(help="Differentiated inner steps.")] = "10,30,60",
    other_items: Annotated[
        int, typer.Option(min=10, help="Items wherever another axis than theirs is measured.")
    ] = 3000,
    base_users: Annotated[int, typer.Option(min=1, help="The same of users.")] = 30,
    base_length: Annotated[int, typer.Option(min=6, help="The same of length.")] = 50,
    base_window: Annotated[
        int, typer.Option(min=1, help="The same of window.")
    ] = InnerConfig().differentiated,
    exact_up_to: Annotated[
        int, typer.Option(min=0, help="More items than these are measured with candidates alone.")
    ] = 100_000,
    bound: Annotated[float, typer.Option(min=1, help="Seconds that a point may take, all its steps.")] = 600,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile ours: takes half a minute a point.")
    ] = Problem.compiled,
    repeats: Annotated[int, typer.Option(min=1, help="Timed outer steps, after one that is not.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
) -> None:
    """Measure the default loss of a job along each axis, the others held; an empty list leaves an axis out."""
    base = Problem(
        items=other_items,
        users=base_users,
        length=base_length,
        window=base_window,
        loss="all",
        positions=InnerConfig().positions,
        batch_users=None,
        compiled=compiled,
    )
    values = {"items": _numbers(items), "users": _numbers(users)}
    values |= {"length": _numbers(length), "window": _numbers(window)}
    report: dict[str, Any] = {"benchmark": "sweep", **surroundings(threads), "points": []}
    for axis, value, problem in problems(base, values):
        for formulation in SWEPT:
            if formulation != "sampled" and problem.items > exact_up_to:
                measured = {"left_out": f"there are more than {exact_up_to} items"}
            else:
                measured = measure_apart(problem, formulation, repeats=repeats, threads=threads, bound=bound)
            point = {"axis": axis, "value": value, "formulation": formulation, **measured}
            report["points"].append(point)
            report["load"] = os.getloadavg()[0]
            output.write_text(json.dumps(report, indent=2))
            console.print(f"{axis} {value}, {formulation}: {described(point)}")
    show(report)


def problems(base: Problem, values: dict[str, list[int]]) -> Iterator[tuple[str, int, Problem]]:
    """Yield axis, value and problem, in order of size along each axis."""
    for axis in AXES:
        for value in sorted(values[axis]):
            yield axis, value, replace(base, **{axis: value})


def measure_apart(
    problem: Problem, formulation: Formulation, *, repeats: int, threads: int, bound: float
) -> dict[str, Any]:
    """Return one formulation's row, measured in a new process, or why it is left out."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.speed"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, problem, formulation, repeats, threads))
    process.start()
    sender.close()
    if not receiver.poll(bound):
        process.kill()
        process.join()
        return {"left_out": f"it took longer than {bound:.0f} s"}
    try:
        report = receiver.recv()
    except EOFError:
        process.join()
        return {"left_out": f"its process ended with exit code {process.exitcode}"}
    process.join()
    if report[formulation] is None:
        return {"left_out": report["left_out"][formulation]}
    return {**report[formulation], "load": report["load"], "left_out": None}


def _measure(
    sender: Connection, problem: Problem, formulation: Formulation, repeats: int, threads: int
) -> None:
    report = measure_problem(problem, repeats=repeats, threads=threads, formulations=(formulation,))
    sender.send(report)


def described(point: dict[str, Any]) -> str:
    """Say what was found, for one line."""
    if point["left_out"] is not None:
        return f"left out: {point['left_out']}"
    return f"{point['median_seconds']:.3f} s, {point['peak_bytes'] / 2**20:.0f} MiB"


def show(report: dict[str, Any]) -> None:
    """Print a table for each axis."""
    for axis in dict.fromkeys(point["axis"] for point in report["points"]):
        found = {(row["value"], row["formulation"]): row for row in report["points"] if row["axis"] == axis}
        table = Table(title=f"seconds an outer step, peak MiB, against {axis}")
        for column in (axis, *SWEPT):
            table.add_column(column)
        for value in dict.fromkeys(value for value, _ in found):
            cells = (found[value, name] for name in SWEPT)
            table.add_row(
                str(value), *("left out" if cell["left_out"] else described(cell) for cell in cells)
            )
        console.print(table)


def _numbers(given: str) -> list[int]:
    try:
        return [int(part) for part in given.split(",") if part]
    except ValueError as error:
        raise typer.BadParameter(f"{given!r} must be whole numbers, separated by commas") from error


if __name__ == "__main__":
    typer.run(main)

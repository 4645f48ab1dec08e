"""`python -m benchmarks.service`: one API process under many clients, and empty jobs a second beside its rivals'."""

import asyncio
import json
import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import surroundings
from benchmarks.service import throughput
from benchmarks.service.deployment import empty_worker, servers, service_on
from benchmarks.service.load import Load, lost, run_load

WORKERS = 2
WARM_UP_SECONDS = 10.0
console = Console(soft_wrap=True, highlight=False)


def measure_load(
    *, clients: int, seconds: float, pause: float, warm_up: float = WARM_UP_SECONDS
) -> dict[str, Any]:
    """Let the clients work at one API process, before that for a while so that it has grown; ready for JSON."""
    with tempfile.TemporaryDirectory(prefix="td3-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        postgres, broker = stack.enter_context(servers(folder))
        url = stack.enter_context(postgres.database())
        service = stack.enter_context(service_on(folder / "service", url, broker.url))
        service.start("keeper")
        api = psutil.Process(service.start("api").pid)
        service.wait_until_ready()
        for number in range(WORKERS):
            stack.enter_context(
                empty_worker(service, number=number, tasks_per_child=throughput.ALL_IN_ONE_CHILD)
            )
        warmed = asyncio.run(run_load(service.url, clients=clients, seconds=warm_up, pause=pause))
        cpu_before = api.cpu_times()
        held: list[int] = []

        async def watched() -> Load:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch_memory(api, held, every=seconds / 6))
                load = await run_load(service.url, clients=clients, seconds=seconds, pause=pause)
                watch.cancel()
            return load

        load = asyncio.run(watched())
        cpu_after = api.cpu_times()
        accepted = warmed.accepted + load.accepted
        return {
            "clients": clients,
            "seconds": seconds,
            "pause": pause,
            "routes": load.rows(),
            "errors": warmed.errors + load.errors,
            "accepted": len(accepted),
            "streamed": len(warmed.streamed) + len(load.streamed),
            "lost": lost(service.url, accepted),
            "api_bytes": held,
            "api_cpu_seconds": sum(cpu_after[:2]) - sum(cpu_before[:2]),
        }


async def _watch_memory(process: psutil.Process, held: list[int], *, every: float) -> None:
    while True:
        held.append(process.memory_info().rss)
        await asyncio.sleep(every)


def measure_throughput(*, jobs: int, repeats: int) -> dict[str, Any]:
    """Let each contender run the jobs; ready for JSON."""
    rates = throughput.measure(jobs, repeats)
    return {
        "jobs": jobs,
        "jobs_a_second": rates,
        "median_jobs_a_second": {name: statistics.median(found) for name, found in rates.items()},
    }


def main(
    clients: Annotated[int, typer.Option(min=0, help="Clients at once; 0 leaves the load out.")] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="How long they work.")] = 60,
    pause: Annotated[float, typer.Option(min=0.01, help="Seconds between two requests of a client.")] = 2,
    jobs: Annotated[int, typer.Option(min=0, help="Empty jobs a contender; 0 leaves this out.")] = 500,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each contender is measured.")] = 3,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Measure the service against clients, and against Celery alone and procrastinate."""
    report: dict[str, Any] = {"benchmark": "service", **surroundings(threads=1)}
    if clients:
        report["load_test"] = measure_load(clients=clients, seconds=seconds, pause=pause)
    if jobs:
        report["throughput"] = measure_throughput(jobs=jobs, repeats=repeats)
    report["load"] = os.getloadavg()[0]
    show(report)
    if output is not None:
        output.write_text(json.dumps(report, indent=2))


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    if found := report.get("load_test"):
        table = Table(title=f"{found['clients']} clients for {found['seconds']:.0f} s, one API process")
        for column in ("route", "requests", "p50 ms", "p99 ms"):
            table.add_column(column)
        for route, row in found["routes"].items():
            table.add_row(route, str(row["requests"]), f"{1e3 * row['p50']:.0f}", f"{1e3 * row['p99']:.0f}")
        console.print(table)
        console.print(
            f"{len(found['errors'])} errors; {found['accepted']} jobs accepted, {found['streamed']} streamed to the "
            f"end, {len(found['lost'])} lost; the API took {found['api_cpu_seconds']:.0f} s of CPU and, along the way, "
            f"{', '.join(f'{held / 2**20:.0f}' for held in found['api_bytes'])} MiB"
        )
        for error in found["errors"][:5]:
            console.print(error)
    if found := report.get("throughput"):
        table = Table(title=f"{found['jobs']} empty jobs, one worker")
        for column in ("contender", "jobs a second", "min to max"):
            table.add_column(column)
        for name, rates in found["jobs_a_second"].items():
            span = f"{min(rates):.3g} to {max(rates):.3g}"
            table.add_row(name, f"{found['median_jobs_a_second'][name]:.3g}", span)
        console.print(table)
        if not throughput.RIVALS.exists():
            console.print("procrastinate is left out: `make rivals` builds its environment")
    console.print(f"load {report['load']:.1f}")


if __name__ == "__main__":
    typer.run(main)

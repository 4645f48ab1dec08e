"""`python procrastinate_jobs.py DSN JOBS`: procrastinate's jobs a second, in an environment of its own.

Prints JSON. The first and the last job say when they ran; one worker, one job at a time, as everywhere here.
"""

import asyncio
import json
import sys
import time
from importlib.metadata import version

import procrastinate  # pyright: ignore[reportMissingImports]


async def main(dsn: str, jobs: int) -> None:
    """Write the jobs, then run them."""
    times: list[float] = []
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn))

    async def do_nothing(number: int) -> None:
        pass

    async def write_time() -> None:
        times.append(time.time())

    nothing, mark = app.task(do_nothing, name="nothing"), app.task(write_time, name="mark")
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await mark.defer_async()
        await nothing.batch_defer_async(*({"number": number} for number in range(jobs)))
        await mark.defer_async()
        await app.run_worker_async(concurrency=1, wait=False, install_signal_handlers=False)
    first, last = times
    sys.stdout.write(json.dumps({"seconds": last - first, "version": version("procrastinate")}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

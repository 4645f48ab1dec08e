"""Measuring several logs, one after the other or each in a process of its own."""

import os
import sys
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple, cast

from benchmarks.quality.measurement import measure
from benchmarks.quality.request import Document, Request
from td3core.errors import Td3Error
from td3core.progress import Progress


class Task(NamedTuple):
    """One log to measure."""

    request: Request
    folder: Path
    """Where what is done lies until the end."""


class Reported(NamedTuple):
    """A log is being measured."""

    log: str
    stage: str
    progress: Progress


class Measured(NamedTuple):
    """A log has been measured."""

    log: str
    report: Document


class Failed(NamedTuple):
    """A log could not be measured; the others go on."""

    log: str
    reason: str


Event = Reported | Measured | Failed


def one_by_one(tasks: Iterable[Task]) -> Iterator[Event]:
    """Measure one log after the other in this process."""
    for task in tasks:
        yield from _events(task)


def side_by_side(tasks: Iterable[Task], processes: int) -> Iterator[Event]:
    """Measure as many logs at a time, each in a process of its own, the largest file first."""
    waiting = sorted(tasks, key=lambda task: task.request.log.stat().st_size)
    context = get_context("spawn")  # torch's threads do not survive a fork
    running: dict[Connection, tuple[Task, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                task = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_send_events, args=(task, theirs))
                process.start()
                theirs.close()  # so that its end is seen here
                running[cast("Connection", ours)] = task, process
            for ready in wait(list(running)):
                ready = cast("Connection", ready)
                task, process = running[ready]
                try:
                    event: Event | None = ready.recv()
                except EOFError:
                    event = None
                if isinstance(event, Reported):
                    yield event
                    continue
                process.join()
                ready.close()
                del running[ready]
                yield event or Failed(task.request.name, _last_words(task, process))
    finally:
        for connection, (_, process) in running.items():
            process.terminate()
            process.join()
            connection.close()


def _events(task: Task) -> Iterator[Event]:
    log = task.request.name
    work = measure(task.request, task.folder)
    while True:
        try:
            stage, progress = next(work)
        except StopIteration as finished:
            yield Measured(log, finished.value)
            return
        except Td3Error as error:
            yield Failed(log, str(error))
            return
        yield Reported(log, stage, progress)


def _send_events(task: Task, connection: Connection) -> None:
    """Be the process of a task; what libraries print goes into a file, so that no bar is overwritten."""
    with _output(task).open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    try:
        for event in _events(task):
            connection.send(event)
    except (KeyboardInterrupt, BrokenPipeError):  # whoever started this has gone, and told why
        sys.exit(1)


def _last_words(task: Task, process: BaseProcess) -> str:
    printed = [line for line in _output(task).read_text(errors="replace").splitlines() if line.strip()]
    return f"its process ended with exit code {process.exitcode}" + "".join(
        f": {line}" for line in printed[-1:]
    )


def _output(task: Task) -> Path:
    task.folder.mkdir(parents=True, exist_ok=True)
    return task.folder / "output.txt"

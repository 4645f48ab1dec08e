"""Validating logs in child processes, so that none can take the memory or the time of the API, whatever is in it.

The children are forked from a server process that has loaded the reader and nothing else, which takes milliseconds and
is safe beside the threads of the API. A child ends with its answer. What it reports is data, never pickled.
"""

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import traceback
from dataclasses import asdict
from multiprocessing.connection import Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from td3core.config import DataConfig
from td3core.errors import InvalidLogError, LogProblem, LogTooLargeError
from td3core.interactions import Limits, LogStudy, validate_log

_NICENESS = 5
_LARGEST_REPORT = 1 << 20  # bytes
_END_SECONDS = 5.0
_PROCESSES = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start the server process, so that the first log does not wait for it."""
    from multiprocessing.forkserver import ensure_running

    _PROCESSES.set_forkserver_preload([__name__])
    ensure_running()


def validate_apart(
    path: Path,
    data: DataConfig,
    *,
    name: str | None,
    head_bytes: int | None,
    limits: Limits,
    memory_bytes: int,
    seconds: float,
) -> LogStudy:
    """Do what `validate_log` does in a process of its own.

    Args:
        path: The log.
        data: How it is read.
        name: The client's name for it.
        head_bytes: Read only this much of it.
        limits: Limits on its size.
        memory_bytes: Memory that the process may take.
        seconds: Time after which the process is killed.

    Raises:
        InvalidLogError: What `validate_log` raises.
        LogTooLargeError: Also if the process took too much memory or time.
    """
    ours, theirs = Pipe(duplex=False)
    task = {
        "path": str(path),
        "data": data.model_dump_json(),
        "name": name,
        "head_bytes": head_bytes,
        "limits": asdict(limits),
    }
    with ours:
        with theirs:
            child = _PROCESSES.Process(target=_child, args=(theirs, task, memory_bytes, seconds), daemon=True)
            child.start()
        report = _report_of(child, ours, seconds)
    match report:
        case None:
            raise LogTooLargeError(f"the log takes more than {seconds:g} s to validate")
        case {"failure": failure}:
            raise RuntimeError(f"the reader failed: {failure}")
        case {"study": study}:
            return LogStudy.model_validate(study)
        case {"code": code, "message": message, "problems": problems, "total": total}:
            found = [LogProblem(**problem) for problem in problems]
            raise _error_type(code)(message, found, total)
        case _:
            raise LogTooLargeError(f"the log takes more than {memory_bytes:,} bytes of memory to validate")


def _report_of(child: BaseProcess, pipe: Any, seconds: float) -> dict[str, Any] | None:
    """Wait for what the child reports: None if it takes too long, and nothing in it if it ended without a report."""
    patience = 0.0
    try:
        if not pipe.poll(seconds):
            return None
        patience = _END_SECONDS
        return json.loads(pipe.recv_bytes(_LARGEST_REPORT))
    except (EOFError, OSError, ValueError):  # it was killed, or broke off in the midst of its report
        return {}
    finally:
        child.join(patience)
        if child.is_alive():
            child.kill()
            child.join(_END_SECONDS)
        if not child.is_alive():
            child.close()


def _child(pipe: Any, task: dict[str, Any], memory_bytes: int, seconds: float) -> None:
    """Validate and report. Without memory for a report, the end of the process is the report."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # If the API ends, nobody else would end this process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + _END_SECONDS)
    os.nice(_NICENESS)
    with contextlib.suppress(MemoryError):
        try:
            report = _validated(task)
        except Exception:  # noqa: BLE001  the API raises it, with this traceback
            report = {"failure": traceback.format_exc(limit=-20)}
        pipe.send_bytes(json.dumps(report).encode())


def _validated(task: dict[str, Any]) -> dict[str, Any]:
    try:
        study = validate_log(
            Path(task["path"]),
            DataConfig.model_validate_json(task["data"]),
            name=task["name"],
            head_bytes=task["head_bytes"],
            limits=Limits(**task["limits"]),
        )
    except MemoryError:
        return {}
    except InvalidLogError as error:
        return {
            "code": error.code,
            "message": str(error),
            "problems": [asdict(problem) for problem in error.problems],
            "total": error.total,
        }
    return {"study": study.model_dump(mode="json")}


def _error_type(code: str) -> type[InvalidLogError]:
    return next((kind for kind in InvalidLogError.__subclasses__() if kind.code == code), InvalidLogError)

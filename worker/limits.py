"""Limits of an attempt at a run: its time and its memory, and the errors of a run that exceeds them."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ByteSize

from api.models import RunState
from api.runs.deadline import deadline_error
from api.settings import Settings
from worker.memory import machine_memory


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """When an attempt must have ended, and the error of the run if it has not."""

    at: float
    """Seconds of `time.monotonic`, which all processes of a machine share."""
    error: dict[str, Any]


def time_limit(settings: Settings, *, seconds_to_deadline: float | None) -> TimeLimit:
    """Return the limit of an attempt that begins now: the deadline of the run, or the longest time if that is less."""
    if seconds_to_deadline is not None and seconds_to_deadline < settings.run_seconds:
        return TimeLimit(time.monotonic() + seconds_to_deadline, deadline_error(RunState.RUNNING))
    longest = timedelta(seconds=settings.run_seconds)
    error = {"code": "time_limit_exceeded", "detail": f"The run takes longer than the limit of {longest}."}
    return TimeLimit(time.monotonic() + settings.run_seconds, error)


def memory_limit(settings: Settings) -> int | None:
    """Return the number of bytes that a run may use; None if neither a setting nor the machine tells."""
    if settings.run_memory_bytes is not None:
        return int(settings.run_memory_bytes)
    memory = machine_memory()
    return None if memory is None else int(settings.run_memory_share * memory)


def memory_error(limit: int | None) -> dict[str, Any]:
    """The error of a run that needs more memory than the limit, or than there is."""
    allowed = f"the limit of {ByteSize(limit).human_readable()}" if limit else "its worker has"
    return {"code": "out_of_memory", "detail": f"The run needs more memory than {allowed}."}

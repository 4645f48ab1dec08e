"""What the pool child of a worker tells its main process: which attempt it has begun, and that it has ended.

A pipe that both share after the fork carries one line for each. Lines are shorter than PIPE_BUF and thus stay whole,
and what the next child writes comes after them.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from api.models import RUN_KINDS
from api.runs.claims import Claim
from worker.limits import TimeLimit


@dataclass(frozen=True, slots=True)
class Underway:
    """An attempt that the process `pid` has begun."""

    pid: int
    held: Claim
    limit: TimeLimit


class Announcements:
    """To be made before the fork."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._rest = b""

    def fileno(self) -> int:
        """The descriptor to wait for until there is something to read."""
        return self._reading

    def announce(self, attempt: Underway | None) -> None:
        """Tell that this process has begun an attempt; None: that it has none any more.

        If nobody has read for long, it is not told, and the attempt has its lease alone.
        """
        with suppress(BlockingIOError):
            os.write(self._writing, json.dumps(attempt and _to_json(attempt)).encode() + b"\n")

    def read(self) -> Iterator[Underway | None]:
        """Yield what has been announced since the last call."""
        try:
            self._rest += os.read(self._reading, 1 << 16)
        except BlockingIOError:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            announced = json.loads(line)
            yield announced and _from_json(announced)


def _to_json(attempt: Underway) -> dict[str, object]:
    held = attempt.held
    return {
        "pid": attempt.pid,
        "kind": held.model.kind,
        "run_id": held.run_id,
        "attempt": held.attempt,
        "limit": asdict(attempt.limit),
    }


def _from_json(announced: dict[str, object]) -> Underway:
    match announced:
        case {
            "pid": int(pid),
            "kind": kind,
            "run_id": str(run_id),
            "attempt": int(attempt),
            "limit": dict(limit),
        }:
            (model,) = (model for model in RUN_KINDS if model.kind == kind)
            return Underway(pid, Claim(model, run_id, attempt), TimeLimit(**limit))
        case _:
            raise ValueError(f"no attempt: {announced!r}")

"""Looking after the children of the service: those that end are started again, and their logs stay small."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedded.errors import ChildDiedError, EmbeddedError
from embedded.process import ChildProcess

LONGEST_WAIT = 60.0
STEADY_SECONDS = 60.0
"""Seconds after which a child that was started again counts as well."""


@dataclass
class _Failures:
    """How often a child has ended in short succession, and when it is to be started again."""

    count: int = 0
    ended_at: float = float("-inf")
    due_at: float | None = None


class Supervisor:
    """Looks after children; `mend` is to be called often.

    Args:
        children: The running children by name; those that are started again take their places.
        start: Starts the child of this name.
        tell: Is told in a sentence what happened.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        children: Mapping[str, ChildProcess],
        start: Callable[[str], object],
        *,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = children
        self._start = start
        self._tell = tell
        self._clock = clock
        self._unbounded = False  # whether it was told that logs cannot be rotated
        self._failures = {name: _Failures() for name in children}

    def mend(self) -> None:
        """Note which children have ended, start those again whose time has come, and rotate large logs."""
        for name, child in list(self._children.items()):
            self._bound_log(child)
            failures, now = self._failures.setdefault(name, _Failures()), self._clock()
            if child.exit_code is None:
                continue
            if failures.due_at is None:
                steady = now - failures.ended_at > STEADY_SECONDS
                failures.count = 1 if steady else failures.count + 1
                wait = 0.0 if failures.count == 1 else min(LONGEST_WAIT, 2.0 ** (failures.count - 2))
                failures.ended_at, failures.due_at = now, now + wait
                self._tell(f"{_reason(child)} It is started again{f' in {wait:g} s' if wait else ''}.")
            if now >= failures.due_at:
                failures.due_at = None
                self._start_again(name)

    def _bound_log(self, child: ChildProcess) -> None:
        try:
            child.bound_log()
        except OSError as error:
            if not self._unbounded:
                self._tell(f"The log {child.log} cannot be rotated ({error.strerror}).")
            self._unbounded = True
        else:
            self._unbounded = False

    def _start_again(self, name: str) -> None:
        try:
            self._start(name)
        except (EmbeddedError, OSError) as error:
            self._tell(str(error))


def _reason(child: ChildProcess) -> str:
    try:
        child.check_alive()
    except ChildDiedError as error:
        return f"{error.cause}; its log is {child.log}."
    return f"{child.name} has ended."

"""Collecting the problems of a log."""

from dataclasses import dataclass, field
from typing import overload

from td3core.errors import BadRowsError, LogProblem

_SHOWN = 100


@dataclass(slots=True)
class ProblemReport:
    """The first problems, and how many were found until reading stopped."""

    limit: int
    unit: str = "line"
    """What the numbers of lines count: lines, rows or objects."""
    problems: list[LogProblem] = field(default_factory=list[LogProblem])
    total: int = 0

    def add(self, problems: list[LogProblem], total: int | None = None) -> None:
        """Count the problems of one block; `problems` may hold only the first of `total`."""
        self.total += len(problems) if total is None else total
        in_order = sorted(problems, key=lambda problem: problem.line or 0)
        self.problems += in_order[: self.limit - len(self.problems)]

    @property
    def full(self) -> bool:
        """Whether no more are listed, so that nothing more needs to be read."""
        return len(self.problems) >= self.limit

    @property
    def room(self) -> int:
        """How many more are listed."""
        return self.limit - len(self.problems)

    def raise_if_any(self) -> None:
        """Reject the log if it has problems.

        Raises:
            BadRowsError: There is a problem; the message names the first one.
        """
        if not self.total:
            return
        least = "at least " if self.full else ""
        message = "1 problem in the log" if self.total == 1 else f"{least}{self.total:,} problems in the log"
        for first in self.problems[:1]:
            where = f"{self.unit} {first.line}" + ("" if first.column is None else f", column {first.column}")
            value = "" if not first.value else f" ({first.value!r})"
            message += f", {'' if self.total == 1 else 'the first '}in {where}: {first.reason}{value}"
        raise BadRowsError(message, self.problems, self.total)


@overload
def shown(value: str) -> str: ...
@overload
def shown(value: str | None) -> str | None: ...
def shown(value: str | None) -> str | None:
    """A value for a message: only its beginning if it is long."""
    return value if value is None or len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"

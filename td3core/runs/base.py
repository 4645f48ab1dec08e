"""What a distillation and an evaluation have in common: an iterator of progress that can be left and taken up again."""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch

from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.config import DataConfig
from td3core.data import Sequences, build_sequences
from td3core.errors import InvalidCheckpointError
from td3core.interactions import LogProfile, filter_log, profile_log, read_log
from td3core.progress import Progress, Stage
from td3core.version import VERSION

W = TypeVar("W")


@dataclass(frozen=True)
class RunCheckpoint(Generic[W]):
    """What a checkpoint holds of a run."""

    of: Mapping[str, Any]
    """What has to be the same for one run to go on where another was."""
    elapsed: float
    """Seconds, over all the runs that took part in it."""
    fraction: float
    """How much of the whole was reported done, 0 to 1."""
    seconds: Mapping[Stage, float]
    """What each stage took."""
    work: W | None
    """How far the work itself is; None: not begun."""


class Run(ABC, Generic[W]):
    """Work on a log. Iterate it to its end.

    Between two reports `checkpoint` keeps how far it has come; another run of the same arguments that is told to
    `resume` from there ends as this one would have.
    """

    checkpoint_type: ClassVar[Any]
    """`RunCheckpoint` with the type of the work."""

    def __init__(self, log: Path, *, log_name: str | None, device: torch.device, dtype: torch.dtype) -> None:
        self.log = log
        self.log_name = log_name
        self.device = device
        self.dtype = dtype
        self.seconds: dict[Stage, float] = {}
        """What each stage took, over all the runs that took part in it."""
        self._resumed: W | None = None
        """What there was to resume from, until it is taken up."""
        self._elapsed = 0.0
        self._fraction = 0.0

    @abstractmethod
    def _run(self, started: float) -> Generator[Progress, None, None]:
        """Do the work, which began at `started` on the monotonic clock; take up `_resumed`."""

    @abstractmethod
    def _state(self) -> W | None:
        """Return how far the work is, as `_run` finds it in `_resumed`."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """What the work was told, ready for JSON."""

    def __iter__(self) -> Iterator[Progress]:
        reported = time.monotonic()
        started = reported - self._elapsed
        for progress in self._run(started):
            now = time.monotonic()
            self.seconds[progress.stage] = self.seconds.get(progress.stage, 0.0) + now - reported
            self._elapsed, reported = now - started, now
            self._fraction = max(self._fraction, progress.fraction)
            eta = self._elapsed * (1 - self._fraction) / self._fraction if self._fraction else None
            yield replace(progress, fraction=self._fraction, eta_seconds=eta)

    def checkpoint(self, path: Path) -> None:
        """Keep in a file how far the run has come; between two reports.

        Raises:
            OSError: it cannot be written; what was at `path` before is still there.
        """
        state = RunCheckpoint(
            of=self._identity,
            elapsed=self._elapsed,
            fraction=self._fraction,
            seconds=self.seconds,
            work=self._state(),
        )
        save_checkpoint(state, path)

    def resume(self, path: Path) -> None:
        """Go on, when iterated, from a checkpoint of a run of the same arguments, log, kind of device and code.

        Raises:
            InvalidCheckpointError: it is missing, damaged, or of another run; this one is as it was.
        """
        state: RunCheckpoint[W] = load_checkpoint(path, self.checkpoint_type, device=self.device)
        if state.of != self._identity:
            raise InvalidCheckpointError(f"{path} is of {state.of}, and this run is {self._identity}")
        self._elapsed, self._fraction = state.elapsed, state.fraction
        self.seconds, self._resumed = dict(state.seconds), state.work

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What has to be the same for one run to go on where another was."""
        return {
            "code_version": VERSION,
            "device": self.device.type,
            "dtype": str(self.dtype),
            "log": self._log_sha256,
            **self._arguments(),
        }

    @cached_property
    def _log_sha256(self) -> str:
        return sha256_of(self.log)

    def _read(self, config: DataConfig) -> tuple[LogProfile, LogProfile, Sequences]:
        """Return the profile of the log as given, the profile of what is kept, and the sequences."""
        given = read_log(self.log, config, name=self.log_name)
        kept = filter_log(given, config)
        return profile_log(given), profile_log(kept), build_sequences(kept)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

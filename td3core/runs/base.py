"""Runs that can be resumed: iterators of progress with checkpoints, which distillations and evaluations share."""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from pydantic import BaseModel

from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.config import DataConfig
from td3core.data import Sequences, build_sequences
from td3core.errors import InvalidCheckpointError, UnsupportedFormatError
from td3core.formats import Format
from td3core.interactions import Limits, LogStudy, prepare_log
from td3core.progress import Progress, Stage

W = TypeVar("W")


@dataclass(frozen=True)
class RunCheckpoint(Generic[W]):
    """What a checkpoint holds of a run."""

    of: Mapping[str, Any]
    """What must be equal for one run to resume from the checkpoint of another."""
    elapsed: float
    """Seconds so far, including those of the runs that it was resumed from."""
    fraction: float
    """Reported progress of the whole run, from 0 to 1."""
    seconds: Mapping[Stage, float]
    """Seconds of each stage."""
    work: W | None
    """State of the computation; None if it has not begun."""


class ResumableRun(ABC, Generic[W]):
    """A computation on a log, which is executed by iterating over it.

    Between two reports, `checkpoint` writes its state to a file. Another run with the same arguments that resumes from
    this file ends with the same result, to the byte if it is of the same version.
    """

    checkpoint_type: ClassVar[Any]
    """`RunCheckpoint` with the type of the state."""
    spec_format: ClassVar[Format]

    def __init__(
        self,
        log: Path,
        spec: BaseModel,
        *,
        log_name: str | None,
        limits: Limits | None = None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.log = log
        self.spec = spec
        self.log_name = log_name
        self.limits = limits
        self.device = device
        self.dtype = dtype
        self.seconds: dict[Stage, float] = {}
        """Seconds of each stage, including those of the runs that it was resumed from."""
        self._resumed: W | None = None
        """The state to resume from, until it is used."""
        self._elapsed = 0.0
        self._fraction = 0.0

    @abstractmethod
    def _run(self, started: float) -> Generator[Progress, None, None]:
        """Execute the run, which began at `started` on the monotonic clock, from `_resumed` if that is set."""

    @abstractmethod
    def _state(self) -> W | None:
        """Return the state of the computation, in the form in which `_run` uses `_resumed`."""

    @abstractmethod
    def _read_spec(self, stored: Mapping[str, Any], *, version: int) -> BaseModel:
        """Return the spec of a checkpoint, which was stored in the format `version`.

        Raises:
            UnsupportedFormatError: This version cannot read it, or it is of another kind of run.
        """

    def _inputs(self) -> dict[str, Any]:
        """Return what a run depends on besides its log and its spec, ready for JSON."""
        return {}

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
        """Write the state of the run to a file; call it between two reports.

        Raises:
            OSError: The file cannot be written; what was at `path` before is still there.
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
        """Resume, when iterated, from a checkpoint of a run with the same arguments, log and device type.

        In the version that wrote it the run ends with the bytes of one that was never interrupted; in a later version
        its last digits may differ.

        Raises:
            InvalidCheckpointError: The file is missing, damaged, or of another run; this run is unchanged.
        """
        state: RunCheckpoint[W] = load_checkpoint(path, self.checkpoint_type, device=self.device)
        try:
            spec = self._read_spec(state.of["spec"], version=state.of["spec_format"])
        except UnsupportedFormatError as error:
            raise InvalidCheckpointError(f"{path} cannot be used: {error}") from error
        if different := _differences(self._identity, {**state.of, **_described(spec, self.spec_format)}):
            raise InvalidCheckpointError(f"{path} belongs to another run: {'; '.join(different)}")
        self._elapsed, self._fraction = state.elapsed, state.fraction
        self.seconds, self._resumed = dict(state.seconds), state.work

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What must be equal for one run to resume from the checkpoint of another."""
        return {
            "device": self.device.type,
            "dtype": str(self.dtype),
            "log": self._log_sha256,
            **_described(self.spec, self.spec_format),
            **self._inputs(),
        }

    @cached_property
    def _log_sha256(self) -> str:
        return sha256_of(self.log)

    def _read(self, config: DataConfig) -> tuple[LogStudy, Sequences]:
        """Read and filter the log; return what is known of it, and the sequences."""
        log, study = prepare_log(self.log, config, name=self.log_name, limits=self.limits)
        return study, build_sequences(log)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _described(spec: BaseModel, stored_as: Format) -> dict[str, Any]:
    return {"spec": spec.model_dump(mode="json"), "spec_format": stored_as.current}


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any], where: str = "") -> list[str]:
    """Name each field that is not the same, with both values."""
    different: list[str] = []
    for name in sorted({*expected, *found}):
        ours, theirs = expected.get(name), found.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            different += _differences(ours, theirs, f"{where}{name}.")
        elif ours != theirs:
            different.append(f"{where}{name}: expected {ours!r}, got {theirs!r}")
    return different

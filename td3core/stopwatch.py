"""Seconds of training, and how good a training was after them."""

import time
from typing import NamedTuple

import torch


class Stopwatch:
    """Adds up the seconds between each start and stop; a GPU finishes what it was given first."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = 0.0
        self._device = device
        self._started = 0.0

    def start(self) -> None:
        """Let it run."""
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Add what went by since the start."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.seconds += time.perf_counter() - self._started


class CurvePoint(NamedTuple):
    """How good a training was after so many seconds, validations not counted."""

    seconds: float
    score: float

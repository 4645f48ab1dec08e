"""Measuring the seconds of a training, and the score after them."""

import time
from typing import NamedTuple

import torch


class Stopwatch:
    """Adds up the seconds between start and stop, after waiting for the GPU to finish its work."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = 0.0
        self._device = device
        self._started = 0.0

    def start(self) -> None:
        """Start measuring."""
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Add the seconds since the start."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.seconds += time.perf_counter() - self._started


class CurvePoint(NamedTuple):
    """Score of a training after some seconds, not counting validations."""

    seconds: float
    score: float

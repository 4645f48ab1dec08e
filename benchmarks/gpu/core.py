"""What the device is compared with: one thread of the CPU of the same machine, at the same time."""

import torch

from benchmarks.gpu import step, whole
from benchmarks.gpu.clock import described
from benchmarks.gpu.report import Asked, Report
from worker.device import prepare_device


def measure(report: Report, asked: Asked) -> None:
    """Take steps, then distil what is small enough to come to its end."""
    cpu = prepare_device("cpu", threads=1)
    report.measure("machine", lambda: described(cpu))
    step.measure_on(cpu, report, asked)
    report.measure("fifth", lambda: whole.distil_fifth(cpu, asked))


def measure_whole(report: Report, asked: Asked) -> None:
    """Distil a log of Beauty's size, as far as the time allows."""
    torch.set_num_threads(1)
    report.measure("beauty", lambda: whole.distil_beauty(torch.device("cpu"), asked))

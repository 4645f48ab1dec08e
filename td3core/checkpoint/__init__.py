"""Checkpoints: what a run has come to, as a file from which it goes on as if it had never stopped.

Whatever lives across the steps of a run has a `state()`, which returns one typed value: a frozen dataclass whose fields
are all that has to be kept. Its `restore(state)` makes a freshly built loop what the other was. `save_checkpoint` and
`load_checkpoint` write and read such values; a file of an earlier format is upgraded on the way (see `upgrades`).
"""

from td3core.checkpoint.file import load_checkpoint, save_checkpoint
from td3core.checkpoint.live import OptimizerTensors, optimizer_tensors, restore_generator, restore_optimizer

__all__ = [
    "OptimizerTensors",
    "load_checkpoint",
    "optimizer_tensors",
    "restore_generator",
    "restore_optimizer",
    "save_checkpoint",
]

"""The state of objects of PyTorch that change as they are used."""

import torch
from torch import Tensor

OptimizerTensors = dict[str, dict[str, Tensor]]
"""Number of the parameter -> name -> tensor."""


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> OptimizerTensors:
    """Return the moments; the learning rates follow from the step."""
    return {str(index): moments for index, moments in optimizer.state_dict()["state"].items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: OptimizerTensors) -> None:
    """Give the moments to an optimizer of the same parameters.

    The count of its steps goes to the CPU, as it is in a fresh one. Those that have it on the GPU, such as fused ones,
    take it there; the others would wait for the GPU at each step to read it.
    """
    moments = {
        int(index): {name: part.cpu() if name == "step" else part for name, part in moments.items()}
        for index, moments in tensors.items()
    }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Let the generator go on from what `get_state` gave, which is on the CPU whatever the generator's device."""
    generator.set_state(state.cpu())

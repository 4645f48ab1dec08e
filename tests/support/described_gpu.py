"""A GPU that is not there: its tensors have shape, dtype and device, but no values.

An operation on tensors of two devices fails there as on a real one, and what would wait for a real one, since it asks
for a value or for a shape that depends on values, fails as well. So code that runs there keeps its tensors on the
device and hands it all of its work without waiting, of which no machine with a CPU alone says anything otherwise.

It takes a process of its own: autograd counts the devices when it first works out a derivative, and knows none after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import backend_registration

T = TypeVar("T")


@cache
def _device() -> torch.device:
    """Register it, once a process: torch has room for one device that it does not know itself."""
    backend_registration._setup_privateuseone_for_python_backend("described")
    cast("Any", torch).described.get_amp_supported_dtype = lambda: [torch.bfloat16]
    return torch.device("described")


@contextmanager
def described_gpu() -> Iterator["Described"]:
    device = _device()
    with FakeTensorMode(allow_non_fake_inputs=False) as mode:
        yield Described(mode, device)


class Described:
    def __init__(self, mode: FakeTensorMode, device: torch.device) -> None:
        self._mode = mode
        self.device = device

    def of(self, value: T) -> T:
        """Return the same with its tensors there; tuples may be nested."""
        return cast("T", self._of(value))

    def _of(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            moved = self._mode.from_tensor(value).detach().to(self.device)
            return moved.requires_grad_(value.requires_grad)
        if isinstance(value, tuple):
            parts = [self._of(part) for part in cast("tuple[Any, ...]", value)]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        return [self._of(part) for part in cast("list[Any]", value)] if isinstance(value, list) else value

"""Checkpoints: what a run has come to, as a file from which it goes on as if it had never stopped.

A state is a tree of dictionaries and lists with tensors and JSON values as leaves. Whatever lives across the steps of a
run has a `state()`, and a `restore(state)` that makes a freshly built one what the other was. The file is a safetensors
file that holds the tensors and, as JSON, the rest, and behind it the SHA-256 of all that: nothing is ever unpickled.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from td3core.errors import InvalidCheckpointError

State = dict[str, Any]

_FORMAT = "td3-checkpoint 2"  # to be changed whenever a state's layout is
_TENSOR = "$tensor"
_DIGEST = 64  # hexadecimal digits


def save_checkpoint(state: State, path: Path) -> None:
    """Write the state so that the file is there whole or not at all, and lasts.

    Raises:
        OSError: it cannot be written; what was at `path` before is still there.
    """
    tensors: dict[str, Tensor] = {}
    tree = _without_tensors(state, "", tensors)
    partial = path.with_name(f"{path.name}.partial")
    try:
        _write_tensors(tensors, {"format": _FORMAT, "state": json.dumps(tree)}, partial)
        with partial.open("r+b") as file:
            file.write(hashlib.file_digest(file, "sha256").hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_tensors(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    try:
        safetensors.torch.save_file(tensors, path, metadata)
    except SafetensorError as error:  # what the system said is only in its text
        raise OSError(f"{path} cannot be written: {error}") from error


def load_checkpoint(path: Path, *, device: torch.device) -> State:
    """Read what `save_checkpoint` wrote, its tensors on `device`.

    Raises:
        InvalidCheckpointError: the file is missing, damaged, or of another version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidCheckpointError(f"{path} cannot be read: {error}") from error
    data, digest = content[:-_DIGEST], content[-_DIGEST:]
    found = hashlib.sha256(data).hexdigest()
    if found.encode() != digest:
        raise InvalidCheckpointError(f"{path} is damaged: its SHA-256 is {found}, it says {digest!r}")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # as safetensors lays it out
    metadata = header["__metadata__"]
    if metadata["format"] != _FORMAT:
        raise InvalidCheckpointError(f"{path} is a {metadata['format']}; this version reads {_FORMAT}")
    # Copied, for a tensor's alignment in memory can show in the last digits of what is computed with it.
    tensors = {name: tensor.clone().to(device) for name, tensor in safetensors.torch.load(data).items()}
    return cast("State", _with_tensors(json.loads(metadata["state"]), tensors))


def optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """Return the moments; the learning rates follow from the step."""
    return {str(index): moments for index, moments in optimizer.state_dict()["state"].items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Give these to an optimizer of the same parameters."""
    moments = {int(index): moments for index, moments in state.items()}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Let the generator go on from what `get_state` gave; that is on the CPU whatever its device."""
    generator.set_state(state.cpu())


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return the tree as JSON takes it; its tensors go into `tensors` under their paths."""
    match value:
        case Tensor():
            tensors[path] = value.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: path}
        case dict():
            parts = cast("State", value)
            return {key: _without_tensors(part, f"{path}/{key}", tensors) for key, part in parts.items()}
        case list() | tuple():
            parts = cast("list[Any]", value)
            return [_without_tensors(part, f"{path}/{index}", tensors) for index, part in enumerate(parts)]
        case _:
            return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    match value:
        case {"$tensor": path}:
            return tensors[path]
        case dict():
            return {key: _with_tensors(part, tensors) for key, part in cast("State", value).items()}
        case list():
            return [_with_tensors(part, tensors) for part in cast("list[Any]", value)]
        case _:
            return value

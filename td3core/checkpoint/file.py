"""A checkpoint's file.

It is a safetensors file that holds the tensors of a state and, as JSON, the rest, and behind it the SHA-256 of all
that: nothing is ever unpickled.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypeVar, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from td3core.checkpoint.upgrades import CHECKPOINT
from td3core.checkpoint.values import Tree, TreeError, from_tree, to_tree
from td3core.errors import InvalidCheckpointError, UnsupportedFormatError
from td3core.formats import Document

S = TypeVar("S")

_FORMAT = "td3-checkpoint"  # and its number
_TENSOR = "$tensor"
_DIGEST = 64  # hexadecimal digits


def save_checkpoint(state: Any, path: Path) -> None:
    """Write a dataclass of tensors, JSON values and further dataclasses.

    The file is there whole or not at all, and lasts.

    Raises:
        OSError: it cannot be written; what was at `path` before is still there.
    """
    tensors: dict[str, Tensor] = {}
    tree = _without_tensors(to_tree(state), "", tensors)
    partial = path.with_name(f"{path.name}.partial")
    try:
        _write_tensors(
            tensors, {"format": f"{_FORMAT} {CHECKPOINT.current}", "state": json.dumps(tree)}, partial
        )
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


def load_checkpoint(path: Path, kind: type[S], *, device: torch.device) -> S:
    """Read the state of type `kind` that `save_checkpoint` wrote, its tensors on `device`.

    Raises:
        InvalidCheckpointError: the file is missing, damaged, of a format that this version does not read, or holds
            another state.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidCheckpointError(f"{path} cannot be read: {error}") from error
    data, digest = content[:-_DIGEST], content[-_DIGEST:]
    found = hashlib.sha256(data).hexdigest()
    if found.encode() != digest:
        raise InvalidCheckpointError(f"{path} is damaged: its SHA-256 is {found}, it says {digest!r}")
    try:
        metadata = _metadata(data)
        name, _, version = metadata["format"].partition(" ")
        if name != _FORMAT or not version.isdecimal():
            raise TreeError(f"it is a {metadata['format'][:100]!r}, not a {_FORMAT}")
        tree = _upgraded(json.loads(metadata["state"]), int(version))
        # Copied, for a tensor's alignment in memory can show in the last digits of what is computed with it.
        tensors = {name: tensor.clone().to(device) for name, tensor in safetensors.torch.load(data).items()}
        return cast("S", from_tree(kind, _with_tensors(tree, tensors)))
    except (
        UnsupportedFormatError,
        SafetensorError,
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
    ) as error:
        raise InvalidCheckpointError(f"{path} cannot be used: {error}") from error


def _metadata(data: bytes) -> dict[str, str]:
    """Return the metadata in the header, as safetensors lays it out; raise ValueError where there is none."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    match metadata:
        case {"format": str(), "state": str()}:
            return cast("dict[str, str]", metadata)
        case _:
            raise TreeError("it has neither a format nor a state")


def _upgraded(state: Document, version: int) -> Document:
    """Raise TreeError where the state is none of its format."""
    try:
        return CHECKPOINT.upgrade(state, version=version)
    except (AttributeError, KeyError, TypeError) as error:
        raise TreeError(f"its state is none of format {version}: {error!r}") from error


def _without_tensors(tree: Tree, path: str, tensors: dict[str, Tensor]) -> Tree:
    """Return the tree as JSON takes it; its tensors go into `tensors` under their paths."""
    match tree:
        case Tensor():
            tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: path}
        case dict():
            parts = cast("dict[str, Tree]", tree)
            return {key: _without_tensors(part, f"{path}/{key}", tensors) for key, part in parts.items()}
        case list():
            parts = cast("list[Tree]", tree)
            return [_without_tensors(part, f"{path}/{index}", tensors) for index, part in enumerate(parts)]
        case _:
            return tree


def _with_tensors(tree: Tree, tensors: dict[str, Tensor]) -> Tree:
    match tree:
        case {"$tensor": path}:
            return tensors[path]
        case dict():
            return {key: _with_tensors(part, tensors) for key, part in cast("dict[str, Tree]", tree).items()}
        case list():
            return [_with_tensors(part, tensors) for part in cast("list[Tree]", tree)]
        case _:
            return tree

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.errors import InvalidCheckpointError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class State:
    step: int
    weights: Tensor


@dataclass(frozen=True)
class OtherState:
    step: int


def test_a_state_is_the_same_again(tmp_path: Path) -> None:
    save_checkpoint(State(3, torch.arange(4.0).view(2, 2).T), tmp_path / "checkpoint")
    loaded = load_checkpoint(tmp_path / "checkpoint", State, device=CPU)
    assert loaded.step == 3
    assert loaded.weights.tolist() == [[0.0, 2.0], [1.0, 3.0]]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_another_state_is_refused(tmp_path: Path) -> None:
    save_checkpoint(State(3, torch.ones(1)), tmp_path / "checkpoint")
    with pytest.raises(InvalidCheckpointError, match=r"\['step', 'weights'\], not OtherState"):
        load_checkpoint(tmp_path / "checkpoint", OtherState, device=CPU)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (b"td3-checkpoint 1", "format 1, which an earlier version wrote; expected format 2 to 4"),
        (b"td3-checkpoint 9", "format 9, which a later version wrote; expected format 2 to 4"),
        (b"td3-chocolates 4", "it is a 'td3-chocolates 4', not a td3-checkpoint"),
        (b"td3-checkpoint 2", "its state is none of format 2: KeyError"),
    ],
    ids=["old", "new", "other", "mislabelled"],
)
def test_other_formats_are_refused(label: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    save_checkpoint(State(3, torch.ones(1)), path)
    content = path.read_bytes()[:-64].replace(b"td3-checkpoint 4", label)
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    with pytest.raises(InvalidCheckpointError, match=message):
        load_checkpoint(path, State, device=CPU)


def signed(header: bytes, data: bytes = b"") -> bytes:
    """A checkpoint whose digest is right, as whoever can write into the storage can make one."""
    content = len(header).to_bytes(8, "little") + header + data
    return content + hashlib.sha256(content).hexdigest().encode()


def with_state(state: str) -> bytes:
    return json.dumps({"__metadata__": {"format": "td3-checkpoint 4", "state": state}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        signed(b""),
        signed(b"\xff"),
        signed(b"[]"),
        signed(b"{}"),
        signed(b'{"__metadata__": []}'),
        signed(b'{"__metadata__": {"format": 4, "state": null}}'),
        signed(b"[" * 100_000),
        signed(with_state("{")),
        signed(with_state("[" * 100_000)),
        signed(with_state('{"step": 3}')),
        signed(with_state('{"step": 3, "weights": {"$tensor": "nowhere"}}')),
        signed(with_state('{"step": 3, "weights": {"$tensor": ["a"]}}')),
        signed(with_state('{"step": "3", "weights": 4}')),
        signed(
            b'{"__metadata__": {"format": "td3-checkpoint 4", "state": "{}"}, '
            b'"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4]}}',
            b"1234",
        ),
        (1 << 62).to_bytes(8, "little")
        + hashlib.sha256((1 << 62).to_bytes(8, "little")).hexdigest().encode(),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(InvalidCheckpointError):
        load_checkpoint(tmp_path / "checkpoint", State, device=CPU)

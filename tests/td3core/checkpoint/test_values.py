from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import pytest
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel
from torch import Tensor

from td3core.checkpoint.values import TreeError, from_tree, to_tree

P = TypeVar("P")


class Point(NamedTuple):
    seconds: float
    score: float


@dataclass(frozen=True)
class Weights:
    parameters: Float[Tensor, " parameters"]
    ages: Int[Tensor, " learners"]


@dataclass(frozen=True)
class Course:
    step: int
    curve: tuple[Point, ...] = ()
    stopped: Literal["recovery", "seconds"] | None = None


@dataclass(frozen=True)
class State(Generic[P]):
    course: Course
    weights: Weights | None
    moments: dict[str, dict[str, Tensor]]
    generator: Mapping[str, Any]
    part: P | None
    trajectory: list[Tensor]


def state(part: Any) -> State[Any]:
    return State(
        course=Course(3, (Point(0.5, 0.1), Point(1, 0.2)), "seconds"),
        weights=Weights(torch.ones(2), torch.tensor([3])),
        moments={"0": {"first": torch.zeros(2)}},
        generator={"state": {"inc": 2**100}, "buffer": [1, 2]},
        part=part,
        trajectory=[torch.ones(1), torch.zeros(1)],
    )


class Said(BaseModel):
    text: str
    reason: Literal["a", "b"] = "a"


@pytest.mark.parametrize("part", [None, Course(1), Point(0.0, 1.0), Said(text="x", reason="b")], ids=str)
def test_a_value_is_the_same_again(part: Any) -> None:
    there = state(part)
    tree = to_tree(there)
    back = from_tree(State[Course | Point | Said], tree)
    assert isinstance(back, State)
    assert isinstance(back.weights, Weights)
    assert (back.course, back.generator, back.part) == (there.course, there.generator, part)
    assert type(back.part) is type(part)
    assert back.course.curve[1].score == 0.2
    assert back.moments["0"]["first"] is there.moments["0"]["first"]
    assert [tensor.item() for tensor in back.trajectory] == [1.0, 0.0]


def test_a_tree_holds_nothing_but_objects_lists_and_values() -> None:
    tree = to_tree(state(Point(0.0, 1.0)))
    assert tree["course"]["curve"] == [{"seconds": 0.5, "score": 0.1}, {"seconds": 1, "score": 0.2}]
    assert tree["part"] == {"seconds": 0.0, "score": 1.0}
    assert type(tree["trajectory"]) is list


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"course": {"step": "3", "curve": [], "stopped": None}}, r"/course/step is '3', not int"),
        ({"course": {"step": 3, "curve": [], "stopped": "bored"}}, r"/course/stopped is 'bored', not "),
        (
            {"course": {"step": 3, "curve": [[1, 2]], "stopped": None}},
            r"/course/curve/0 is \[1, 2\], not Point",
        ),
        ({"course": {"step": 3}}, r"/course is an object with the fields \['step'\], not Course"),
        ({"weights": {"parameters": torch.ones(1), "ages": 3}}, r"/weights/ages is 3, not Int"),
        ({"weights": 4}, r"/weights is 4, not Weights with the fields \['ages', 'parameters'\] or NoneType"),
        ({"part": {"text": "x"}}, r"/part is an object with the fields \['text'\], not Said or NoneType"),
        ({"moments": [1]}, r"/moments is \[1\], not dict"),
        ({"trajectory": {"0": 1}}, r"/trajectory is an object with the fields \['0'\], not list"),
        ({"more": 1}, r"it is an object with the fields \[.*'more'.*\], not State"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    tree = to_tree(state(None))
    with pytest.raises(TreeError, match=message):
        from_tree(State[Said], tree | change)

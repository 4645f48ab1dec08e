"""What is wrong with a spec is said in our words, about the field where it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from td3core.config import EvaluationSpec, JobSpec, SamplingConfig, StudentConfig
from td3core.config.faults import ABSENT, Fault, faults

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    10**30,
    1e300,
    float("inf"),
    "",
    "nonsense",
    "9" * 2000,
    [],
    [[]],
    {},
)
"""No field takes all of them."""


def told(model: type[BaseModel], document: Any) -> list[Fault]:
    try:
        model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        return list(faults(error.errors(), model))
    return []


def paths(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*at, name)
        if isinstance(field.default, BaseModel):
            yield from paths(type(field.default), (*at, name))


@pytest.mark.parametrize("model", [JobSpec, EvaluationSpec, SamplingConfig, StudentConfig])
def test_no_fault_is_said_in_the_words_of_pydantic(model: type[BaseModel]) -> None:
    for path in paths(model):
        found: list[Fault] = []
        for value in (*WRONG, *([value] for value in WRONG)):
            document: Any = value
            for name in reversed(path):
                document = {name: document}
            found += told(model, document)
        assert found, f"{path} takes everything"
        for fault in found:
            assert fault.field.startswith(".".join(path)), f"{path}: {fault}"
            for word in ("Input", "should", "a valid", "Tuple", "Extra", "permitted"):
                assert word not in f"{fault.expected} {fault.reason}", f"{path}: {fault}"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"seeds": "3"}, Fault(("seeds",), "3", expected="an integer")),
        ({"seeds": 51}, Fault(("seeds",), 51, expected="at most 50")),
        ({"cutoffs": []}, Fault(("cutoffs",), [], expected="a list of at least 1")),
        ({"cutoffs": 10}, Fault(("cutoffs",), 10, expected="a list")),
        ({"cutoffs": [0]}, Fault(("cutoffs", 0), 0, expected="at least 1")),
        ({"split": "train"}, Fault(("split",), "train", expected="'test' or 'valid'")),
        ({"trend": 1}, Fault(("trend",), 1, expected="an object")),
        (
            {"worth": True, "sources": ["full", "random"]},
            Fault(
                ("worth",),
                True,
                reason="needs one of the sources summary, summary_untaught, summary_own_embedding",
            ),
        ),
        (
            {"sources": ["own_full"]},
            Fault(("sources", 0), "own_full", expected="'full_own_embedding', the new name of this source"),
        ),
        (
            {"trend": {"layer": 1}},
            Fault(
                ("trend", "layer"),
                1,
                expected="one of the fields learners, layers, inner_sizes, embedding_sizes, seeds; "
                "did you mean layers?",
            ),
        ),
        ([1], Fault((), [1], expected="an object")),
    ],
    ids=str,
)
def test_a_wrong_field_has_one_fault(document: Any, expected: Fault) -> None:
    assert told(EvaluationSpec, document) == [expected]


def test_fields_against_each_other_are_named_with_the_value_and_the_reason() -> None:
    (fault,) = told(JobSpec, {"summary": {"users": 8, "rank_users": 9}})
    assert fault == Fault(("summary", "rank_users"), 9, reason="is too large: at most users = 8 is allowed")
    assert str(fault) == "summary.rank_users 9 is too large: at most users = 8 is allowed"
    (fault,) = told(JobSpec, {"summary": {"length": 60}})
    assert fault.field == "summary.length"


def test_what_is_no_json_and_what_is_missing() -> None:
    class Needy(BaseModel):
        needed: int

    assert told(Needy, {}) == [Fault(("needed",), ABSENT, expected="a value")]
    with pytest.raises(ValidationError) as refused:
        JobSpec.model_validate_json("{")
    (fault,) = faults(refused.value.errors(), JobSpec)
    assert (fault.field, fault.expected, fault.got) == ("", "JSON", ABSENT)
    assert str(fault).startswith("not valid JSON: ")


def test_a_long_value_is_shortened() -> None:
    (fault,) = told(JobSpec, {"seed": "x" * 1000})
    assert len(str(fault)) < 200

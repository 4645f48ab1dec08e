"""The table of sources agrees with itself and with the types that are written out."""

from typing import get_args

import pytest
from pydantic import ValidationError

from td3core.config import SOURCE_BY_NAME, SOURCES, EvaluationSource, EvaluationSpec, LearnerConfig, Source
from td3core.config.sources import Role, TrainsOn

DISTILLED = LearnerConfig()
SAME_KIND = DISTILLED.model_copy(update={"layers": 2})
OTHER_KIND = DISTILLED.model_copy(update={"kind": "gru4rec"})
OTHER_WIDTH = DISTILLED.of_width(2 * DISTILLED.embedding_size)


def test_the_table_has_every_source_once_in_the_order_of_the_type() -> None:
    assert tuple(source.name for source in SOURCES) == get_args(EvaluationSource)


def test_every_material_is_used() -> None:
    assert {source.trains_on for source in SOURCES} == set(get_args(TrainsOn))


def test_what_a_source_is_set_against_has_the_role_that_is_said() -> None:
    for source in SOURCES:
        assert source.ceiling is None or source.role == "summary"
        against: tuple[tuple[Role, EvaluationSource | None], ...] = (
            ("ceiling", source.ceiling),
            ("floor", source.floor),
        )
        for role, name in against:
            if name is not None:
                assert SOURCE_BY_NAME[name].role == role
                assert SOURCE_BY_NAME[name].own_embedding == source.own_embedding


def test_a_stopped_source_is_another_one_stopped_earlier() -> None:
    stopped = [source for source in SOURCES if source.stopped]
    assert stopped
    for source in stopped:
        (whole,) = (
            other
            for other in SOURCES
            if other.trains_on == source.trains_on and not other.stopped and not other.labelled
        )
        assert whole.role == source.role


def test_an_evaluation_has_what_its_figures_need_and_nothing_that_takes_as_long_as_the_job() -> None:
    assert set(EvaluationSpec().sources) == {
        "full",
        "summary",
        "summary_long",
        "floor",
        "coreset",
        "coreset_stopped",
        "random",
        "random_stopped",
        "longest",
        "random_labelled",
        "random_labelled_long",
        "sampled_labelled",
        "sampled_labelled_long",
        "tokens_labelled",
        "tokens_labelled_long",
        "teacher",
        "popularity",
    }


def test_all_are_every_source() -> None:
    asked = EvaluationSpec.model_validate({"sources": "all"})
    assert asked.sources == tuple(source.name for source in SOURCES)
    with pytest.raises(ValidationError):
        EvaluationSpec.model_validate({"sources": "most"})
    shape = EvaluationSpec.model_json_schema()["properties"]["sources"]
    assert {"const": "all", "type": "string"} in shape["anyOf"]


def test_labelled_rivals_differ_by_material_budget_and_training() -> None:
    labelled = [source for source in SOURCES if source.labelled]
    assert len({(row.trains_on, row.budget, row.steps, row.own_embedding) for row in labelled}) == 3 * 2 * 3
    assert all(source.role == "rival" and source.needs_teacher for source in labelled)
    assert {source.budget for source in labelled if source.in_evaluations} == {"rows"}


@pytest.mark.parametrize(
    ("name", "students"),
    [
        ("summary", [OTHER_KIND, OTHER_WIDTH]),
        ("summary_untaught", []),
        ("summary_long", []),
        ("summary_own_embedding", [DISTILLED, SAME_KIND, OTHER_KIND, OTHER_WIDTH]),
        ("random", []),
        ("random_labelled", []),
        ("tokens_labelled_bytes_own_embedding", [DISTILLED, SAME_KIND, OTHER_KIND, OTHER_WIDTH]),
    ],
)
def test_students(name: EvaluationSource, students: list[LearnerConfig]) -> None:
    source = SOURCE_BY_NAME[name]
    learners = [DISTILLED, SAME_KIND, OTHER_KIND, OTHER_WIDTH]
    assert [learner for learner in learners if source.teaches(learner, distilled=DISTILLED)] == students
    dearer = [
        learner for learner in learners if source.training_cost(learner, distilled=DISTILLED) > source.cost
    ]
    assert dearer == students


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_requests_are_told_what_each_source_is(source: Source) -> None:
    told = EvaluationSpec.model_json_schema()["properties"]["sources"]["description"]
    assert f"`{source.name}`: {source.description}" in told


@pytest.mark.parametrize(
    ("former", "name"), [("own_full", "full_own_embedding"), ("own_soft", "summary_own_embedding")]
)
def test_a_former_name_is_refused_with_the_new_one(former: str, name: str) -> None:
    with pytest.raises(
        ValidationError, match=f"expected '{name}', the new name of this source \\(got '{former}'\\)"
    ):
        EvaluationSpec.model_validate({"sources": ["summary", former]})

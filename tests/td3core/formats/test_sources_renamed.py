"""Evaluations of 0.1.0 named two sources otherwise."""

import json
from typing import Any

from td3core.formats import EVALUATION_RESULT, EVALUATION_SPEC, read_evaluation_spec

OLD = ("full", "own_full", "own_soft", "random_stopped")
NEW = ("full", "full_own_embedding", "summary_own_embedding", "random_stopped")


def test_specs_of_the_first_format_run_under_the_new_names() -> None:
    stored: dict[str, Any] = {"sources": list(OLD), "seeds": 2}
    before = json.dumps(stored)
    assert read_evaluation_spec(stored, version=1).sources == NEW
    assert read_evaluation_spec({"seeds": 2}, version=1).seeds == 2
    assert json.dumps(stored) == before
    assert EVALUATION_SPEC.upgrade({"sources": list(NEW)}, version=2) == {"sources": list(NEW)}


def test_results_of_the_first_format_have_the_new_names_in_the_same_order() -> None:
    figures = {source: {"ndcg@10": {"mean": number}} for number, source in enumerate(OLD)}
    stored: dict[str, Any] = {
        "results": {"sasrec": figures},
        "seconds": {"sasrec": dict.fromkeys(OLD, 1.0)},
        "diverged": {"sasrec": ["own_soft", "random"]},
        "recovery": {"sasrec": {"ndcg@10": {"recovery": 0.9}}},
        "of_the_future": 1,
    }
    found = EVALUATION_RESULT.upgrade(stored, version=1)
    assert list(found["results"]["sasrec"]) == list(found["seconds"]["sasrec"]) == list(NEW)
    assert found["results"]["sasrec"]["summary_own_embedding"] == figures["own_soft"]
    assert found["diverged"] == {"sasrec": ["summary_own_embedding", "random"]}
    assert (found["recovery"], found["of_the_future"]) == (stored["recovery"], 1)
    assert found["format"] == EVALUATION_RESULT.current
    assert "own_soft" in stored["results"]["sasrec"]


def test_results_without_some_parts_are_upgraded_too() -> None:
    assert EVALUATION_RESULT.upgrade({"results": {}, "diverged": None}, version=1)["format"] == 3


def test_intervals_of_earlier_results_are_over_seeds_alone() -> None:
    for version in (1, 2):
        assert EVALUATION_RESULT.upgrade({"results": {}}, version=version)["intervals"] == "seeds"

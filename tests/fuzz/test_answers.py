"""Whatever a server answers, the client understands it or says that it does not, and shows nothing but text."""

import json
import unicodedata
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from td3client import UnexpectedAnswerError
from td3client.answers import parse
from td3client.certificate import certificate
from td3client.display import evaluation_line, event_line, job_line
from td3client.resources import Evaluation, Event, Job
from td3client.text import plain, plain_json, plain_line
from tests.support.fuzzing import JSON, changed_json, fuzzed, mutated

RUN: dict[str, Any] = {
    "id": "job_1", "state": "running", "stage": "distilling", "progress": 0.5, "step": 7, "steps": 14,
    "losses": {"outer": 0.25}, "scores": {"ndcg@10": 0.2}, "eta_seconds": 65.2, "error": None, "attempt": 1,
    "summary": None, "dataset": {"name": "clicks.csv"}, "created_at": "2026-01-02T03:04:05Z", "links": {},
}  # fmt: skip
SPREAD = {"mean": 0.2, "std": 0.01, "low": 0.18, "high": 0.22, "values": [0.2]}
EVALUATION = {
    **RUN, "spec": {"learners": ["sasrec", "narm"]}, "intervals": "seeds", "diverged": {"sasrec": ["full"]},
    "results": {"sasrec": {"full": {"ndcg@10": SPREAD}, "summary": {"ndcg@10": SPREAD}}},
    "recovery": {"sasrec": {"ndcg@10": {"recovery": 0.9, "lift_recovery": None}}},
    "size": {"summary_bytes": 1, "summary_parameters": 2, "item_parameters": 3, "log_bytes": 4, "log_interactions": 5},
}  # fmt: skip
EVENT = {"seq": 1, "at": "2026-01-02T03:04:05Z", "attempt": 1, "kind": "stage", "data": RUN}
RESPONSE = httpx.Response(200, request=httpx.Request("GET", "http://127.0.0.1/v1/jobs/job_1"))

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_safe(line: str) -> bool:
    """Whether it is one line of text, without control characters, changes of direction and halves of characters."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in DIRECTIONS
        for character in line
    )


@fuzzed(150)
@given(mutated([json.dumps(RUN).encode()]))
def test_bytes(body: bytes) -> None:
    try:
        assert isinstance(parse(body, Job, RESPONSE), dict)
    except UnexpectedAnswerError as error:
        assert is_safe(str(error))


@fuzzed(200)
@given(st.sampled_from([(Job, RUN), (Evaluation, EVALUATION), (Event, EVENT)]), st.data())
def test_values(known: tuple[Any, Any], data: st.DataObject) -> None:
    kind, seed = known
    body = json.dumps(data.draw(changed_json(seed)))
    try:
        value = parse(body, kind, RESPONSE)
        show = {Job: job_line, Evaluation: evaluation_line, Event: event_line}[kind]
        assert is_safe(show(value))
        if kind is Evaluation:
            certificate(value)
    except UnexpectedAnswerError as error:
        assert is_safe(str(error))


@fuzzed(200)
@given(st.text(), JSON)
def test_texts(text: str, value: Any) -> None:
    assert is_safe(plain_line(text))
    assert is_safe(plain(text).translate({10: None, 9: None}))
    value = json.loads(json.dumps(value))
    assert json.dumps(json.loads(plain_json(value))) == json.dumps(value)

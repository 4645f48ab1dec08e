"""Whatever a request holds, it is understood or refused with a status of a client's error."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidCursorError, InvalidSpecError, RangeError, ServiceError
from api.http.multipart import FormReader
from api.http.ranges import not_modified, requested_slice
from api.http.spec import as_sent, parse_spec
from api.idempotency.keys import digest
from api.pages import _decode, _encode
from td3core.config import EvaluationSpec, JobSpec
from td3core.config.ceilings import Ceilings
from tests.support.fuzzing import JSON, changed_json, fuzzed, mutated

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{"seed": 7}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="dataset"; filename="log.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\nuser,item\r\n1,2\r\n\r\n--b--\r\n"
)
ENCODED_NAME = FORM.replace(b'filename="log.csv"', b"filename*=UTF-8''l%c3%b6g.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@fuzzed(150)
@given(mutated([FORM, ENCODED_NAME]), st.integers(1, 200))
def test_forms(folder: Path, body: bytes, piece: int) -> None:
    with FormReader(b"b", folder / "log", max_bytes=100, ceilings=Ceilings()) as reader:
        try:
            for start in range(0, len(body), piece):
                reader.feed(body[start : start + piece])
            submission = reader.result()
        except ServiceError as error:
            assert 400 <= error.status < 500
            return
    assert (folder / "log").stat().st_size == submission.log.size <= 100


HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=30)
RANGES = st.one_of(
    HEADER,
    st.builds("bytes={}-{}".format, st.integers(-2, 30) | st.just(""), st.integers(-2, 10**20) | st.just("")),
    mutated([b"bytes=0-1", b"bytes=-5", b"bytes=7-, 1-2"]).map(lambda data: data.decode("latin-1")),
)


@fuzzed(200)
@given(RANGES, st.none() | HEADER | st.just('"e"'), HEADER, st.integers(0, 20))
def test_ranges(wanted: str, if_range: str | None, if_none_match: str, size: int) -> None:
    headers = {"range": wanted, "if-none-match": if_none_match}
    headers |= {} if if_range is None else {"if-range": if_range}
    not_modified(headers, '"e"')
    try:
        found = requested_slice(headers, size=size, etag='"e"')
    except RangeError as error:
        assert error.status == 416
        return
    assert 0 <= found.start <= found.end <= size
    assert found.partial or (found.start, found.end) == (0, size)


@fuzzed(200)
@given(
    st.text(max_size=40)
    | mutated([_encode(f"job_{'0' * 32}").encode()]).map(lambda raw: raw.decode("latin-1"))
)
def test_cursors(cursor: str) -> None:
    try:
        last = _decode(cursor)
    except InvalidCursorError as error:
        assert error.status == 422
        return
    assert last.isascii()
    assert last.replace("_", "").isalnum()


SPECS: list[tuple[Any, Any]] = [(kind, kind().model_dump(mode="json")) for kind in (JobSpec, EvaluationSpec)]


@fuzzed(150)
@given(st.sampled_from(SPECS), st.data())
def test_specs(known: tuple[Any, Any], data: st.DataObject) -> None:
    kind, seed = known
    value = data.draw(st.one_of(changed_json(seed), JSON))
    sent = data.draw(
        st.sampled_from(
            [json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")]
        )
    )
    parsed(kind, sent)


@fuzzed(100)
@given(st.sampled_from(SPECS), st.data())
def test_bytes_of_specs(known: tuple[Any, Any], data: st.DataObject) -> None:
    kind, seed = known
    parsed(kind, data.draw(mutated([json.dumps(seed).encode()])))


def parsed(kind: Any, sent: bytes) -> None:
    """A spec that is taken is the same when it is sent again, and can be told apart for its key."""
    try:
        spec = parse_spec(kind, sent, ceilings=Ceilings())
    except InvalidSpecError as error:
        assert error.errors
        return
    again = parse_spec(kind, json.dumps(as_sent(spec)).encode(), ceilings=Ceilings())
    assert again == spec
    assert digest(as_sent(again)) == digest(as_sent(spec))

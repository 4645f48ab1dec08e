"""Slices of downloads, beside what RFC 9110 says and what Python's own slices give."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import RangeError
from api.http.ranges import Slice, not_modified, requested_slice

ETAG = '"0123abcd"'
FILES = st.binary(max_size=40)
NUMBERS = st.integers(0, 60)


def sent(file: bytes, **headers: str) -> bytes | None:
    """The bytes of a partial answer, or None for the whole file."""
    found = requested_slice(
        {name.replace("_", "-"): value for name, value in headers.items()}, size=len(file), etag=ETAG
    )
    if not found.partial:
        assert found == Slice(0, len(file), partial=False)
        return None
    assert 0 <= found.start < found.end <= len(file)
    return file[found.start : found.end]


def sent_or_refused(file: bytes, range_: str) -> bytes | None:
    """The same; no bytes where it is refused, which must tell the size of the file."""
    try:
        return sent(file, range=range_)
    except RangeError as error:
        told = error.headers
    assert told == {"Content-Range": f"bytes */{len(file)}"}
    return b""


@given(FILES, NUMBERS, NUMBERS)
def test_from_one_byte_to_another(file: bytes, first: int, last: int) -> None:
    """The last one is included; the wrong way round it is no range, which is ignored."""
    expected = None if last < first else file[first : last + 1]
    assert sent_or_refused(file, f"bytes={first}-{last}") == expected


@given(FILES, NUMBERS)
def test_from_one_byte_to_the_end(file: bytes, first: int) -> None:
    assert sent_or_refused(file, f"bytes={first}-") == file[first:]


@given(FILES, NUMBERS)
def test_the_last_bytes(file: bytes, number: int) -> None:
    assert sent_or_refused(file, f"bytes=-{number}") == file[max(0, len(file) - number) :]


@given(FILES.filter(bool), st.data())
def test_parts_join_to_the_file(file: bytes, data: st.DataObject) -> None:
    """As a client continues a download that broke off."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(file)))) | {0, len(file)})
    parts = [sent(file, range=f"bytes={a}-{b - 1}") for a, b in pairwise(cuts)]
    assert b"".join(part or b"" for part in parts) == file


@pytest.mark.parametrize(
    "ignored",
    [
        "",
        "bytes=-",
        "bytes=",
        "bytes=0-1,4-5",  # several parts
        "items=0-1",
        "bytes=a-b",
        "bytes=1",
        "bytes 0-1",
        "bytes=--1",
        "bytes=0-" + "9" * 19,  # longer than any file
    ],
)
def test_what_is_no_single_range_is_ignored(ignored: str) -> None:
    assert sent(b"0123456789", range=ignored) is None


def test_no_range_is_the_whole_file() -> None:
    assert sent(b"0123456789") is None


@pytest.mark.parametrize("range_", ["BYTES=2-3", "bytes= 2-3 ", "bytes=02-03"])
def test_other_spellings(range_: str) -> None:
    assert sent(b"0123456789", range=range_) == b"23"


@pytest.mark.parametrize(
    ("if_range", "partial"),
    [
        (ETAG, True),
        (f" {ETAG} ", True),
        ('"another"', False),
        (f"W/{ETAG}", False),  # a weak one does not promise the same bytes
        ("Wed, 21 Oct 2026 07:28:00 GMT", False),
    ],
)
def test_a_range_of_another_version_of_the_file_is_ignored(if_range: str, partial: bool) -> None:
    assert sent(b"0123456789", range="bytes=2-3", if_range=if_range) == (b"23" if partial else None)


def test_a_range_of_another_version_that_lies_outside_is_ignored_too() -> None:
    assert sent(b"0123456789", range="bytes=90-", if_range='"another"') is None


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [
        (ETAG, True),
        ("*", True),
        (f'"a", {ETAG}', True),
        (f'W/"a",W/{ETAG}', True),  # weakly equal is enough
        ('"a"', False),
        ("0123abcd", False),
        ("", False),
    ],
)
def test_what_the_client_has_is_not_sent_again(if_none_match: str, expected: bool) -> None:
    assert not_modified({"if-none-match": if_none_match}, ETAG) is expected


def test_a_client_that_has_nothing_is_sent_the_file() -> None:
    assert not not_modified({}, ETAG)

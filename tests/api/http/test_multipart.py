"""The parser of uploads, beside the body it was made from, in pieces of any size."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequestError, InvalidRequestError, InvalidSpecError, ServiceError, TooLargeError
from api.http.multipart import FormReader, Submission
from api.http.spec import MAX_SPEC_BYTES
from td3core.config import JobSpec
from td3core.config.ceilings import Ceilings

BOUNDARY = b"boundary"
LOGS = st.one_of(
    st.binary(max_size=80),
    st.lists(st.sampled_from([b"\r\n", b"--", b"\r", b"\n", b"-", b"boundar", b"x"]), max_size=20).map(
        b"".join
    ),
).filter(lambda log: BOUNDARY not in log)
"""Any bytes, and many that nearly end the part."""


def part(name: str, content: bytes, *, file: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
    return f"Content-Disposition: {disposition}\r\n\r\n".encode() + content


def body(*parts: bytes) -> bytes:
    opened = b"".join(b"--" + BOUNDARY + b"\r\n" + one + b"\r\n" for one in parts)
    return opened + b"--" + BOUNDARY + b"--\r\n"


def cut(whole: bytes, cuts: set[int]) -> list[bytes]:
    ends = sorted(cuts | {0, len(whole)})
    return [whole[a:b] for a, b in pairwise(ends)]


def read(pieces: Sequence[bytes], *, max_bytes: int = 1000) -> tuple[Submission, bytes]:
    """What was received of a body in these pieces, and the file that was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        with FormReader(BOUNDARY, path, max_bytes=max_bytes, ceilings=Ceilings()) as reader:
            for piece in pieces:
                reader.feed(piece)
            submission = reader.result()
        assert submission.log.path == path
        return submission, path.read_bytes()


@given(LOGS, st.booleans(), st.data())
def test_any_pieces_of_a_body_give_what_was_sent(log: bytes, spec_first: bool, data: st.DataObject) -> None:
    parts = [part("spec", json.dumps({"seed": 7}).encode()), part("dataset", log, file="log.csv")]
    whole = body(*(parts if spec_first else parts[::-1]))
    cuts = data.draw(st.sets(st.integers(0, len(whole)), max_size=12))
    submission, written = read(cut(whole, cuts))
    assert written == log
    assert submission.spec == JobSpec(seed=7)
    assert (submission.log.size, submission.log.name) == (len(log), "log.csv")
    assert submission.log.sha256 == hashlib.sha256(log).hexdigest()


@given(LOGS)
def test_byte_by_byte(log: bytes) -> None:
    whole = body(part("dataset", log, file="log.csv"))
    assert read([bytes([byte]) for byte in whole])[1] == log


@given(LOGS, st.data())
def test_a_body_that_breaks_off_is_refused_wherever_it_does(log: bytes, data: st.DataObject) -> None:
    whole = body(part("dataset", log, file="log.csv"))
    end = data.draw(st.integers(0, len(whole) - len(b"--\r\n")))
    with pytest.raises(BadRequestError, match="ends before its closing boundary"):
        read([whole[:end]])


def test_a_log_alone_has_the_default_spec_and_perhaps_no_name() -> None:
    submission, _ = read([body(part("dataset", b"log"))])
    assert (submission.spec, submission.log.name) == (JobSpec(), None)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("C:\\\\logs\\\\ratings.csv", "ratings.csv"),
        ("logs\\\\ratings.csv", "ratings.csv"),
        ("../../etc/passwd", "passwd"),
        ("a\tb.csv", "ab.csv"),
        ("folder/", None),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
        ("Bücher.csv", "Bücher.csv"),
    ],
)
def test_of_a_path_the_name_is_kept(sent: str, name: str | None) -> None:
    assert read([body(part("dataset", b"log", file=sent))])[0].log.name == name


DATASET, SPEC = part("dataset", b"log", file="a"), part("spec", b"{}")


@pytest.mark.parametrize(
    ("whole", "error", "message"),
    [
        (body(SPEC), InvalidRequestError, "`dataset` is missing"),
        (body(DATASET, DATASET), InvalidRequestError, "`dataset` is repeated"),
        (body(SPEC, SPEC, DATASET), InvalidRequestError, "`spec` is repeated"),
        (body(DATASET, part("other", b"")), InvalidRequestError, "'other' is unknown"),
        (body(b"Content-Type: text/csv\r\n\r\nlog"), InvalidRequestError, "'' is unknown"),
        (body(DATASET, part("spec", b"{")), InvalidSpecError, ""),
        (body(part("dataset", b"x" * 1001)), TooLargeError, "larger than 1000 bytes"),
        (body(part("spec", b" " * (MAX_SPEC_BYTES + 1)), DATASET), TooLargeError, f"{MAX_SPEC_BYTES} bytes"),
        (b"no boundary at all", BadRequestError, "not valid multipart"),
        (body(b"no header\r\n\r\nlog"), BadRequestError, "not valid multipart"),
    ],
)
def test_wrong_bodies(whole: bytes, error: type[ServiceError], message: str) -> None:
    for pieces in ([whole], [bytes([byte]) for byte in whole]):
        with pytest.raises(error) as raised:
            read(pieces)
        assert message in str(raised.value)


def test_the_largest_log_and_spec_are_taken() -> None:
    spec = b"{}".ljust(MAX_SPEC_BYTES)
    submission, written = read([body(part("spec", spec), part("dataset", b"x" * 1000))])
    assert (submission.log.size, len(written)) == (1000, 1000)


def test_a_wrong_spec_is_refused_before_the_log_that_follows_it(tmp_path: Path) -> None:
    whole = body(part("spec", b'{"seed": -1}'), DATASET)
    until_the_log = whole[: whole.index(DATASET)]
    with (
        FormReader(BOUNDARY, tmp_path / "log", max_bytes=1000, ceilings=Ceilings()) as reader,
        pytest.raises(InvalidSpecError),
    ):
        reader.feed(until_the_log)

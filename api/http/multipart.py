"""Streaming parser of multipart uploads: writes the log to a file in constant memory, hashes it, and parses the spec.

The framework's own UploadFile would write the whole body to a temporary file before the route sees any of it, and the
route would have to read it again.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from api.datasets.received import ReceivedLog
from api.errors import BadRequestError, InvalidRequestError, ServiceError, TooLargeError, UnsupportedBodyError
from api.http.body import MAX_FIELDS_BYTES, drain, parse_fields, timely
from api.http.spec import MAX_SPEC_BYTES, parse_spec
from api.storage.disk import naming_errors
from api.webhooks.schemas import WebhookSpec
from td3core.config import JobSpec
from td3core.config.ceilings import Ceilings

BATCH = 1 << 20
"""Bytes that are passed to the parsing thread at once."""
LONGEST_BOUNDARY = 256
"""As long as the parser takes it; RFC 2046 allows 70 characters."""
OVERHEAD = 1 << 20
"""Bytes allowed in a body besides the log and the spec: boundaries and headers."""
DATASET, SPEC, WEBHOOK = "dataset", "spec", "webhook"
LONGEST = {SPEC: MAX_SPEC_BYTES, WEBHOOK: MAX_FIELDS_BYTES}
"""Maximum size of the parts that are JSON."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A parsed upload."""

    log: ReceivedLog
    spec: JobSpec
    webhook: WebhookSpec | None


async def receive_submission(
    request: Request, folder: Path, *, max_bytes: int, ceilings: Ceilings
) -> Submission:
    """Parse the body of `request` and write the log to `folder`.

    Raises:
        UnsupportedBodyError: It is not multipart/form-data.
        BadRequestError: It is truncated or not valid multipart.
        InvalidRequestError: A part is missing, unknown or repeated, or the webhook is invalid.
        InvalidSpecError: The spec is invalid; a log that follows it is not read.
        TooLargeError: The log, the spec or the body is too large.
        TooSlowError: The body comes too slowly.
        StorageFullError: The disk is full.
        ClientDisconnect: The client disconnected.
    """
    boundary = _boundary(request)
    _check_length(request, max_bytes)
    stream = request.stream()
    body = _bounded(timely(stream), max_bytes)
    with _receiving(), FormReader(boundary, folder / "log", max_bytes=max_bytes, ceilings=ceilings) as reader:
        try:
            async for batch in _batches(body):
                await run_in_threadpool(reader.feed, batch)
            with _receiving():
                return reader.result()
        except ServiceError as error:
            await drain(stream, error)
            raise


class FormReader:
    """Feeds the streaming parser of python-multipart and collects the results of its callbacks."""

    def __init__(self, boundary: bytes, path: Path, *, max_bytes: int, ceilings: Ceilings) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._ceilings = ceilings
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._size = 0
        self._text = bytearray()  # of the part, if it is JSON
        self._spec = parse_spec(JobSpec, None, ceilings)
        self._webhook: WebhookSpec | None = None
        self._name: str | None = None
        self._seen: set[str] = set()
        self._part = ""
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._ended = False
        self._after = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def __enter__(self) -> "FormReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def feed(self, data: bytes) -> None:
        """Parse the next piece of the body; nothing but a little may follow its end."""
        if self._ended:
            self._after += len(data)
            if self._after > OVERHEAD:
                raise BadRequestError("The body goes on after its closing boundary.")
            return
        try:
            with _receiving():
                self._parser.write(data)
        except FormParserError as error:
            raise BadRequestError(f"The body is not valid multipart/form-data: {error}") from error

    def result(self) -> Submission:
        """The parsed upload, once the body has ended."""
        if not self._ended:
            raise BadRequestError("The body ends before its closing boundary.")
        if DATASET not in self._seen:
            raise InvalidRequestError(
                "The part `dataset` is missing; expected the log as a file.",
                errors=[{"field": DATASET, "expected": "the log, as a file"}],
            )
        self._file.flush()
        log = ReceivedLog(path=self._path, name=self._name, size=self._size, sha256=self._hash.hexdigest())
        return Submission(log, self._spec, self._webhook)

    def _on_part_begin(self) -> None:
        self._disposition = b""
        self._text.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        self._part = _text(options.get(b"name", b""))
        if self._part not in (DATASET, SPEC, WEBHOOK):
            raise InvalidRequestError(
                f"The part {self._part[:100]!r} is unknown; expected `dataset`, `spec` or `webhook`.",
                errors=[
                    {"field": self._part[:100], "expected": "a part named `dataset`, `spec` or `webhook`"}
                ],
            )
        if self._part in self._seen:
            raise InvalidRequestError(
                f"The part `{self._part}` is repeated.",
                errors=[{"field": self._part, "expected": "one part with this name"}],
            )
        self._seen.add(self._part)
        if self._part == DATASET:
            self._name = _file_name(_text(options.get(b"filename", b"")))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if longest := LONGEST.get(self._part):
            self._text += piece
            if len(self._text) > longest:
                raise TooLargeError(f"The {self._part} is larger than {longest} bytes.")
            return
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise _log_too_large(self._max_bytes)
        self._hash.update(piece)
        self._file.write(piece)

    def _on_part_end(self) -> None:
        """Reject an invalid spec or webhook before the log that follows it is sent."""
        if self._part == SPEC:
            self._spec = parse_spec(JobSpec, bytes(self._text), self._ceilings, part=SPEC)
        elif self._part == WEBHOOK:
            self._webhook = parse_fields(bytes(self._text), WebhookSpec, part=WEBHOOK)

    def _on_end(self) -> None:
        self._ended = True


def _receiving() -> AbstractContextManager[None]:
    """Closing the file may fail as writing to it does, for what is left in its buffer."""
    return naming_errors("the log could not be received")


async def _bounded(body: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the pieces of the body, whatever they are, up to the size that the largest log can have with its form."""
    size = 0
    async for piece in body:
        size += len(piece)
        if size > max_bytes + MAX_SPEC_BYTES + OVERHEAD:
            raise _log_too_large(max_bytes)
        yield piece


async def _batches(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join the server's small pieces, so that few of them have to change threads."""
    pending = bytearray()
    async for piece in body:
        pending += piece
        if len(pending) >= BATCH:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise UnsupportedBodyError(
            f"The media type of the body is {_text(kind) or 'missing'}; expected multipart/form-data with a part "
            "`dataset` (the log) and optionally a part `spec` (JSON).",
            headers={"Accept": "multipart/form-data"},
        )
    if not options.get(b"boundary"):
        raise BadRequestError("The Content-Type header has no boundary.")
    if len(options[b"boundary"]) > LONGEST_BOUNDARY:
        raise BadRequestError(
            f"The boundary in the Content-Type header is longer than {LONGEST_BOUNDARY} characters."
        )
    return options[b"boundary"]


def _check_length(request: Request, max_bytes: int) -> None:
    """Reject a body at once if its Content-Length is too large."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes + MAX_SPEC_BYTES + OVERHEAD:
        raise _log_too_large(max_bytes)


def _log_too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"The log is larger than {max_bytes} bytes, the maximum of this service or project.")


def _file_name(sent: str) -> str | None:
    """The file name in the client's path, without unprintable characters."""
    name = "".join(c for c in sent.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    return name[-255:] or None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")

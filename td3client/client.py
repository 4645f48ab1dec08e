"""The HTTP client: one method per operation, which returns plain dictionaries."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import EventSource, connect_sse

from td3client.credentials import credentials
from td3client.errors import (
    DamagedDownloadError,
    NotSavedError,
    RunFailedError,
    ServiceProblem,
    UnreachableError,
)
from td3client.resources import Evaluation, EvaluationPage, Event, Job, JobPage, Run, Summary

FINISHED = frozenset({"succeeded", "failed", "cancelled"})
DEFAULT_URL = "http://127.0.0.1:8000"
# The response to an upload is sent after the log has been validated.
UPLOAD_SECONDS = 600.0
DOWNLOAD_ATTEMPTS = 5
RETRY_PAUSE = 1.0
RETRY_SECONDS = 5.0
AWAY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
# The service pings every 15 seconds, so a stream that is silent for longer is broken.
STREAM_SILENCE = 45.0
RECONNECT_PAUSE = 1.0
RECONNECT_SECONDS = 60.0

R = TypeVar("R", bound=Run)


class Client:
    """Client of one service. It uses no proxy. Use it as a context manager, or call `close`.

    Args:
        base_url: URL of the service.
        token: API key. Left out, it is that of the environment variable `TD3_TOKEN`, if there is one.
        headers: Headers of every request, such as those that a gateway asks for. Like the key, they are sent to the
            service alone, and not to a storage that it redirects a download to.
        verify: Whether certificates are checked, or the TLS context by which they are.
        timeout: Time limit in seconds of what an ordinary request waits for.

    Raises:
        InvalidHeaderError: The key or a header cannot be sent.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        verify: bool | SSLContext = True,
        timeout: float = 30.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._verify = verify
        self._http = httpx.Client(
            base_url=self.base_url,
            headers=credentials(token, headers),
            timeout=timeout,
            transport=self._transport(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _transport(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(verify=self._verify, retries=2)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
        self,
        log: Path,
        spec: Mapping[str, Any] | None = None,
        *,
        deadline_seconds: float | None = None,
        force: bool = False,
    ) -> Job:
        """Upload an interaction log, in constant memory, and start a job.

        If an identical job exists already, that job is returned, with `deduplicated` set.

        Args:
            log: CSV, TSV, JSON Lines, Parquet or RecBole `.inter`, also compressed.
            spec: Fields of the job spec that differ from the defaults.
            deadline_seconds: Deadline in seconds from now, after which the job fails; waiting and pauses count.
            force: Start a new job even if an identical one exists.

        Raises:
            ServiceProblem: The log or the spec was rejected; `errors` lists the reasons.
            UnreachableError: The service is unreachable.
        """
        options = {"deadline_seconds": deadline_seconds, "force": force or None}
        with log.open("rb") as dataset:
            # The spec is sent first, so that an invalid one is rejected before the log is uploaded.
            return self._create(
                "/v1/jobs",
                params={name: value for name, value in options.items() if value is not None} or None,
                data={"spec": json.dumps(spec)} if spec else None,
                files={"dataset": (log.name, dataset, "application/octet-stream")},
                timeout=httpx.Timeout(UPLOAD_SECONDS, connect=30.0),
            )

    def run(self, run_id: str) -> Run:
        """Get the current state of a job or an evaluation, with all its fields."""
        return self._call("GET", _path(run_id))

    def job(self, job_id: str) -> Job:
        """Get the current state of a job."""
        return self._call("GET", f"/v1/jobs/{job_id}")

    def jobs(self, *, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Get a page of jobs, newest first."""
        return self._page("/v1/jobs", limit, cursor)

    def cancel(self, run_id: str) -> Run:
        """Cancel a job or an evaluation. A running job stops within one outer step."""
        return self._call("POST", f"{_path(run_id)}/cancel")

    def pause(self, job_id: str) -> Job:
        """Pause a job. A running job saves a checkpoint and stops within one outer step."""
        return self._call("POST", f"/v1/jobs/{job_id}/pause")

    def resume(self, job_id: str) -> Job:
        """Resume a paused job from its checkpoint."""
        return self._call("POST", f"/v1/jobs/{job_id}/resume")

    def evaluate(self, job_id: str, spec: Mapping[str, Any] | None = None) -> Evaluation:
        """Start an evaluation of the summary of a job that has succeeded."""
        return self._create(f"/v1/jobs/{job_id}/evaluations", json=dict(spec or {}))

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """Get the current state of an evaluation."""
        return self._call("GET", f"/v1/evaluations/{evaluation_id}")

    def evaluations(self, job_id: str, *, limit: int = 20, cursor: str | None = None) -> EvaluationPage:
        """Get a page of the evaluations of a job, newest first."""
        return self._page(f"/v1/jobs/{job_id}/evaluations", limit, cursor)

    def wait(self, job_id: str, *, poll: float = 1.0) -> Iterator[Job]:
        """Poll a job every `poll` seconds and yield its state until it has succeeded.

        Raises:
            RunFailedError: The job failed or was cancelled, after that state was yielded.
        """
        return _until_success(lambda: self.job(job_id), poll)

    def wait_evaluation(self, evaluation_id: str, *, poll: float = 1.0) -> Iterator[Evaluation]:
        """Poll an evaluation and yield its state until it has succeeded; raises the same errors as `wait`."""
        return _until_success(lambda: self.evaluation(evaluation_id), poll)

    def events(self, run_id: str, *, after: int = 0, follow: bool = True) -> Iterator[Event]:
        """Yield the events of a job or an evaluation, in order and each exactly once.

        Args:
            run_id: Id of the job or evaluation.
            after: Sequence number of the last event that is already known.
            follow: Wait for new events until the run has ended, and reconnect if the connection is lost.

        Raises:
            ServiceProblem: The run does not exist.
            UnreachableError: The service is unreachable; with `follow`, for more than a minute.
        """
        path = f"{_path(run_id)}/events"
        return self._stream(path, after) if follow else self._events_so_far(path, after)

    def _events_so_far(self, path: str, after: int) -> Iterator[Event]:
        while True:
            page = self._call("GET", path, params={"after": after})
            yield from page["items"]
            if page["ended"] or not page["items"]:
                return
            after = page["next_after"]

    def _stream(self, path: str, after: int) -> Iterator[Event]:
        """Yield server-sent events. A stream that breaks or ends too early is reopened after the last event."""
        broken_at: float | None = None
        while True:
            try:
                with self._naming_errors(), self._open_stream(path, after) as source:
                    _raise_for_problem(source.response)
                    if source.response.status_code == httpx.codes.NO_CONTENT:
                        return
                    broken_at = None
                    for message in source.iter_sse():
                        if not message.data:  # how the library represents a ping
                            continue
                        event: Event = json.loads(message.data)
                        after = event["seq"]
                        yield event
                        if event["kind"] in FINISHED:
                            return
            except (UnreachableError, ServiceProblem) as error:
                broken_at = broken_at or time.monotonic()
                refused = (
                    isinstance(error, ServiceProblem) and error.status < httpx.codes.INTERNAL_SERVER_ERROR
                )
                if refused or time.monotonic() - broken_at > RECONNECT_SECONDS:
                    raise
            time.sleep(RECONNECT_PAUSE)

    def _open_stream(self, path: str, after: int) -> AbstractContextManager[EventSource]:
        return connect_sse(
            self._http,
            "GET",
            path,
            headers={"Last-Event-ID": str(after)},
            timeout=httpx.Timeout(STREAM_SILENCE, connect=5.0),
        )

    def download_summary(self, job_id: str, path: Path) -> Path:
        """Download the summary of a job to the file `path`, or as `<job id>.zip` to the directory `path`; return where.

        An interrupted download is kept in `<path>.part` and resumed, also by a later call. The file gets its final name
        only if its SHA-256 is correct.

        Raises:
            ServiceProblem: The job has no summary (yet).
            DamagedDownloadError: The SHA-256 of the download is not the expected one.
            NotSavedError: The directory does not exist or is not writable, or the disk is full.
        """
        summary = self.job(job_id)["summary"]
        target = path / f"{job_id}.zip" if path.is_dir() else path
        part = target.with_name(f"{target.name}.part")
        if summary is None:
            self._call("GET", f"/v1/jobs/{job_id}/summary")  # answers with the reason
            raise RunFailedError(job_id, "has no summary", None)
        try:
            self._fetch(summary, part)
            with part.open("rb") as archive:
                actual = hashlib.file_digest(archive, "sha256").hexdigest()
            if actual != summary["sha256"]:
                part.unlink()
                raise DamagedDownloadError(target, expected=summary["sha256"], actual=actual)
            return part.replace(target)
        except OSError as error:
            raise NotSavedError(target, error) from error

    def _fetch(self, summary: Summary, part: Path) -> None:
        """Download what is missing from `part`, and retry if the connection breaks."""
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            try:
                self._append_rest(summary, part)
                return
            except UnreachableError:
                if attempt == DOWNLOAD_ATTEMPTS:
                    raise

    def _append_rest(self, summary: Summary, part: Path) -> None:
        """Download what is missing from `part`, or the whole archive if it has changed on the server."""
        have = part.stat().st_size if part.exists() else 0
        if have >= summary["bytes"]:
            return
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": f'"{summary["sha256"]}"'}
        with self._naming_errors(), self._open(summary["href"], headers) as response:
            _raise_for_problem(response)
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            with part.open("ab" if resumed else "wb") as archive:
                for chunk in response.iter_raw():
                    archive.write(chunk)

    @contextmanager
    def _open(self, href: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Start a download. After a redirect to the storage, no headers for the service are sent there."""
        with self._http.stream("GET", href, headers=headers) as response:
            if not response.has_redirect_location:
                yield response
                return
        # Objects in the storage never change, and it does not know our ETags.
        headers = {name: value for name, value in headers.items() if name != "If-Range"}
        with httpx.Client(timeout=self._http.timeout, transport=self._transport()) as elsewhere:
            location = response.url.join(response.headers["Location"])
            with elsewhere.stream("GET", location, headers=headers) as response:
                yield response

    def _create(self, path: str, **options: Any) -> Any:
        """Send a POST request that creates something; its idempotency key makes it safe to retry."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        failed_at: float | None = None
        while True:
            try:
                return self._call("POST", path, headers=headers, **options)
            except (UnreachableError, ServiceProblem) as error:
                failed_at = failed_at or time.monotonic()
                if time.monotonic() - failed_at >= _patience(error):
                    raise
            time.sleep(RETRY_PAUSE)

    def _page(self, path: str, limit: int, cursor: str | None) -> Any:
        params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        return self._call("GET", path, params=params)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        with self._naming_errors():
            response = self._http.request(method, path, **options)
            _raise_for_problem(response)
            return response.json()

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error


def is_evaluation(run_id: str) -> bool:
    """Whether this is the id of an evaluation; otherwise it is that of a job."""
    return run_id.startswith("eval_")


def _path(run_id: str) -> str:
    """The path of a job or an evaluation."""
    return f"/v1/{'evaluations' if is_evaluation(run_id) else 'jobs'}/{run_id}"


def _raise_for_problem(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    fields = (
        response.json() if is_problem else {"detail": f"HTTP {response.status_code}: {response.text[:500]}"}
    )
    raise ServiceProblem(response.status_code, fields)


def _patience(error: UnreachableError | ServiceProblem) -> float:
    """Return for how many seconds a creating request is retried after this error."""
    if isinstance(error, UnreachableError) or error.status in AWAY:
        return RETRY_SECONDS
    return UPLOAD_SECONDS if error.code == "idempotency_key_in_use" else 0.0


def _until_success(read: Callable[[], R], poll: float) -> Iterator[R]:
    while True:
        run = read()
        yield run
        if run["state"] == "succeeded":
            return
        if run["state"] in FINISHED:
            error = run["error"]
            raise RunFailedError(run["id"], run["state"], error["detail"] if error else None)
        time.sleep(poll)

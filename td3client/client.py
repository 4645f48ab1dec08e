"""The HTTP client: one method per operation, which returns plain dictionaries."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

import httpx

from td3client.answers import UNENCODED, check_head, read_answer
from td3client.connection import connection
from td3client.credentials import credentials, has_authorization
from td3client.downloads import download, following
from td3client.errors import RunFailedError, ServiceProblem, UnexpectedAnswerError, UnreachableError
from td3client.finding import RunFilter, parameters
from td3client.ids import archive_name, evaluation_path, is_evaluation, job_path, run_path
from td3client.keys import Keys, Projects
from td3client.requests import Requests
from td3client.resources import (
    Bulk,
    DeletedRun,
    Evaluation,
    EvaluationPage,
    Event,
    EventPage,
    Job,
    JobPage,
    Me,
    Priority,
    Run,
    SubmittedJob,
    ValidatedLog,
)
from td3client.streams import FINISHED, STREAM_SILENCE, stream
from td3client.submissions import UPLOAD_SECONDS, class_of, notes_of, upload
from td3client.transport import Transports, Verify, service_url
from td3client.webhooks import Webhooks

RETRY_PAUSE = 1.0
RETRY_SECONDS = 5.0
AWAY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)

R = TypeVar("R", bound=Run)


class Client:
    """Client of one service. Use it as a context manager, or call `close`.

    Which service is used, with which key, is decided in the order that `td3client.connection` describes: what is given
    here, then the environment (`TD3_URL`, `TD3_TOKEN`, `TD3_PROFILE`), then the profile `default`, then this machine.

    Args:
        base_url: URL of the service.
        profile: Name of a profile of `td3 login`, in place of a URL.
        token: API key. An empty one sends none.
        headers: Headers of every request, such as those that a gateway asks for. Like the key, they are sent to the
            service alone, and not to a storage that it redirects a download to.
        verify: Whether certificates are checked, a file of the authorities by which they are, or a TLS context.
            `True` takes the file of the profile, if it has one.
        proxy: URL of a proxy. Left out, it is that of the profile or of the environment (`HTTPS_PROXY`, `NO_PROXY`),
            and none for loopback. An empty one uses none.
        timeout: Time limit in seconds of what an ordinary request waits for.

    Raises:
        InvalidHeaderError: The key or a header cannot be sent.
        InvalidSettingError: Proxy or authorities cannot be used, or both a URL and a profile are given.
        UnknownProfileError: There is no profile of this name.
        PrivateFileError: The file of a key cannot be read, or others can read it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        profile: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        verify: Verify = True,
        proxy: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        if token is None and has_authorization(headers):
            token = ""
        chosen = connection(base_url, profile=profile, token=token)
        self.base_url = chosen.url
        self._transports = Transports(
            verify=(chosen.ca_file or True) if verify is True else verify,
            proxy=chosen.proxy if proxy is None else proxy,
        )
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={**credentials(chosen.token, headers), **UNENCODED},
            timeout=timeout,
            transport=self._transports.to(service_url(self.base_url)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def webhooks(self) -> Webhooks:
        """Operations on webhooks."""
        return Webhooks(self._requests)

    @property
    def keys(self) -> Keys:
        """Operations on API keys, for administrators of a project."""
        return Keys(self._requests)

    @property
    def projects(self) -> Projects:
        """Operations on projects, for keys with the scope `platform`."""
        return Projects(self._requests)

    @property
    def _requests(self) -> Requests:
        return Requests(self._call, self._create, self._end)

    def me(self) -> Me:
        """Get who the service takes this client for: project, key, scopes and expiry, and what is left of limits."""
        return self._call(Me, "GET", "/v1/me")

    def submit(
        self,
        log: Path,
        spec: Mapping[str, Any] | None = None,
        *,
        deadline_seconds: float | None = None,
        force: bool = False,
        priority: Priority = "normal",
        webhook: Mapping[str, Any] | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> SubmittedJob:
        """Upload an interaction log, in constant memory, and start a job.

        If an identical job exists already, that job is returned, with `deduplicated` set and the name and labels that
        it has.

        Args:
            log: CSV, TSV, JSON Lines, Parquet or RecBole `.inter`, also compressed.
            spec: Fields of the job spec that differ from the defaults.
            deadline_seconds: Deadline in seconds from now, after which the job fails; waiting and pauses count.
            force: Start a new job even if an identical one exists.
            priority: Class of the job: as long as runs of a higher class wait, none of a lower one is begun.
            webhook: `url` that is told when the job ends and, if need be, the `events` that it is told of and its
                `secret`. The secret is in `webhook` of the answer.
            name: Name of the job, for people.
            labels: Labels by which the job is found again.

        Raises:
            ServiceProblem: The log, the spec or the webhook was rejected; `errors` lists the reasons.
            UnreachableError: The service is unreachable.
        """
        options = {
            "deadline_seconds": deadline_seconds,
            "force": force or None,
            **class_of(priority),
            **notes_of(name, labels),
        }
        params = {option: value for option, value in options.items() if value is not None} or None
        with upload(log, spec, webhook) as body:
            return self._create(SubmittedJob, "/v1/jobs", params=params, **body)

    def validate(self, log: Path, spec: Mapping[str, Any] | None = None) -> ValidatedLog:
        """Have an interaction log read as a job with this spec would read it; nothing of it is kept.

        Of a large log the service reads only the beginning, and says so: `reading["whole"]`.

        Raises:
            ServiceProblem: The log or the spec was rejected; `errors` lists the reasons.
            UnreachableError: The service is unreachable.
        """
        with upload(log, spec) as body:
            return self._call(ValidatedLog, "POST", "/v1/jobs/validate", **body)

    def run(self, run_id: str) -> Run:
        """Get the current state of a job or an evaluation, with all its fields."""
        return self._call(_kind(run_id), "GET", run_path(run_id))

    def job(self, job_id: str) -> Job:
        """Get the current state of a job."""
        return self._call(Job, "GET", job_path(job_id))

    def jobs(self, *, limit: int = 20, cursor: str | None = None, **wanted: Unpack[RunFilter]) -> JobPage:
        """Get a page of jobs, newest first: all, or those that are wanted, such as `label=["team:ranking"]`.

        A cursor goes with the filters of the page that it comes from.
        """
        return self._page(JobPage, "/v1/jobs", limit, cursor, wanted)

    def change(
        self,
        run_id: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str | None] | None = None,
        pinned: bool | None = None,
    ) -> Run:
        """Change a job or an evaluation; what is None stays.

        Args:
            run_id: Id of the job or evaluation.
            name: Its name, for people; an empty one removes it.
            labels: Labels to set, by key; None as a value removes one.
            pinned: Whether retention keeps what it uses and made.
        """
        change: dict[str, Any] = {}
        if name is not None:
            change["name"] = name or None
        if labels is not None:
            change["labels"] = dict(labels)
        if pinned is not None:
            change["pinned"] = pinned
        return self._call(_kind(run_id), "PATCH", run_path(run_id), json=change)

    def cancel(self, run_id: str) -> Run:
        """Cancel a job or an evaluation. A running job stops within one outer step."""
        return self._call(_kind(run_id), "POST", f"{run_path(run_id)}/cancel")

    def pause(self, job_id: str) -> Job:
        """Pause a job. A running job saves a checkpoint and stops within one outer step."""
        return self._call(Job, "POST", f"{job_path(job_id)}/pause")

    def resume(self, job_id: str) -> Job:
        """Resume a paused job from its checkpoint."""
        return self._call(Job, "POST", f"{job_path(job_id)}/resume")

    def cancel_jobs(self, *, expected: int | None = None, **wanted: Unpack[RunFilter]) -> Bulk:
        """Cancel the wanted jobs that have not ended, if they are as many as `expected`; None: only count them."""
        return self._call(Bulk, "POST", "/v1/jobs/cancel", json=_bulk(wanted, expected))

    def delete_jobs(self, *, expected: int | None = None, **wanted: Unpack[RunFilter]) -> Bulk:
        """Delete the wanted jobs that can be deleted, if they are as many as `expected`; None: only count them."""
        return self._call(Bulk, "POST", "/v1/jobs/delete", json=_bulk(wanted, expected))

    def delete(self, run_id: str) -> DeletedRun:
        """Delete a job or an evaluation that has ended. It can be restored for a time."""
        return self._call(DeletedRun, "DELETE", run_path(run_id))

    def restore(self, run_id: str) -> Run:
        """Restore a deleted job or evaluation."""
        return self._call(_kind(run_id), "POST", f"{run_path(run_id)}/restore")

    def evaluate(
        self,
        job_id: str,
        spec: Mapping[str, Any] | None = None,
        *,
        priority: Priority = "normal",
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Evaluation:
        """Start an evaluation of the summary of a job that has succeeded; `priority` as for `submit`."""
        options = class_of(priority) | notes_of(name, labels)
        params = {option: value for option, value in options.items() if value is not None}
        path = f"{job_path(job_id)}/evaluations"
        return self._create(Evaluation, path, params=params or None, json=dict(spec or {}))

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """Get the current state of an evaluation."""
        return self._call(Evaluation, "GET", evaluation_path(evaluation_id))

    def evaluations(
        self,
        job_id: str | None = None,
        *,
        limit: int = 20,
        cursor: str | None = None,
        **wanted: Unpack[RunFilter],
    ) -> EvaluationPage:
        """Get a page of the evaluations of a job, or of all jobs, newest first: all, or those that are wanted."""
        path = "/v1/evaluations" if job_id is None else f"{job_path(job_id)}/evaluations"
        return self._page(EvaluationPage, path, limit, cursor, wanted)

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
        path = f"{run_path(run_id)}/events"
        return stream(self._open_stream, path, after) if follow else self._events_so_far(path, after)

    def _events_so_far(self, path: str, after: int) -> Iterator[Event]:
        while True:
            page = self._call(EventPage, "GET", path, params={"after": after})
            yield from page["items"]
            if page["ended"] or not page["items"]:
                return
            if page["next_after"] <= after:
                raise UnexpectedAnswerError(self.base_url, f"the same events again, after {after}")
            after = page["next_after"]

    @contextmanager
    def _open_stream(self, path: str, headers: Mapping[str, str]) -> Generator[httpx.Response]:
        timeout = httpx.Timeout(STREAM_SILENCE, connect=5.0)
        with (
            self._naming_errors(),
            self._http.stream("GET", path, headers=headers, timeout=timeout) as response,
        ):
            yield response

    def download_summary(self, job_id: str, path: Path) -> Path:
        """Download the summary of a job to the file `path`, or as `<job id>.zip` to the directory `path`; return where.

        An interrupted download is kept in `<path>.part` and resumed, also by a later call. The file gets its final name
        only if its SHA-256 is correct.

        Raises:
            ServiceProblem: The job has no summary (yet).
            DamagedDownloadError: The SHA-256 of the download is not the expected one.
            NotSavedError: The directory does not exist or is not writable, or the disk is full.
        """
        target = path / archive_name(job_id) if path.is_dir() else path
        summary = self.job(job_id)["summary"]
        url = f"{job_path(job_id)}/summary"
        if summary is None:
            with self._naming_errors(), self._http.stream("GET", url) as response:
                check_head(response)  # answers with the reason
            raise RunFailedError(job_id, "has no summary", None)
        return download(self._download, url, summary, target)

    @contextmanager
    def _download(self, url: str, headers: dict[str, str]) -> Generator[httpx.Response]:
        with (
            self._naming_errors(),
            following(self._http, url, headers, transport=self._transports.to) as response,
        ):
            yield response

    def _create(self, kind: Any, path: str, **options: Any) -> Any:
        """Send a POST request that creates something; its idempotency key makes it safe to retry."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        failed_at: float | None = None
        while True:
            try:
                return self._call(kind, "POST", path, headers=headers, **options)
            except (UnreachableError, ServiceProblem) as error:
                failed_at = failed_at or time.monotonic()
                if time.monotonic() - failed_at >= _patience(error):
                    raise
            time.sleep(RETRY_PAUSE)

    def _page(self, kind: Any, path: str, limit: int, cursor: str | None, wanted: RunFilter) -> Any:
        params = {"limit": limit, **({} if cursor is None else {"cursor": cursor}), **parameters(wanted)}
        return self._call(kind, "GET", path, params=params)

    def _call(self, kind: Any, method: str, path: str, **options: Any) -> Any:
        with self._naming_errors(), self._http.stream(method, path, **options) as response:
            return read_answer(response, kind)

    def _end(self, path: str, **options: Any) -> None:
        with self._naming_errors(), self._http.stream("DELETE", path, **options) as response:
            check_head(response)

    @contextmanager
    def _naming_errors(self) -> Generator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error


def _bulk(wanted: RunFilter, expected: int | None) -> dict[str, Any]:
    """The body of a request that does something to many runs."""
    return {"filter": parameters(wanted), "expected": expected}


def _kind(run_id: str) -> Any:
    """The type of a job or an evaluation."""
    return Evaluation if is_evaluation(run_id) else Job


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

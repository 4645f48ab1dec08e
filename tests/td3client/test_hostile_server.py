"""A server that is not the service, or wants to hurt whoever asks it."""

import contextlib
import gzip
import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from td3client import (
    Client,
    ClientError,
    DamagedDownloadError,
    InvalidIdError,
    NotSavedError,
    ServiceProblem,
    UnexpectedAnswerError,
)
from td3client.cli import main
from td3client.display import evaluation_line, event_line
from tests.support.peak_memory import peak_bytes
from tests.support.scripted_service import Answer, ScriptedService

MEGABYTE = 1 << 20
ARCHIVE = bytes(range(256)) * 40
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream"}

CALLS: dict[str, Callable[[Client, str, Path], object]] = {
    "job": lambda client, name, folder: client.job(name),
    "run": lambda client, name, folder: client.run(name),
    "cancel": lambda client, name, folder: client.cancel(name),
    "pause": lambda client, name, folder: client.pause(name),
    "evaluate": lambda client, name, folder: client.evaluate(name),
    "evaluation": lambda client, name, folder: client.evaluation(name),
    "evaluations": lambda client, name, folder: client.evaluations(name),
    "events": lambda client, name, folder: list(client.events(name)),
    "wait": lambda client, name, folder: list(client.wait(name)),
    "download": lambda client, name, folder: client.download_summary(name, folder),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_id_that_is_none_reaches_no_path(scripted: ScriptedService, tmp_path: Path, call: str) -> None:
    names = [
        "../../x",
        "/etc/passwd",
        "job_1/../../x",
        "job_",
        "job_1\0",
        "job_1?x=1",
        "CON",
        "job_é",
        "job_1 ",
        "",
    ]
    folder = tmp_path / "folder"
    folder.mkdir()
    with Client(scripted.url) as client:
        for name in names:
            with pytest.raises(InvalidIdError):
                CALLS[call](client, name, folder)
    assert scripted.requests == []
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def summary_of(**fields: Any) -> Answer:
    summary = {"bytes": len(ARCHIVE), "sha256": SHA256, "href": "/v1/jobs/job_1/summary", **fields}
    return Answer.json({"id": "job_1", "state": "succeeded", "summary": summary, "error": None})


def downloaded(scripted: ScriptedService, folder: Path, archive: Answer, **fields: Any) -> Path:
    scripted.script["GET /v1/jobs/job_1"] = [summary_of(**fields)]
    scripted.script["GET /v1/jobs/job_1/summary"] = [archive]
    with Client(scripted.url) as client:
        return client.download_summary("job_1", folder)


def test_the_name_and_the_address_of_a_download_are_the_clients_own(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    """The server may give itself any id, and any link to the archive."""
    answer = json.loads(summary_of(href="http://127.0.0.1:9/evil").body)
    scripted.script["GET /v1/jobs/job_1"] = [Answer.json({**answer, "id": "../../x"})]
    scripted.script["GET /v1/jobs/job_1/summary"] = [Answer(ARCHIVE)]
    with Client(scripted.url) as client:
        assert client.download_summary("job_1", tmp_path) == tmp_path / "job_1.zip"
    assert [path.name for path in tmp_path.iterdir()] == ["job_1.zip"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(ARCHIVE, endless=True), "more than the 10,240 bytes"),
        (Answer(ARCHIVE + b"!"), "more than the 10,240 bytes"),
        (Answer(b"<html>log in</html>", headers=HTML), "a web page"),
        (Answer(b"", 302, {"Location": "https://login.example/"}), "redirects to https://login.example/"),
        (Answer(b"", 307, {"Location": "file:///etc/passwd"}), "expected an address with http or https"),
        (Answer(gzip.compress(ARCHIVE), headers={"Content-Encoding": "gzip"}), "packed as 'gzip'"),
    ],
    ids=["endless", "longer", "page", "login", "file", "packed"],
)
def test_an_archive_that_is_none_is_refused(
    scripted: ScriptedService, tmp_path: Path, answer: Answer, reason: str
) -> None:
    with pytest.raises(UnexpectedAnswerError, match=reason):
        downloaded(scripted, tmp_path, answer)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_to_what_is_no_address_is_refused(scripted: ScriptedService, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="Invalid URL in location header"):
        downloaded(scripted, tmp_path, Answer(b"", 307, {"Location": "http://[::"}))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(ARCHIVE[:-1]),
        Answer(b"x" * len(ARCHIVE), headers={"ETag": f'"{SHA256}"'}),
        Answer(b"", 204),
        Answer(ARCHIVE[:5], 206, {"Content-Range": "bytes 5-9/10240"}),
    ],
    ids=["shorter", "labelled", "empty", "range"],
)
def test_an_archive_that_is_another_is_deleted(
    scripted: ScriptedService, tmp_path: Path, answer: Answer
) -> None:
    (tmp_path / "job_1.zip.part").write_bytes(ARCHIVE[:3])
    with pytest.raises(DamagedDownloadError):
        downloaded(scripted, tmp_path, answer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"bytes": 1 << 62}, NotSavedError),
        ({"bytes": -1}, UnexpectedAnswerError),
        ({"bytes": "10"}, UnexpectedAnswerError),
        ({"sha256": "../../x"}, UnexpectedAnswerError),
        ({"sha256": None}, UnexpectedAnswerError),
    ],
    ids=["huge", "negative", "text", "path", "null"],
)
def test_what_is_announced_is_checked_before_anything_is_fetched(
    scripted: ScriptedService, tmp_path: Path, fields: dict[str, Any], error: type[ClientError]
) -> None:
    with pytest.raises(error):
        downloaded(scripted, tmp_path, Answer(ARCHIVE), **fields)
    assert list(tmp_path.iterdir()) == []
    assert len(scripted.requests) == 1


def test_a_download_follows_no_link_out_of_its_folder(scripted: ScriptedService, tmp_path: Path) -> None:
    """As another user can leave one in a folder that is everyone's."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("precious")
    (folder / "job_1.zip.part").symlink_to(outside)
    with pytest.raises(NotSavedError):
        downloaded(scripted, folder, Answer(ARCHIVE))
    (folder / "job_1.zip.part").unlink()
    (folder / "job_1.zip").symlink_to(outside)
    assert downloaded(scripted, folder, Answer(ARCHIVE)).read_bytes() == ARCHIVE
    assert outside.read_text() == "precious"


NO_ANSWERS = {
    "page": (
        Answer(b"<html>log in</html>", headers=HTML),
        "it is text/html, where application/json was expected",
    ),
    "untyped": (Answer(b"{}"), "it is of no type"),
    "login": (Answer(b"", 302, {"Location": "/login"}), "redirects to /login, perhaps to log in"),
    "moved": (Answer(b"", 308, {"Location": "http://127.0.0.1:9/"}), "redirects to"),
    "packed": (
        Answer(gzip.compress(b"{}"), headers={**JSON, "Content-Encoding": "gzip"}),
        "packed as 'gzip'",
    ),
    "cut": (Answer(b'{"id": ', headers=JSON), "not JSON"),
    "bytes": (Answer(b"\xff\x00\xfe", headers=JSON), "not JSON"),
    "deep": (Answer(b"[" * 200_000, headers=JSON), "not JSON"),
    "digits": (Answer(b'{"step": ' + b"9" * 5_000 + b"}", headers=JSON), "not JSON"),
    "large": (Answer(b'{"step": 99999999999999999999}', headers=JSON), "too large"),
    "nan": (Answer(b'{"progress": NaN}', headers=JSON), "NaN is not a number"),
    "infinite": (Answer(b'{"progress": 1e999}', headers=JSON), "1e999 is not a number"),
    "list": (Answer.json([1]), r"answer is \[1\]; expected an object"),
    "types": (Answer.json({"id": "job_1", "progress": "1"}), "answer.progress is '1'; expected a number"),
    "nested": (Answer.json({"error": {"detail": 1}}), "answer.error.detail is 1; expected text"),
    "boolean": (Answer.json({"step": True}), "answer.step is True; expected a whole number"),
    "bad problem": (Answer(b"{", 422, {"Content-Type": "application/problem+json"}), "not JSON"),
    "list of problems": (
        Answer(b"[]", 422, {"Content-Type": "application/problem+json"}),
        "expected an object",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_an_answer_that_is_none_is_told_in_a_sentence(
    scripted: ScriptedService, answer: Answer, reason: str
) -> None:
    scripted.script["GET /v1/jobs/job_1"] = [answer]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match=reason) as raised:
        client.job("job_1")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b" " * MEGABYTE, headers=JSON, endless=True),
        Answer(b" " * MEGABYTE, 500, headers={"Content-Type": "application/problem+json"}, endless=True),
        Answer(gzip.compress(b" " * (512 * MEGABYTE), 1), headers={**JSON, "Content-Encoding": "gzip"}),
    ],
    ids=["endless", "endless problem", "bomb"],
)
def test_an_answer_without_end_takes_no_more_memory(scripted: ScriptedService, answer: Answer) -> None:
    scripted.script["GET /v1/jobs/job_1"] = [answer]

    def ask() -> None:
        with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError):
            client.job("job_1")

    assert peak_bytes(ask) < 100 * MEGABYTE


def test_problems_that_are_odd_are_still_told(scripted: ScriptedService) -> None:
    fields = {
        "title": 1,
        "detail": "no\x1b[31m",
        "errors": [1, {"reason": "bad\x9b\n" * 50}] * 500,
        "code": [],
    }
    scripted.script["GET /v1/jobs/job_1"] = [
        Answer.json(fields, status=422, content_type="application/problem+json")
    ]
    with Client(scripted.url) as client, pytest.raises(ServiceProblem) as raised:
        client.job("job_1")
    lines = str(raised.value).splitlines()
    assert lines[0] == "no\\x1b[31m"
    assert len(lines) == 102
    assert lines[-1] == "  and 400 more"
    assert all(line.isprintable() for line in lines)


def event(seq: Any, kind: Any = "stage") -> bytes:
    fields = {"seq": seq, "at": "2026-01-02T03:04:05Z", "attempt": 1, "kind": kind, "data": {}}
    return f"data: {json.dumps(fields)}\n\n".encode()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"x" * MEGABYTE, headers=EVENTS, endless=True), "more than 1,048,576 bytes"),
        (Answer(b"data: x\n" * 1_000, headers=EVENTS, endless=True), "more than 1,048,576 bytes"),
        (Answer(b"<html>", headers=HTML), "it is text/html, where text/event-stream was expected"),
        (Answer(b"data: {\n\n", headers=EVENTS), "not JSON"),
        (Answer(event("1"), headers=EVENTS), "answer.seq is '1'"),
        (Answer(event(1) + event(1), headers=EVENTS), "event 1 again"),
        (Answer(event(1, None), headers=EVENTS), "answer.kind is None"),
        (Answer(b"data: {}\n\n", headers=EVENTS), "no field 'seq'"),
        (Answer(b"", 302, {"Location": "/login"}), "redirects to /login"),
    ],
    ids=["line", "lines", "page", "cut", "text", "again", "null", "missing", "login"],
)
def test_a_stream_of_no_events_is_refused(scripted: ScriptedService, answer: Answer, reason: str) -> None:
    scripted.script["GET /v1/jobs/job_1/events"] = [answer]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match=reason):
        list(client.events("job_1"))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("stage", {"stage": "teacher", "progress": "x"}),
        ("metrics", {"stage": "teacher", "progress": 0.5, "steps": 1, "step": 1, "losses": [1]}),
        ("failed", {"error": "x"}),
        ("reading", {"warnings": 1}),
    ],
)
def test_data_of_events_that_cannot_be_shown_are_refused(kind: str, data: dict[str, Any]) -> None:
    """The API says of them no more than that they are objects."""
    with pytest.raises(UnexpectedAnswerError, match="expected"):
        event_line({"seq": 1, "at": "2026-01-02T03:04:05Z", "attempt": 1, "kind": kind, "data": data})


def test_a_spec_whose_learners_are_no_list_is_refused() -> None:
    evaluation: Any = {**EVALUATION, "spec": {"learners": 3}}
    with pytest.raises(UnexpectedAnswerError, match="learners is 3; expected a list"):
        evaluation_line(evaluation)


def test_pages_of_events_that_lead_nowhere_are_refused(scripted: ScriptedService) -> None:
    page = {"items": [json.loads(event(1)[6:])], "next_after": 0, "ended": False}
    scripted.script["GET /v1/jobs/job_1/events?after=0"] = [Answer.json(page)]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match="the same events again"):
        list(client.events("job_1", follow=False))


EVIL = "\x1b]0;owned\x07\x9b31m[bold red]\u202eevil[/]\r\ud800\n"
RUN: dict[str, Any] = {
    "id": f"job_1{EVIL}", "state": "running", "stage": EVIL, "progress": 0.5, "step": 7, "steps": 14,
    "losses": {EVIL: 0.25}, "scores": None, "eta_seconds": 65.2, "error": None, "summary": None,
    "dataset": {"name": EVIL}, "created_at": f"2026-01-02T{EVIL}", "metrics": None,
}  # fmt: skip
FAILED = {**RUN, "state": "failed", "error": {"code": EVIL, "detail": EVIL}}
SPREAD = {"mean": 0.5, "std": 0.1, "low": 0.4, "high": 0.6, "values": [0.5]}
EVALUATION = {
    **RUN, "id": "eval_1", "state": "succeeded", "spec": {"learners": [EVIL]}, "intervals": "seeds",
    "results": {EVIL: {EVIL: {f"{EVIL}@10": SPREAD}}}, "recovery": {}, "diverged": {EVIL: [EVIL]},
    "warnings": [{"detail": EVIL}], "unavailable": [EVIL],
}  # fmt: skip
LOGGED = {"seq": 1, "at": EVIL, "attempt": 1, "kind": EVIL, "data": {EVIL: EVIL}}


def serve_evil(scripted: ScriptedService) -> None:
    page = {"next_cursor": None, "next_after": 1, "ended": True}
    scripted.script = {
        "GET /v1/jobs/job_1": [Answer.json(RUN), Answer.json(FAILED)],
        "GET /v1/jobs/job_2": [Answer.json(RUN)],
        "GET /v1/jobs?limit=20": [Answer.json({**page, "items": [RUN]})],
        "GET /v1/evaluations/eval_1": [Answer.json(EVALUATION)],
        "GET /v1/jobs/job_1/evaluations?limit=20": [Answer.json({**page, "items": [EVALUATION]})],
        "GET /v1/jobs/job_1/events?after=0": [Answer.json({**page, "items": [LOGGED]})],
        "POST /v1/jobs/job_1/cancel": [Answer.json({**RUN, "state": EVIL})],
        "POST /v1/jobs/job_1/evaluations": [Answer.json({**EVALUATION, "id": f"../{EVIL}"}, status=202)],
        "POST /v1/jobs/job_1/pause": [
            Answer.json({"detail": EVIL}, status=409, content_type="application/problem+json")
        ],
        "POST /v1/jobs/job_1/resume": [Answer(EVIL.encode(errors="replace"), 502)],
    }


COMMANDS = [
    ("status", "job_2"), ("jobs",), ("evaluations", "job_1"), ("events", "job_1"), ("wait", "eval_1"),
    ("wait", "job_1"), ("cancel", "job_1"), ("pause", "job_1"), ("resume", "job_1"), ("evaluate", "job_1"),
]  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run the command line, and return what it writes."""
    monkeypatch.setattr(sys, "argv", ["td3", *arguments])
    with contextlib.suppress(SystemExit):
        main()
    return "".join(capsys.readouterr())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_text_of_a_server_is_printed_as_it_is(
    scripted: ScriptedService,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    serve_evil(scripted)
    text = told(capsys, monkeypatch, *command, "--url", scripted.url)
    assert "owned" in text
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("command", [("wait", "job_1"), ("wait", "eval_1"), ("jobs",)], ids=" ".join)
def test_no_text_of_a_server_controls_the_terminal(
    scripted: ScriptedService, command: tuple[str, ...]
) -> None:
    """On which only the styles and the bar of the command line itself are."""
    serve_evil(scripted)
    shown = on_terminal([sys.executable, "-m", "td3client", *command, "--url", scripted.url])
    assert "Traceback" not in shown
    assert "owned" in shown
    assert not any(control in shown for control in ("\x1b]", "\x07", "\x9b", "\u202e", "evil\n"))


def on_terminal(arguments: list[str]) -> str:
    """Run a command on a pseudo-terminal, and return what it writes there."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    process = subprocess.Popen(arguments, stdout=follower, stderr=follower, stdin=follower, env=environment)
    os.close(follower)
    written = bytearray()
    try:
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # nobody has the terminal any more
                break
            if not chunk:
                break
            written += chunk
        process.wait(timeout=60)
    finally:
        process.kill()
        os.close(leader)
    return written.decode(errors="replace")


def test_status_is_json_that_a_program_can_read(
    scripted: ScriptedService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_evil(scripted)
    assert json.loads(told(capsys, monkeypatch, "status", "job_2", "--url", scripted.url)) == RUN


@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
def test_an_answer_without_fields_is_an_error_in_a_line(
    scripted: ScriptedService,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    serve_evil(scripted)
    for answers in scripted.script.values():
        answers[:] = [Answer.json({})]
    text = told(capsys, monkeypatch, *command, "--url", scripted.url)
    assert text.startswith("Error: an answer has no field")
    assert len(text.splitlines()) == 1

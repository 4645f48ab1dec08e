"""Webhooks, keys and projects by the client and by `td3`, of a real service that lets nobody in without a key."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access.scopes import ROLES
from api.db import Database
from api.settings import Settings
from td3client import Client, InvalidIdError, ServiceProblem
from td3client.cli import main
from td3client.terminal import given_profile
from tests.support.access import new_key
from tests.support.interaction_logs import LOG
from tests.support.receivers import receiving
from tests.support.waiting import wait_until
from tests.support.webhooks import SECRET, hasty, sending

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
SINCE = "2026-01-15T00:00:00Z"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return hasty(settings.model_copy(update={"access_control": "keys"}))


@pytest.fixture
def client(api: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client with the key of a platform administrator, which `td3` uses as well."""
    monkeypatch.setenv("TD3_URL", str(api.base_url).rstrip("/"))
    monkeypatch.setenv("TD3_TOKEN", new_key(database, ROLES["platform"]).secret)
    with Client() as client:
        yield client


class Command:
    """`td3` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.messages = ""
        """What the last call has written to standard error."""

    def __call__(self, *arguments: str) -> str:
        """Return what is written to standard output by a command that succeeds."""
        self._monkeypatch.setattr(sys, "argv", ["td3", *arguments])
        given_profile.set(None)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        self.messages = printed.err
        assert not ended.value.code, printed.err
        return printed.out


@pytest.fixture
def td3(client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_a_program_looks_after_webhooks(client: Client, database: Database, settings: Settings) -> None:
    hooks = client.webhooks
    with receiving() as receiver, sending(database, settings):
        made = hooks.create(receiver.url, events=["job.submitted"], secret=SECRET)
        told = hooks.test(made["id"])
        wait_until(lambda: hooks.delivery(made["id"], told["id"])["state"] == "delivered")
        assert receiver.received[0].verified(SECRET) == told["payload"]
        assert hooks.redeliver(made["id"], told["id"])["state"] == "waiting"
        wait_until(lambda: len(receiver.received) == 2)
        wait_until(lambda: hooks.delivery(made["id"], told["id"])["state"] == "delivered")
    shown = hooks.delivery(made["id"], told["id"])
    assert [one["status"] for one in shown["tries"]] == [204, 204]
    assert hooks.deliveries(made["id"])["items"] == [{**shown, "tries": shown["tries"][-1:]}]
    assert hooks.deliveries(made["id"], state="failed")["items"] == []
    assert hooks.list()["items"] == [hooks.get(made["id"])]
    assert hooks.update(made["id"], enabled=False)["enabled"] is False
    changed = hooks.update(made["id"], enabled=True, events=["job.failed"], url=f"{receiver.url}/2")
    assert (changed["enabled"], changed["events"], changed["url"]) == (
        True,
        ["job.failed"],
        f"{receiver.url}/2",
    )
    assert hooks.replay(made["id"], since=SINCE) == 0
    rotated = hooks.rotate(made["id"], overlap_seconds=0)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != SECRET
    hooks.delete(made["id"])
    with pytest.raises(ServiceProblem, match="does not exist") as gone:
        hooks.get(made["id"])
    assert gone.value.code == "webhook_not_found"


def test_the_command_line_looks_after_webhooks(td3: Command, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    url = "https://hooks.example.com/td3"
    made = json.loads(td3("webhooks", "create", url, "--event", "job.failed", "--secret-file", str(secret)))
    assert (made["secret"], made["events"]) == (SECRET, ["job.failed"])
    assert td3("webhooks", "list") == f"{made['id']} on  {url} job.failed\n"
    delivery = td3("webhooks", "test", made["id"]).strip()
    line = td3("webhooks", "deliveries", made["id"], "--state", "waiting")
    assert line.split()[:2] + line.split()[3:] == [delivery, "waiting", "webhook.test"]
    assert json.loads(td3("webhooks", "delivery", made["id"], delivery))["id"] == delivery
    assert td3("webhooks", "redeliver", made["id"], delivery) == "waiting\n"
    td3("webhooks", "replay", made["id"], "--since", SINCE)
    assert td3.messages == "0 events are sent\n"
    assert json.loads(td3("webhooks", "rotate", made["id"]))["secret"] != SECRET
    changed = td3("webhooks", "update", made["id"], "--disable", "--receiver", f"{url}/2")
    shown = json.loads(td3("webhooks", "get", made["id"]))
    assert json.loads(changed) == shown
    assert (shown["enabled"], shown["url"]) == (False, f"{url}/2")
    td3("webhooks", "delete", made["id"])
    assert td3("webhooks", "list") == ""


def test_a_job_is_submitted_with_a_webhook(td3: Command, client: Client, tmp_path: Path) -> None:
    log, secret = tmp_path / "log.csv", tmp_path / "secret"
    log.write_text(LOG)
    secret.write_text(SECRET)
    url = "https://hooks.example.com/td3"
    job_id = td3("submit", str(log), "--webhook", url, "--webhook-event", "job.failed").strip()
    (hook,) = client.webhooks.list(job_id=job_id)["items"]
    assert (hook["url"], hook["events"], hook["job_id"]) == (url, ["job.failed"], job_id)
    assert f"Webhook {hook['id']}; its secret is not shown again: whsec_" in td3.messages
    assert (
        td3("submit", str(log), "--webhook", f"{url}/2", "--webhook-secret-file", str(secret)).strip()
        == job_id
    )
    assert "whsec_" not in td3.messages
    assert {hook["url"] for hook in client.webhooks.list(job_id=job_id)["items"]} == {url, f"{url}/2"}
    assert td3("webhooks", "list", "--job", job_id).count("\n") == 2


def test_an_administrator_gives_and_ends_keys(td3: Command, client: Client) -> None:
    project = td3("projects", "create", "Recommendations").strip()
    assert f"{project} Recommendations\n" in td3("projects", "list")
    assert client.projects.get(project)["name"] == "Recommendations"
    text = td3("keys", "create", "CI", "--role", "viewer", "--days", "7", "--project", project).strip()
    key_id = td3.messages.split(",")[0]
    with Client(token=text) as theirs:
        me = theirs.me()
        assert (me["project"], me["key_id"]) == (project, key_id)
        with pytest.raises(ServiceProblem) as refused:
            theirs.webhooks.list()
        assert refused.value.code == "missing_scope"
    assert td3("keys", "list", "--project", project).startswith(f"{key_id} ...{text[-4:]} until ")
    other = td3("keys", "rotate", key_id, "--overlap", "0", "--project", project).strip()
    with Client(token=text) as theirs, pytest.raises(ServiceProblem, match="has expired"):
        theirs.me()
    with Client(token=other) as theirs:
        new_id = theirs.me()["key_id"]
        assert new_id is not None
        td3("keys", "revoke", new_id, "--project", project)
        with pytest.raises(ServiceProblem, match="has been revoked"):
            theirs.me()
    assert client.keys.get(new_id, project=project)["revoked_at"] is not None
    scoped = client.keys.create("two", scopes=["jobs:read", "jobs:write"], expires_in_days=1)
    assert (scoped["scopes"], scoped["project"]) == (["jobs:read", "jobs:write"], "default")


def test_what_is_no_id_reaches_no_path(client: Client) -> None:
    for asked in (
        lambda: client.webhooks.get("../keys"),
        lambda: client.webhooks.delivery("hook_1", "msg_1/redeliver"),
        lambda: client.webhooks.list(job_id="job_1&limit=1"),
        lambda: client.keys.revoke("key_1?project=x"),
        lambda: client.projects.get("proj_../x"),
    ):
        with pytest.raises(InvalidIdError):
            asked()

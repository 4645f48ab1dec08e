"""What other users of the machine see of the service: nothing."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
import redis.exceptions

from api.errors import SettingsError
from api.queue import make_celery
from api.settings import Settings
from embedded.broker import start_broker
from embedded.errors import DataDirUnusableError
from embedded.lock import exclusive


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_the_data_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    Settings(data_dir=folder).open_folders()
    (folder / "log").write_text("u,i")
    (folder / "uploads").mkdir()
    assert (mode(folder), mode(folder / "log"), mode(folder / "uploads")) == (0o700, 0o600, 0o700)
    assert {path.name for path in folder.iterdir()} == {"log", "storage", "uploads"}


def test_a_data_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with exclusive(tmp_path):
        assert mode(tmp_path) == 0o700


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("inside", ["", "data"])
def test_a_file_in_place_of_a_folder_is_told_in_a_sentence(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(
        SettingsError,
        match=r"TD3_DATA_DIR: '.*' cannot be used \(.*\); expected a directory that this user can",
    ):
        Settings(data_dir=file / inside).open_folders()
    with (
        pytest.raises(DataDirUnusableError, match=r"cannot be used \(.*\); choose another"),
        exclusive(file / inside),
    ):
        pass


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("setting", "url"),
    [("database_url", "sqlite:///{}/td3.sqlite3"), ("storage_url", "file://{}/storage")],
)
def test_a_file_in_place_of_another_folder_is_told_with_its_setting(
    tmp_path: Path, setting: str, url: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(
        SettingsError,
        match=rf"^TD3_{setting.upper()}: '{file}.*' cannot be used \(.*\); expected a directory",
    ):
        Settings.model_validate({"data_dir": tmp_path / "data", setting: url.format(file)}).open_folders()


@pytest.mark.usefixtures("umask")
def test_a_folder_that_nobody_can_write_to() -> None:
    with pytest.raises(SettingsError, match=r"TD3_DATA_DIR: '/proc/td3' cannot be used"):
        Settings(data_dir=Path("/proc/td3")).open_folders()


def test_the_broker_asks_for_a_password_that_no_command_line_has(tmp_path: Path) -> None:
    with start_broker(tmp_path / "data", log=tmp_path / "broker.log") as broker:
        with redis.Redis(port=broker.port) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
            stranger.ping()
        assert broker.password not in " ".join(psutil.Process(broker.process.pid).cmdline())
        assert broker.password not in repr(broker)
        assert mode(tmp_path / "data" / "valkey.conf") == 0o600
    with start_broker(tmp_path / "data", log=tmp_path / "broker.log") as again:
        assert again.password != broker.password


def test_workers_take_no_orders_from_the_broker() -> None:
    assert make_celery("redis://127.0.0.1:1/0").conf.worker_enable_remote_control is False

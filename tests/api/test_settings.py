from pathlib import Path

import pytest

from api.db import make_engine
from api.errors import SettingsError
from api.settings import Settings, load_settings
from api.storage import open_storage


def test_the_defaults_suit_the_embedded_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TD3_DATA_DIR", str(tmp_path))
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path}/td3.sqlite3"
    assert settings.storage_url == f"file://{tmp_path}/storage"
    with pytest.raises(SettingsError, match="TD3_BROKER_URL is not set"):
        _ = settings.required_broker_url


def test_a_data_folder_of_any_name_holds_database_and_storage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "my data#1?%41 ü"
    monkeypatch.setenv("TD3_DATA_DIR", str(folder))
    settings = load_settings()
    engine = make_engine(settings.database_url)
    engine.connect().close()
    engine.dispose()
    (tmp_path / "log").write_text("x")
    open_storage(settings.storage_url).put_file("key", tmp_path / "log")
    assert list(tmp_path.rglob("td3.sqlite3")) == [folder / "td3.sqlite3"]
    assert list(tmp_path.rglob("key")) == [folder / "storage" / "key"]


def test_sizes_may_carry_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_MAX_UPLOAD_BYTES", "1.5GiB")
    assert load_settings().max_upload_bytes == 1.5 * 2**30


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_PORT", "99999")
    monkeypatch.setenv("TD3_LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "TD3_PORT='99999': expected at most 65535" in str(caught.value)
    assert "TD3_LOG_LEVEL='LOUD'" in str(caught.value)


def test_only_wrong_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_PORT", "abc")
    with pytest.raises(SettingsError, match=r"^TD3_PORT='abc': [^;]*$"):
        load_settings()


@pytest.mark.parametrize("url", ["foo", "mysql://u:secret@h/d", "postgresql://u:secret@h:port/d"])
def test_the_url_of_another_database_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TD3_DATABASE_URL", url)
    with pytest.raises(
        SettingsError, match=r"^TD3_DATABASE_URL: expected sqlite:///\S+ or postgresql://\S+$"
    ):
        load_settings()


def test_the_url_of_another_broker_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_BROKER_URL", "amqp://user:secret@host")
    with pytest.raises(
        SettingsError, match=r"^TD3_BROKER_URL: expected redis://\S+ of a Redis or Valkey server$"
    ):
        load_settings()


def test_a_shorter_lease_has_a_faster_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().heartbeat_seconds == 10
    for lease in ("6", *(f"{tenths / 10}" for tenths in range(1, 300))):
        monkeypatch.setenv("TD3_LEASE_SECONDS", lease)
        assert load_settings().heartbeat_seconds == float(lease) / 3


def test_a_lease_without_room_for_lost_heartbeats_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_LEASE_SECONDS", "5")
    monkeypatch.setenv("TD3_HEARTBEAT_SECONDS", "10")
    with pytest.raises(SettingsError, match=r"^TD3_HEARTBEAT_SECONDS=10 with TD3_LEASE_SECONDS=5: "):
        load_settings()
    monkeypatch.setenv("TD3_LEASE_SECONDS", "30")
    assert load_settings().lease_seconds == 30


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:one", "CPU", "mps"])
def test_a_device_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setenv("TD3_DEVICE", device)
    with pytest.raises(SettingsError, match=f"^TD3_DEVICE='{device}': "):
        load_settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description, f"{name} has no description"
    assert description.endswith("."), f"{name}: {description}"


def test_secrets_are_not_shown() -> None:
    settings = Settings(database_url="postgresql://u:secret@h/d", broker_url="redis://:secret@h/0")
    assert "secret" not in repr(settings)

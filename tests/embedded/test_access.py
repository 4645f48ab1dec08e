import stat
from pathlib import Path

import pytest

from embedded.access import kept, new_key
from embedded.errors import NoKeyError


def test_a_key_is_kept_for_its_user_until_the_service_ends(tmp_path: Path) -> None:
    file = tmp_path / "new" / "api-key"
    with kept("td3_first", file):
        assert file.read_text() == "td3_first\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == []


def test_the_key_of_a_service_that_came_later_stays(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    with kept("td3_first", file):
        file.chmod(0o644)
        later = kept("td3_second", file)
        later.__enter__()
    assert file.read_text() == "td3_second\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_was_removed_meanwhile_is_missed_by_nobody(tmp_path: Path) -> None:
    with kept("td3_first", tmp_path / "api-key"):
        (tmp_path / "api-key").unlink()


def test_what_is_wrong_is_told_without_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(NoKeyError, match="no API key could be made") as refused,
        kept("td3_x", tmp_path / "file/key"),
    ):
        pass
    assert "td3_x" not in str(refused.value)
    with pytest.raises(NoKeyError, match="TD3_DATABASE_URL"):
        new_key({"TD3_DATABASE_URL": "nonsense", "PYTHONPATH": str(Path(__file__).parents[2])})

"""The README's settings are the code's settings."""

import re
from pathlib import Path

from api.settings import Settings

README = Path(__file__).parents[2] / "README.md"
# Read by the client and by the tests, not by the service.
OTHERS = {"TD3_URL", "TD3_TEST_POSTGRES_URL", "TD3_TEST_BROKER_URL"}


def test_every_setting_is_listed_and_nothing_else() -> None:
    settings = {f"TD3_{name.upper()}" for name in Settings.model_fields}
    listed = set(re.findall(r"\bTD3_[A-Z0-9_]+\b", README.read_text(encoding="utf-8")))
    assert settings - listed == set(), "settings that the README does not list"
    assert listed - settings - OTHERS == set(), "variables in the README that nothing reads"

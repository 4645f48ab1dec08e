"""Plugins of every test: fixtures of real servers and of the service, and assertions that explain themselves."""

import pytest

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.servers.fixtures", "tests.support.service"]

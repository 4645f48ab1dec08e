"""Plugins of every test: checked annotations, assertions that explain themselves, real servers, and the service."""

import pytest

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.annotations", "tests.support.servers.fixtures", "tests.support.service"]

"""An issuer that runs."""

from collections.abc import Iterator

import pytest

from tests.support.issuers import Issuer, issuing


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running

"""Tests of the API need no pages."""

import pytest


@pytest.fixture
def serves_pages() -> bool:
    return False

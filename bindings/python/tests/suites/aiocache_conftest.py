"""The fixtures of aiocache's acceptance tests, with this package's cache. Runs among them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiocache import caches

from litestash.plugs.aiocache import LiteStashCache


@pytest.fixture(autouse=True)
def reset_caches() -> None:
    caches._caches = {}


@pytest.fixture
async def cache(tmp_path: Any) -> AsyncIterator[LiteStashCache]:
    async with LiteStashCache(tmp_path / "stash", namespace="test") as cache:
        yield cache

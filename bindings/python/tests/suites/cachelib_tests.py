"""cachelib's tests of every cache. Runs among them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from clear import ClearTests  # type: ignore[import-not-found]
from common import CommonTests  # type: ignore[import-not-found]
from has import HasTests  # type: ignore[import-not-found]

from litestash.plugs.cachelib import LiteStashCache

_number = itertools.count()


@pytest.fixture(autouse=True)
def cache_factory(request: pytest.FixtureRequest, tmp_path: Any) -> None:
    def factory(self: Any, **options: Any) -> LiteStashCache:
        return LiteStashCache(tmp_path / str(next(_number)), **options)

    tests = request.cls
    assert tests is not None, "every test is a method"
    tests.cache_factory = factory


class TestLiteStash(CommonTests, HasTests, ClearTests):  # type: ignore[misc]
    # As theirs, but for a map with an integer as key, which is no value here.
    sample_pairs = CommonTests.sample_pairs | {"4096": {"sauce": [], "256": "truffle"}}

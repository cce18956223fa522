from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from litestash import LiteStash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stash"


@pytest.fixture
def stash(folder: Path) -> Iterator[LiteStash]:
    with LiteStash(folder) as stash:
        yield stash

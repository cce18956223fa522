"""Examples in docstrings run, and the help teaches."""

from __future__ import annotations

import doctest
import importlib
import pydoc

import pytest

import litestash


@pytest.mark.parametrize("name", ["litestash", "litestash._stash", "litestash._async", "litestash.importers"])
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0 and result.attempted > 0


@pytest.mark.parametrize("cls", [litestash.LiteStash, litestash.AsyncLiteStash])
def test_every_public_method_says_what_it_does(cls: type) -> None:
    public = [name for name in dir(cls) if not name.startswith("_")]
    assert len(public) > 30
    assert [name for name in public if not (getattr(cls, name).__doc__ or "").strip()] == []


def test_the_help_teaches() -> None:
    text = pydoc.plain(pydoc.render_doc(litestash.LiteStash))
    for word in ("durability", "encryption_key", "transact", "memoize", "ConflictError", ">>> stash"):
        assert word in text

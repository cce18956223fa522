"""Encryption and compression."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import litestash
from litestash import LiteStash, WrongKeyError

KEY = bytes(range(32))


def test_an_encrypted_stash_opens_with_its_key_only(folder: Path, tmp_path: Path) -> None:
    with LiteStash(folder, encryption_key=KEY) as stash:
        stash["secret"] = "the quick brown fox"
        stash.bucket("b")["x"] = 1
        assert stash.is_encrypted and stash.rotate_key()["finished"]
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(stash)
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(stash.bucket("b"))
        assert "KEY" not in repr(stash)
    assert not any(b"quick brown" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    for wrong in ({"encryption_key": bytes(32)}, {}, {"passphrase": "x"}):
        with pytest.raises(WrongKeyError):
            LiteStash(folder, **wrong)
    for invalid in ({"encryption_key": b"short"}, {"encryption_key": "text"}, {"encryption_key": KEY, "passphrase": "x"}):
        with pytest.raises(ValueError):
            LiteStash(folder, **invalid)
    with LiteStash(folder, encryption_key=KEY) as stash:
        assert stash["secret"] == "the quick brown fox" and stash.bucket("b")["x"] == 1
        stash.change_passphrase("correct horse")
    with LiteStash(folder, passphrase="correct horse") as stash:
        assert stash["secret"] == "the quick brown fox"
        stash.change_key(KEY)
    assert litestash.repair(folder, tmp_path / "mended", encryption_key=KEY)["rows"] >= 1


def test_compression(folder: Path) -> None:
    with LiteStash(folder, compression=True) as stash:
        stash["long"] = "ab" * 100_000
        stash.sync()
        assert stash.stats()["record_bytes"] < 10_000
    with LiteStash(folder, compression={"level": 9, "min_bytes": 10}) as stash:
        assert stash["long"] == "ab" * 100_000
    for wrong in (5, {"level": 99}, {"no": 1}, {"level": "x"}):
        with pytest.raises(ValueError):
            LiteStash(folder, compression=wrong)

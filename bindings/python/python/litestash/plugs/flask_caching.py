"""Flask-Caching.

    app.config["CACHE_TYPE"] = "litestash.plugs.flask_caching.LiteStashCache"
    app.config["CACHE_DIR"] = "data"
    app.config["CACHE_OPTIONS"] = {"max_bytes": 64 << 20, "eviction": "least-recently-used"}
"""

from __future__ import annotations

from typing import Any

from flask_caching.backends.base import BaseCache

from ._shared import shared
from .cachelib import LiteStashCache as _Cache


class LiteStashCache(_Cache, BaseCache):
    """The backend of cachelib with what Flask-Caching asks for besides."""

    def __init__(self, stash: Any, default_timeout: int = 300) -> None:
        _Cache.__init__(self, stash, default_timeout)
        self.ignore_delete_many_errors = False

    @classmethod
    def factory(cls, app: Any, config: Any, args: list[Any], kwargs: dict[str, Any]) -> LiteStashCache:
        """Made from an app's configuration."""
        options = dict(kwargs)
        timeout = options.pop("default_timeout", config.get("CACHE_DEFAULT_TIMEOUT", 300))
        options.pop("ignore_delete_many_errors", None)
        return cls(shared(config["CACHE_DIR"], options), timeout)

"""Django's own tests of caches and sessions, with this package's backends.

    python tests/suites/django_suite.py DIRECTORY

The directory is `tests` of Django's source distribution. What does not apply is listed here with its reason, and must
fail: if it passes one day, that is a failure too."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import unittest
from typing import Any

LOCATION = tempfile.mkdtemp(prefix="litestash-django-")
# Stashes are closed before: what is registered last runs first.
atexit.register(shutil.rmtree, LOCATION, ignore_errors=True)
BACKEND = "litestash.plugs.django_cache.LiteStashCache"

#: Tests of caches that cannot pass, and why.
DIFFERENT = {
    "test_data_types": "functions and classes are no values, and tuples are read as lists",
    "test_cache_read_for_model_instance": "instances of models are no values",
    "test_cache_write_for_model_instance_with_deferred": "query sets are no values",
    "test_cache_read_for_model_instance_with_deferred": "query sets are no values",
    "test_add_fail_on_pickleerror": "what cannot be stored is InvalidValueError, not PickleError",
    "test_set_fail_on_pickleerror": "what cannot be stored is InvalidValueError, not PickleError",
    "test_cull": "limits are those of the stash, max_rows and max_bytes",
    "test_zero_cull": "limits are those of the stash, max_rows and max_bytes",
}


def configure(directory: str) -> None:
    import django
    from django.conf import settings

    sys.path.insert(0, directory)
    templates = {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [f"{directory}/templates"]}
    settings.configure(
        SECRET_KEY="django_tests_secret_key",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "cache", "sessions_tests"],
        ROOT_URLCONF="urls",
        TEMPLATES=[templates],
        LANGUAGE_CODE="en",
        USE_TZ=False,
        CACHES={"default": {"BACKEND": BACKEND, "LOCATION": LOCATION}},
        LITESTASH_SESSIONS={"LOCATION": LOCATION},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


def classes() -> list[type[unittest.TestCase]]:
    from cache import tests as cache_tests  # type: ignore[import-not-found]
    from django.test import SimpleTestCase, TestCase, override_settings
    from sessions_tests import tests as sessions_tests  # type: ignore[import-not-found]

    from litestash import InvalidValueError
    from litestash.plugs.django_session import SessionStore

    class Caches(cache_tests.BaseCacheTests, TestCase):  # type: ignore[misc]
        def test_what_is_refused(self) -> None:
            for operation in (cache_tests.cache.add, cache_tests.cache.set):
                with self.assertRaises(InvalidValueError):
                    operation("unpicklable", cache_tests.Unpicklable())
            self.assertIsNone(cache_tests.cache.get("unpicklable"))

    for name in DIFFERENT:
        setattr(Caches, name, unittest.expectedFailure(getattr(cache_tests.BaseCacheTests, name)))

    class Sessions(sessions_tests.SessionTestsMixin, SimpleTestCase):  # type: ignore[misc]
        backend = SessionStore

    # What Django runs with its cache in memory: pages, headers and templates.
    users = ["CacheUtils", "PrefixedCacheUtils", "CacheHEADTest", "CacheI18nTest", "PrefixedCacheI18nTest"]
    users += ["CacheMiddlewareTest", "TestWithTemplateResponse"]
    found: dict[str, Any] = {name: type(name, (getattr(cache_tests, name),), {}) for name in users}
    found["CacheSessionTests"] = type("CacheSessionTests", (sessions_tests.CacheSessionTests,), {})
    backend = {"BACKEND": BACKEND, "LOCATION": LOCATION}
    other = backend | {"OPTIONS": {"bucket": "other"}, "TIMEOUT": "1"}
    for name in found:
        found[name] = override_settings(CACHES={"default": backend, "other": other})(found[name])
    caches: Any = override_settings(CACHES=cache_tests.caches_setting_for_tests(**backend))(Caches)
    return [caches, Sessions, *found.values()]


def main() -> int:
    configure(sys.argv[1])
    from django.test.runner import DiscoverRunner
    from django.test.utils import setup_test_environment

    setup_test_environment()
    runner: Any = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        suite = unittest.TestSuite(map(load, classes()))
        result = unittest.TextTestRunner(verbosity=0, buffer=True).run(suite)
    finally:
        runner.teardown_databases(databases)
    # A directory without its tests, or another Django's, has not shown anything.
    return 0 if result.wasSuccessful() and result.testsRun > 200 and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main())

"""The tests that other packages have of their own caches, with this package's plugs in their place.

    python tests/suites DIRECTORY

The directory holds the unpacked source distributions of Django, cachelib and aiocache, of the versions that are
installed. What runs in theirs is copied into them first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent

#: Its acceptance tests of every cache.
AIOCACHE = [f"tests/acceptance/test_{name}.py" for name in ("base", "decorators", "lock")]


def pytest(folder: Path, *arguments: str) -> list[str]:
    """A run without the package's own settings."""
    own = ["-c", os.devnull, "--rootdir", str(folder), "-o", "asyncio_mode=auto", "--timeout", "60"]
    own += ["-o", "asyncio_default_fixture_loop_scope=function", "--disable-warnings"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own, *arguments]


def main() -> int:
    sources = Path(sys.argv[1])
    django, cachelib, aiocache = (sources / f"{name}-{version(name)}/tests" for name in ("django", "cachelib", "aiocache"))
    shutil.copy(HERE / "cachelib_tests.py", cachelib / "test_litestash.py")
    shutil.copy(HERE / "aiocache_conftest.py", aiocache / "acceptance/conftest.py")
    commands = [
        ([sys.executable, str(HERE / "django_suite.py"), str(django)], django),
        (pytest(cachelib, "test_litestash.py"), cachelib),
        # What is in these files about single caches of its own is left out.
        (pytest(aiocache.parent, *AIOCACHE, "-k", "not Memory and not Memcached and not Redis"), aiocache.parent),
    ]
    packages = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE / "stubs")]))
    surroundings = os.environ | {"PYTHONPATH": packages}
    failed = 0
    for command, folder in commands:
        print(f"its own tests: {folder}", flush=True)
        failed += subprocess.run(command, cwd=folder, env=surroundings, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())

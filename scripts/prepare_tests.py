"""Bring what the tests need and pip cannot: a browser (from Debian, when it can be) and the models in the catalogue.

Under CI anything missing is a failure here and now, never a skipped test later.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

ASSETS = ("minilm", "minilm-int8", "smollm2-135m-instruct", "product-reviews")


def chromium() -> bool:
    """True when Chromium is here, after trying to install it where that needs no questions asked."""
    if shutil.which("chromium"):
        return True
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests ...", flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], env=environment, **quiet)  # type: ignore[call-overload]
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
            env=environment,
            **quiet,  # type: ignore[call-overload]
        )
    return shutil.which("chromium") is not None


def main() -> int:
    if not chromium():
        print(
            "Chromium is missing: the browser tests need it (Debian: apt-get install chromium fonts-dejavu-core).",
            file=sys.stderr,
        )
        if os.environ.get("CI"):
            return 1
    return subprocess.run([sys.executable, "-m", "bakeoff.cli.main", "assets", "pull", *ASSETS], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

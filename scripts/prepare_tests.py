"""Bring what the tests need and pip cannot: a browser (from Debian, when it can be) and the models in the catalogue.

Under CI anything missing is a failure here and now, never a skipped test later.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

ASSETS = ("minilm", "minilm-int8", "smollm2-135m-instruct", "product-reviews", "emoji", "efficientnet-lite0")


def debian(*packages: str) -> None:
    """Install packages of Debian where that needs no questions asked; nothing happens elsewhere."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"Installing {', '.join(packages)} for the tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def chromium() -> bool:
    """True when Chromium is here, after trying to install it."""
    if not shutil.which("chromium"):
        debian("chromium", "fonts-dejavu-core")
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

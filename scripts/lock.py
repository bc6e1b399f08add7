"""Write requirements.lock: the exact versions installed here, as pip constraints.

The lock pins every package that the extras bring in, directly or not. It has no hashes, because torch is built
differently for each platform under one version.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAD = "# Exact versions that Bakeoff is developed and tested with. Written by `make lock`; used as pip constraints.\n"


def main() -> None:
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude-editable"], check=True, capture_output=True, text=True
    ).stdout
    lines = []
    for line in frozen.splitlines():
        if "==" in line:
            name, _, version = line.partition("==")
            lines.append(f"{name}=={version.partition('+')[0]}")
    Path("requirements.lock").write_text(HEAD + "\n".join(sorted(lines, key=str.lower)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

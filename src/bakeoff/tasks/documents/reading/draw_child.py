"""Draw one page, or a part of it, in a process of its own: ``python -m ...reading.draw_child PATH PAGE SCALE [X0 Y0 X1 Y1]``.

A PDF is hostile until shown otherwise, and drawing one runs as much foreign code as reading it does. The picture goes to standard
output as WebP; whoever started this process kills it when it takes too long.
"""

from __future__ import annotations

import io
import resource
import sys
from pathlib import Path

MOST_BYTES = 2_000_000_000
MOST_SECONDS = 30
QUALITY = 72


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0, or 1 where the page cannot be drawn (the reason stands on standard error)."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    from PIL import Image

    from bakeoff.errors import BakeoffError
    from bakeoff.tasks.documents.reading.raw import open_pdf, render

    path, number, scale = Path(arguments[0]), int(arguments[1]), float(arguments[2])
    box = None
    if len(arguments) > 3:
        x0, y0, x1, y1 = (float(edge) for edge in arguments[3:7])
        box = (x0, y0, x1, y1)
    try:
        pdf = open_pdf(path)
        pixels = render(pdf, number - 1, scale, box)
    except BakeoffError as error:
        print(error.what, file=sys.stderr)
        return 1
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "WEBP", quality=QUALITY, method=4)
    sys.stdout.buffer.write(held.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the server does for approaches to pictures: says at once what is no picture, and lets a person choose one on the page.

An item is a ``data:image/png;base64,...`` address (or JPEG, WebP, GIF, BMP, TIFF). The page reads the chosen file in the browser, makes it
smaller only where it would be too large for a request, and sends it to this server and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from bakeoff.serve.problem import Problem

CHECK_SIZE = 8
"""Pixels a side to which a picture is decoded when it is only asked whether it can be."""
MOST_SHOWN = 10
"""Classes that the page shows bars for."""
SIDE = 1024
"""Pixels of the longer side to which the page brings a picture that is too large to be sent as it is."""


class PictureCheck:
    """Reads each picture once before it is queued, one at a time: a picture may take 200 MB while it is decoded."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)

    async def __call__(self, items: Sequence[Any], field: str = "items") -> None:
        """Raise Problem (400) for the first item that is no picture; says which and why. `field` is where in the request they stand."""
        async with self._one:
            for place, given in enumerate(items):
                says = await asyncio.to_thread(why_not, given)
                if says:
                    where = f"items.{place}" if field == "items" else field
                    raise Problem(400, f"`{where}` is no picture: {says}.", code="no_picture", param=field)


def why_not(given: Any) -> str:
    """Why `given` is no picture, with what to send instead; '' where it is one."""
    from bakeoff.tasks.images.decode import BadPicture, from_address

    if not isinstance(given, str):
        return "it is no text; send data:image/png;base64,... (or jpeg, webp)"
    try:
        from_address(given, CHECK_SIZE)
    except BadPicture as error:
        return f"{error.what}; {error.fix.rstrip('.')}"
    return ""


def example_picture(size: int = 16) -> str:
    """A tiny picture (a dark disc on white) as a data address of under 200 characters, for lines that can be copied. Needs no library."""
    middle, radius = (size - 1) / 2, size * 0.38
    rows = b"".join(
        b"\0" + bytes(40 if (x - middle) ** 2 + (y - middle) ** 2 < radius**2 else 255 for x in range(size)) for y in range(size)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


STYLE = """
.choose { display: block; margin: .6rem 0 0; padding: 1rem; border: 2px dashed var(--edge); border-radius: .5rem; }
.choose.over { border-color: var(--mark); } .choose input { display: block; width: 100%; margin-top: .5rem; border: 0; padding: 0; background: none; }
.seen { display: flex; gap: 1.2rem; margin: 1.2rem 0 0; flex-wrap: wrap; align-items: flex-start; }
.seen[hidden] { display: none; }
.seen img { width: 9rem; height: 9rem; object-fit: contain; border: 1px solid var(--line); border-radius: .5rem; background: #fff; }
.seen > div { flex: 1 1 18rem; min-width: 0; } .seen p { margin: 0 0 .5rem; } .seen .label { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
.seen li { display: grid; grid-template-columns: minmax(0, 9rem) 1fr 3.2rem; gap: .6rem; align-items: center; margin: 0 0 .25rem; }
.seen ol { list-style: none; margin: 0; padding: 0; } .seen .name { overflow-wrap: anywhere; } .seen .share { text-align: right; font-variant-numeric: tabular-nums; }
.bar { height: .8rem; background: var(--code); border: 1px solid var(--line); border-radius: .2rem; overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--mark); }
"""

SCRIPT = """
"use strict";
const box = document.querySelector(".choose"), input = box.querySelector("input"), seen = document.querySelector(".seen");
const image = seen.querySelector("img"), said = seen.querySelector(".label"), list = seen.querySelector("ol");
const LARGEST = Number(box.dataset.largest), SIDE = Number(box.dataset.side), SHOWN = Number(box.dataset.shown);
let turn = 0;
const address = blob => new Promise((done, fail) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => fail(new Error("The file cannot be read."));
  reader.readAsDataURL(blob);
});
async function smaller(blob) {
  let picture;
  try { picture = await createImageBitmap(blob); } catch { throw new Error("The file is too large to send, and no picture that this browser can make smaller."); }
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height)), canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done, "image/jpeg", 0.92));
}
function show(label, rows) {
  said.textContent = label;
  list.replaceChildren(...rows.map(([name, share]) => {
    const row = document.createElement("li"), bar = document.createElement("div"), part = document.createElement("span");
    const title = document.createElement("span"), value = document.createElement("span");
    title.className = "name"; title.textContent = name;
    bar.className = "bar"; bar.setAttribute("aria-hidden", "true"); part.style.width = (100 * share).toFixed(2) + "%"; bar.append(part);
    value.className = "share"; value.textContent = (100 * share).toFixed(1) + "%";
    row.append(title, bar, value);
    return row;
  }));
}
async function ask(file) {
  const mine = ++turn;
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  seen.hidden = false;
  show("Looking ...", []);
  try {
    const sent = file.size > LARGEST ? await smaller(file) : file;
    const reply = await fetch("/v1/answer", {
      method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({items: [await address(sent)]}),
    });
    const body = await reply.json();
    if (mine !== turn) return;
    if (!reply.ok) return show(body.error.message, []);
    const answer = body.answers[0];
    if (answer.error !== null) return show("No answer: " + answer.error, []);
    if (answer.abstained) return show("It declined to answer.", []);
    const rows = Object.entries(answer.probabilities || {}).sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
    show(String(answer.value), rows);
  } catch (error) {
    if (mine === turn) show(error instanceof TypeError ? "The server cannot be reached." : error.message, []);
  }
}
image.addEventListener("error", () => { image.hidden = true; });
image.addEventListener("load", () => { image.hidden = false; });
input.addEventListener("change", () => { if (input.files.length) ask(input.files[0]); });
for (const kind of ["dragenter", "dragover"]) box.addEventListener(kind, event => { event.preventDefault(); box.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) box.addEventListener(kind, () => box.classList.remove("over"));
box.addEventListener("drop", event => { event.preventDefault(); if (event.dataTransfer.files.length) ask(event.dataTransfer.files[0]); });
"""


def chooser(largest_body: int) -> str:
    """The part of the page where a person chooses a picture, with its script."""
    largest = max(0, (largest_body - 200) * 3 // 4)
    return (
        f'<label class="choose" data-largest="{largest}" data-side="{SIDE}" data-shown="{MOST_SHOWN}">Choose a picture, or drop one here. '
        "It goes to this server only."
        '<input type="file" accept="image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff"></label>'
        '<noscript><p class="soft">Choosing a picture here needs scripts; the lines below do not.</p></noscript>'
        '<div class="seen" hidden><img alt="The chosen picture"><div><p class="label" role="status"></p><ol></ol></div></div>'
        f"<script>{SCRIPT}</script>"
    )


def script_policy() -> str:
    """What the page's content security policy needs beside the usual: this script, requests to this server, the chosen picture."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"script-src 'sha256-{digest}'; connect-src 'self'; img-src blob:; "

"""Malformed PDFs, made of sound ones by a seeded mutator: the same seed always gives the same bytes.

Each seed picks a sound file and a way to spoil it. The ways are those in which real files break (lost ends, wrong offsets, flipped bits) and those in
which hostile ones are made (pages that are their own parents, forms that draw themselves, numbers without end).
"""

from __future__ import annotations

import functools
import io
import random
import re
import zlib
from collections.abc import Callable

HUGE = (
    b"4294967295",
    b"2147483648",
    b"-2147483649",
    b"99999999999999999999999",
    b"1e308",
    b"-0.0000000000000000000001",
    b"9" * 400,
)


@functools.cache
def sound_files() -> tuple[bytes, ...]:
    """Small PDFs that are in order: plain, with a table and a picture, with nested page tree and forms, with object streams, and locked."""
    return (_printed(compressed=False), _printed(compressed=True), _nested(), _packed(), _locked())


def malformed(seed: int) -> bytes:
    """File number `seed`."""
    rng = random.Random(f"malformed {seed}")
    data = rng.choice(sound_files())
    way = WAYS[seed % len(WAYS)]
    return way(data, rng)


def way_of(seed: int) -> str:
    """In what way file number `seed` is spoilt."""
    return WAYS[seed % len(WAYS)].__name__.lstrip("_")


def object_file(objects: dict[int, bytes], trailer: bytes = b"", root: int = 1) -> bytes:
    """A PDF of these objects (number: what stands between `obj` and `endobj`), with a right table of offsets."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    out += b"trailer\n<< /Size %d /Root %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, trailer, start)
    return bytes(out)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream object's body."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


def one_page(content: bytes, resources: bytes = b"", objects: dict[int, bytes] | None = None) -> bytes:
    """A page of 300 by 200 points with Helvetica as /F1; further objects from number 10 on."""
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> %s >> >>"
        % resources
    )
    return object_file(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: page,
            4: stream(content),
            5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            **(objects or {}),
        }
    )


def _printed(*, compressed: bool) -> bytes:
    from reportlab.lib import colors
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

    styles = getSampleStyleSheet()
    grid = Table(
        [["Year", "Revenue", "Cost"], ["2021", "5,123", "4,001"], ["2022", "5,363", "4,120"]],
        style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)],
    )
    story = [
        Paragraph("Annual report", styles["Heading1"]),
        Paragraph("Revenue rose by 4.7% in the year. " * 12, styles["BodyText"]),
        grid,
    ]
    story += [
        PageBreak(),
        Paragraph("Outlook", styles["Heading2"]),
        Paragraph("We expect nothing in particular. " * 8, styles["BodyText"]),
    ]
    out = io.BytesIO()
    SimpleDocTemplate(out, pageCompression=int(compressed), invariant=1).build(story)
    return out.getvalue()


def _nested() -> bytes:
    image = zlib.compress(bytes(range(256)) * 3)
    return object_file(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R 7 0 R] /Count 3 /MediaBox [0 0 300 200] /Resources 6 0 R >>",
            3: b"<< /Type /Pages /Parent 2 0 R /Kids [4 0 R 5 0 R] /Count 2 >>",
            4: b"<< /Type /Page /Parent 3 0 R /Contents 10 0 R >>",
            5: b"<< /Type /Page /Parent 3 0 R /Contents [10 0 R 11 0 R] /Rotate 90 >>",
            6: b"<< /Font << /F1 12 0 R >> /XObject << /X1 13 0 R /I1 14 0 R >> >>",
            7: b"<< /Type /Page /Parent 2 0 R /Contents 11 0 R /CropBox [10 10 250 180] >>",
            10: stream(b"BT /F1 14 Tf 20 150 Td (The first part of the page) Tj 0 -20 Td (and its second line) Tj ET"),
            11: stream(b"q 1 0 0 1 20 20 cm /X1 Do Q q 60 0 0 40 200 20 cm /I1 Do Q 20 20 100 50 re S"),
            12: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            13: stream(
                b"BT /F1 9 Tf 5 5 Td (text in a form) Tj ET", b"/Type /XObject /Subtype /Form /BBox [0 0 100 50] /Resources 6 0 R"
            ),
            14: stream(
                image,
                b"/Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode",
            ),
        }
    )


def _packed() -> bytes:
    import pikepdf

    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(_printed(compressed=True))) as pdf:
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue()


def _locked() -> bytes:
    import pikepdf

    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(_printed(compressed=False))) as pdf:
        # RC4 and no random numbers, so that the file is the same each time; the empty user password opens it.
        pdf.save(out, encryption=pikepdf.Encryption(owner="owner", user="", R=3, aes=False, metadata=False), static_id=True)
    return out.getvalue()


def _bits(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 50, 300))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _bytes_anywhere(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 16, 400, 5000))) + data[at + rng.choice((0, 16, 400)) :]


def _cut_off(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _head_lost(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(1, min(len(data), 600)) :]


def _middle_lost(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 2000) :]


def _spliced(data: bytes, rng: random.Random) -> bytes:
    """Objects of another file in the place of its own."""
    other = rng.choice(sound_files())
    bodies = re.findall(rb"obj(.*?)endobj", other, re.S)
    for _ in range(rng.randrange(1, 6)):
        found = list(re.finditer(rb"obj(.*?)endobj", data, re.S))
        if found and bodies:
            place = rng.choice(found)
            data = data[: place.start(1)] + rng.choice(bodies) + data[place.end(1) :]
    return data


def _offsets(data: bytes, rng: random.Random) -> bytes:
    """Wrong places in the table of offsets, or a wrong place of the table."""
    out = re.sub(rb"\d{10}(?= \d{5} n)", lambda m: b"%010d" % rng.randrange(10**10) if rng.random() < 0.5 else m[0], data)
    return (
        re.sub(rb"(startxref\s+)\d+", lambda m: m[1] + b"%d" % rng.choice((0, 1, len(data), 2**31, 2**63)), out)
        if rng.random() < 0.5
        else out
    )


def _numbers(data: bytes, rng: random.Random) -> bytes:
    """Numbers that no file should hold, anywhere."""
    share = rng.choice((0.005, 0.02, 0.1))
    return re.sub(
        rb"(?<=[\s\[/(])-?\d+(?:\.\d+)?(?=[\s\]>)])", lambda m: rng.choice(HUGE) if rng.random() < share else m[0], data
    )


def _lengths(data: bytes, rng: random.Random) -> bytes:
    wrong = (b"0", b"-1", b"1", b"99999999", b"4294967296", b"3 0 R", b"/Length")
    return re.sub(
        rb"(/(?:Length|Size|Count|Width|Height|Predictor|Columns|N|First|BitsPerComponent)\s+)\d+",
        lambda m: m[1] + rng.choice(wrong),
        data,
    )


def _references(data: bytes, rng: random.Random) -> bytes:
    """References that lead to other objects, back to the same ones, or nowhere."""
    return re.sub(rb"\b\d+ 0 R", lambda m: b"%d 0 R" % rng.randrange(20) if rng.random() < 0.3 else m[0], data)


def _names(data: bytes, rng: random.Random) -> bytes:
    names = list(set(re.findall(rb"/[A-Za-z]{2,}", data)))
    return re.sub(rb"/[A-Za-z]{2,}", lambda m: rng.choice(names) if rng.random() < 0.05 else m[0], data)


def _operators(_: bytes, rng: random.Random) -> bytes:
    """A page of drawing operators in no order, with operands of every kind."""
    words = b"q Q cm re f S W n BT ET Tf Td Tj TJ Tr Tz Ts Do sh gs scn SCN cs CS d w J j M i BMC EMC BI ID EI m l c v y h B b s".split()
    operands = (
        b"0",
        b"1",
        b"-5",
        b"300",
        *HUGE,
        b"/F1",
        b"/X1",
        b"(text)",
        b"<feff0041>",
        b"[(a) -500 (b)]",
        b"<< /A 1 >>",
        b"null",
        b"true",
    )
    content = b" ".join(
        rng.choice(words) if rng.random() < 0.4 else rng.choice(operands) for _ in range(rng.choice((50, 500, 5000)))
    )
    form = stream(b"/X1 Do", b"/Type /XObject /Subtype /Form /BBox [0 0 100 100]")
    return one_page(content, b"/XObject << /X1 10 0 R >>", {10: form})


def _page_trees(_: bytes, rng: random.Random) -> bytes:
    """Page trees that hold themselves, are very deep, or say that they have more than they do."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    tree = b"<< /Type /Pages /Kids [%s] /Count %s >>"
    kind = rng.randrange(5)
    if kind == 0:
        kids = b" ".join(rng.choice((b"2 0 R", b"3 0 R", b"1 0 R", b"9 0 R")) for _ in range(rng.randrange(1, 9)))
        return object_file({1: catalog, 2: tree % (kids, b"3"), 3: page})
    if kind == 1:
        loop = b"<< /Type /Pages /Parent 2 0 R /Kids [%d 0 R 4 0 R] /Count 1 >>" % rng.choice((1, 2, 4))
        return object_file({1: catalog, 2: tree % (b"4 0 R", b"%d" % rng.randrange(1, 2000)), 4: loop})
    if kind == 2:
        deep = rng.choice((50, 1000, 20_000)) + rng.randrange(50)
        chain = {n: tree % (b"%d 0 R" % (n + 1), b"1") for n in range(2, deep)}
        return object_file({1: catalog, **chain, deep: page})
    if kind == 3:
        return object_file({1: catalog, 2: tree % (b"3 0 R", rng.choice((*HUGE, b"-1", b"%d" % rng.randrange(10**6)))), 3: page})
    many = rng.randrange(20, 600)
    return object_file({1: catalog, 2: tree % (b"3 0 R " * many, b"%d" % many), 3: page})


def _forms(_: bytes, rng: random.Random) -> bytes:
    """Forms that draw themselves, each other, or many of the next kind, and states that are never put back."""

    def form(content: bytes, other: int) -> bytes:
        return stream(
            content, b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X1 %d 0 R >> >>" % other
        )

    kind, times = rng.randrange(4), rng.randrange(2, 40)
    if kind == 0:
        body = {10: form(b"/X1 Do " * times, 10)}
    elif kind == 1:
        body = {10: form(b"q /X1 Do " * times, 11), 11: form(b"/X1 Do", 10)}
    elif kind == 2:
        body = {n: form(b"/X1 Do " * (times % 12 + 1), n + 1) for n in range(10, 22)} | {22: form(b"0 0 5 5 re f", 22)}
    else:
        return one_page(b"q " * (rng.choice((1000, 200_000)) + times) + b"BT /F1 9 Tf 10 10 Td (deep) Tj ET")
    return one_page(b"BT /F1 9 Tf 10 10 Td (before) Tj ET /X1 Do", b"/XObject << /X1 10 0 R >>", body)


def _nesting(_: bytes, rng: random.Random) -> bytes:
    """Arrays and dictionaries without end, in a page's content and in its objects."""
    deep = rng.choice((100, 5000, 100_000)) + rng.randrange(100)
    opening, closing = rng.choice(((b"[", b"]"), (b"<</A ", b">>"), (b"(", b")")))
    thing = opening * deep + (closing * deep if rng.random() < 0.5 else b"")
    if rng.random() < 0.5:
        return one_page(b"BT /F1 9 Tf 10 10 Td " + thing + b" Tj ET")
    return one_page(b"BT /F1 9 Tf 10 10 Td (text) Tj ET", b"/ExtGState << /G 10 0 R >>", {10: thing})


def _bombs(_: bytes, rng: random.Random) -> bytes:
    """Little that becomes much: packed streams within packed streams, and pictures of a billion points."""
    if rng.random() < 0.5:
        inner = zlib.compress(b"0 0 m 9 9 l S\n" * (rng.choice((50_000, 2_000_000)) + rng.randrange(99)), 9)
        body = stream(zlib.compress(inner, 9), b"/Filter [/FlateDecode /FlateDecode]")
        return one_page(b"").replace(b"4 0 obj\n" + stream(b""), b"4 0 obj\n" + body)
    side = rng.choice((8_000, 30_000, 60_000)) + rng.randrange(99)
    facts = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode"
    image = stream(zlib.compress(bytes(1_000_000), 9), facts % (side, side))
    content = b"q 200 0 0 100 20 20 cm /I1 Do Q BT /F1 9 Tf 10 180 Td (beside the picture) Tj ET"
    return one_page(content, b"/XObject << /I1 10 0 R >>", {10: image})


def _rubbish(data: bytes, rng: random.Random) -> bytes:
    """What begins like a PDF, or not even that."""
    kind = rng.randrange(5)
    if kind == 0:
        return b"%PDF-1.7\n" + rng.choice((b"", b"1 0 obj\n", b"%%EOF\n", b"<<", b"xref\n0 1\n")) * rng.randrange(1, 60)
    if kind == 1:
        return bytes([rng.randrange(256)]) * rng.randrange(1, 5000)
    if kind == 2:
        return b"%PDF-" + rng.randbytes(rng.randrange(1, 5000))
    if kind == 3:
        return data[:9] + data[: rng.randrange(9, len(data)) : -1]
    return b" obj ".join(rng.randbytes(rng.randrange(1, 90)) for _ in range(40))


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _bits, _bytes_anywhere, _cut_off, _head_lost, _middle_lost, _spliced, _offsets, _numbers, _lengths, _references, _names, _operators, _page_trees,
    _forms, _nesting, _bombs, _rubbish,
)  # fmt: skip

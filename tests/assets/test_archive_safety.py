"""Archives that lie, climb out, link away, swell or are damaged: the right bytes or an AssetError, never anything else."""

from __future__ import annotations

import io
import random
import stat
import tarfile
import zipfile

import pytest

from bakeoff.assets.archive import extract
from bakeoff.assets.catalogue import Archive, Piece, parse
from bakeoff.errors import AssetError

SEED = 20261122
RIGHT = random.Random(SEED).randbytes(3_000)


def take(path, member, size, scratch, inner=""):
    target = io.BytesIO()
    extract(path, Piece(Archive("p", "p.archive"), member, size, inner), target, scratch)
    return target.getvalue()


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.fixture
def room(tmp_path):
    """A folder in a folder, so that climbing out by one or two levels would show."""
    room = tmp_path / "outer" / "room"
    room.mkdir(parents=True)
    return room


def test_a_member_comes_out_of_zip_and_tar_and_an_inner_tar(make, room):
    inner = make.tarball({"x/a.txt": RIGHT})
    for name, body in (
        ("a.whl", make.wheel({"d/a": RIGHT, "i.tgz": inner})),
        ("a.tar.gz", make.tarball({"d/a": RIGHT, "i.tgz": inner})),
    ):
        (room / name).write_bytes(body)
        assert take(room / name, "d/a", 3_000, room) == RIGHT
        assert take(room / name, "i.tgz", 3_000, room, inner="x/a.txt") == RIGHT
    assert everything(room) == ["a.tar.gz", "a.whl"]


@pytest.mark.parametrize("evil", ["../../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:evil"])
def test_climbing_names_are_refused_and_harmless(make, room, tmp_path, evil):
    for name, body in (
        ("a.whl", make.wheel({evil: b"evil", "good": RIGHT})),
        ("a.tgz", make.tarball({evil: b"evil", "good": RIGHT})),
    ):
        (room / name).write_bytes(body)
        with pytest.raises(AssetError, match="not a plain relative path"):
            take(room / name, evil, 4, room)
        assert take(room / name, "good", 3_000, room) == RIGHT
    assert everything(tmp_path) == ["outer", "outer/room", "outer/room/a.tgz", "outer/room/a.whl"]


def test_links_folders_and_devices_are_refused(make, room):
    (room / "secret").write_bytes(RIGHT)
    (room / "link.tgz").write_bytes(make.tarball({}, links=[("a", str(room / "secret"))]))
    for name, kind in (
        ("hard", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("folder", tarfile.DIRTYPE),
    ):
        with tarfile.open(room / f"{name}.tgz", "w:gz") as bundle:
            info = tarfile.TarInfo("a")
            info.type, info.linkname = kind, "secret"
            bundle.addfile(info)
    link = zipfile.ZipInfo("a")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(room / "link.whl", "w") as package:
        package.writestr(link, str(room / "secret"))
    for name in ("link.tgz", "hard.tgz", "device.tgz", "pipe.tgz", "folder.tgz", "link.whl"):
        with pytest.raises(AssetError, match="link, a folder or a device"):
            take(room / name, "a", 3_000, room)


def test_a_bomb_is_read_no_further_than_the_stated_size(make, room):
    body = bytes(80 << 20)
    for name, archive in (("bomb.whl", make.wheel({"a": body, "z": RIGHT})), ("bomb.tgz", make.tarball({"a": body, "z": RIGHT}))):
        (room / name).write_bytes(archive)
        assert len(archive) < 200_000
        with pytest.raises(AssetError, match="more than 3,000 bytes; expected 3,000"):
            take(room / name, "a", 3_000, room)
    with pytest.raises(AssetError, match="unpacks to more bytes"):
        take(room / "bomb.tgz", "z", 3_000, room)  # what stands behind a bomb in a tar is not reached
    assert take(room / "bomb.whl", "z", 3_000, room) == RIGHT


def test_a_short_member_and_a_missing_one_are_refused(make, room):
    (room / "a.whl").write_bytes(make.wheel({"a": RIGHT}))
    with pytest.raises(AssetError, match="has 3,000 bytes; expected 3,001"):
        take(room / "a.whl", "a", 3_001, room)
    with pytest.raises(AssetError, match="does not hold b"):
        take(room / "a.whl", "b", 1, room)
    (room / "b.tgz").write_bytes(make.tarball({"a": RIGHT}))
    with pytest.raises(AssetError, match="does not hold b"):
        take(room / "b.tgz", "b", 1, room)


def mutate(body, rng):
    out = bytearray(body)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(out))
        kind = rng.randrange(4)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + rng.randint(1, 4)] = rng.randbytes(rng.randint(0, 6))
        elif kind == 2:
            out[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\x80\0\0\0", b"PK\x01\x02"])
        else:
            del out[at : at + rng.randint(1, 40)]
        if not out:
            return b"P"
    return bytes(out)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("sort", ["wheel", "tar.gz", "plain tar", "nested"])
def test_damaged_bytes_give_the_right_bytes_or_an_asset_error(make, room, tmp_path, sort):
    """400 seeded mutations of each kind of archive. zip's CRC makes wrong bytes rare; the file's SHA-256 is checked by the caller."""
    rng = random.Random(SEED)
    inner = ""
    if sort == "wheel":
        body = make.wheel({"d/x.py": b"raise SystemExit", "d/a": RIGHT, "../climb": b"evil"})
    elif sort == "tar.gz":
        body = make.tarball({"d/x.py": b"raise SystemExit", "d/a": RIGHT, "../climb": b"evil"}, links=[("l", "/etc/passwd")])
    elif sort == "nested":
        body, inner = make.tarball({"d/a": make.tarball({"i": RIGHT})}), "i"
    else:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as bundle:
            info = tarfile.TarInfo("d/a")
            info.size = len(RIGHT)
            bundle.addfile(info, io.BytesIO(RIGHT))
        body = out.getvalue()
    path, outcomes = room / "a.archive", {"same": 0, "other": 0, "refused": 0}
    for _ in range(400):
        path.write_bytes(mutate(body, rng))
        try:
            got = take(path, "d/a", len(RIGHT), room, inner)
        except AssetError as error:
            outcomes["refused"] += 1
            assert str(error).count("\n") == 1
        else:
            assert len(got) == len(RIGHT)
            outcomes["same" if got == RIGHT else "other"] += 1
    assert everything(tmp_path) == ["outer", "outer/room", "outer/room/a.archive"]
    assert outcomes["refused"] >= 40, outcomes
    if sort == "wheel":
        assert outcomes["other"] == 0, outcomes


ENTRY = """
[archives.k]
project = "p"
filename = "p.whl"
[assets.a]
kind = "weights"
licence = "MIT"
description = "d"
home = "h"
[[assets.a.files]]
name = "NAME"
size = 4
sha256 = "{}"
from = [{{ archive = "k", member = "MEMBER" }}]
""".format("0" * 64)


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("../x", "m"),
        ("/x", "m"),
        ("a//b", "m"),
        ("x", "../m"),
        ("w.pkl", "m"),
        ("w.PT", "m"),
        ("pytorch_model.bin", "m"),
        ("manifest.json", "m"),
    ],
)
def test_a_catalogue_that_climbs_or_lists_a_pickle_is_refused(name, member):
    with pytest.raises(AssetError):
        parse(ENTRY.replace("NAME", name).replace("MEMBER", member))


def test_a_catalogue_is_read_or_refused_whole():
    assert parse(ENTRY.replace("NAME", "x").replace("MEMBER", "m"))["a"].files[0].size == 4
    for broken in (
        "[",
        "[assets.a]\nkind = 'weights'",
        ENTRY.replace("weights", "wheat"),
        ENTRY.replace("0000", "zzzz"),
        ENTRY.replace('"k"', '"no"'),
    ):
        with pytest.raises(AssetError):
            parse(broken)

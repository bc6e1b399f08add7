"""Package files of the npm registry: found as npm is set up here, checked, and only the named member taken out."""

from __future__ import annotations

import json
import os

import pytest

from bakeoff import assets
from bakeoff.assets import npm
from bakeoff.assets.catalogue import Archive
from bakeoff.errors import AssetError

ICONS = json.dumps({"icons": {"mouse": {"body": "<path/>"}}}).encode()
FROM = '{ archive = "toy", member = "package/icons.json" }'


@pytest.fixture(autouse=True)
def _npm(monkeypatch, tmp_path, server):
    for name in list(os.environ):
        if name.lower().startswith("npm_config_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_registry", server.url + "/npm/")


def put(server, path, body):
    server.hub("any", "thing", body)
    server.routes[path] = server.routes.pop("/any/resolve/main/thing")


def offer(own, make, server, *, members=None, documented=True, filename="toy-1.2.3.tgz", stated=None):
    package = make.tarball(members or {"package/index.js": b"raise", "package/icons.json": ICONS})
    own.archive("toy", "@scope/toy", filename, stated or package)
    own.text = own.text.replace('project = "@scope/toy"', 'registry = "npm"\nproject = "@scope/toy"')
    own.asset("toy", {"icons.json": (ICONS, "", [FROM])}, kind="data")
    if documented:
        page = {"dist": {"tarball": f"{server.url}/elsewhere/{filename}"}}
        put(server, "/npm/@scope%2Ftoy/1.2.3", json.dumps(page).encode())
        put(server, f"/elsewhere/{filename}", package)
    else:
        put(server, f"/npm/@scope/toy/-/{filename}", package)


def test_the_version_s_document_says_where_its_file_is(own, make, server):
    offer(own, make, server)
    folder = assets.fetch("toy")
    assert (folder / "icons.json").read_bytes() == ICONS
    assert sorted(path.name for path in folder.iterdir()) == ["icons.json", "manifest.json"], "nothing else is taken out"
    assert [path for path, _ in server.log] == ["/npm/@scope%2Ftoy/1.2.3", "/elsewhere/toy-1.2.3.tgz"]


def test_a_mirror_without_documents_is_asked_for_the_usual_path(own, make, server):
    offer(own, make, server, documented=False)
    assert (assets.fetch("toy") / "icons.json").read_bytes() == ICONS


def test_once_cached_nobody_is_asked(own, make, server, monkeypatch):
    offer(own, make, server)
    assets.fetch("toy")
    server.reset()
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    assert (assets.fetch("toy") / "icons.json").read_bytes() == ICONS
    assert server.log == []


def test_other_bytes_are_refused(own, make, server):
    offer(own, make, server, stated=b"what the catalogue expects")
    with pytest.raises(AssetError, match="could not be fetched"):
        assets.fetch("toy")
    assert not (assets.where() / "toy").exists()


def test_offline_the_package_file_may_lie_in_a_folder(own, make, server, monkeypatch, tmp_path):
    offer(own, make, server)
    (tmp_path / "brought").mkdir()
    (tmp_path / "brought" / "toy-1.2.3.tgz").write_bytes(
        make.tarball({"package/index.js": b"raise", "package/icons.json": ICONS})
    )
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    with pytest.raises(AssetError, match="are off"):
        assets.fetch("toy")
    own.path.write_text(own.text.split("size = ")[0] + own.text[own.text.index("[assets.") :])  # a tar's bytes hang on the clock
    monkeypatch.setenv("BAKEOFF_ASSETS_DIR", str(tmp_path / "brought"))
    assert (assets.fetch("toy") / "icons.json").read_bytes() == ICONS
    assert server.log == []


def test_settings_of_scopes_and_certificates_are_read_without_npm(monkeypatch, tmp_path):
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TOKEN_HOST", "inside.example")
    (tmp_path / "npmrc").write_text(
        "; a comment\nregistry=https://all.example/npm\n@scope:registry = https://${TOKEN_HOST}/x/\ncafile=/etc/own.pem\nstrict-ssl=false\n"
    )
    here = npm.settings()
    assert here.registry("plain") == "https://all.example/npm"
    assert here.registry("@scope/toy") == "https://inside.example/x/"
    assert here.registry("@other/toy") == "https://all.example/npm"
    assert here.cert == "/etc/own.pem" and not here.verify
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://env.example/")
    assert npm.settings().registry("plain") == "https://env.example/", "the environment wins over the file"


def test_without_npm_and_any_setting_the_way_out_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert npm.settings().registry("@scope/toy") == ""
    found, problems = npm.find(Archive("toy", "toy-1.0.0.tgz", registry="npm"), npm.settings(), lambda _: None, offline=False)
    assert found == [] and "NPM_CONFIG_REGISTRY" in problems[0]


def test_a_document_that_states_a_local_file_is_not_followed(server):
    put(server, "/npm/toy/1.0.0", json.dumps({"dist": {"tarball": "file:///etc/passwd"}}).encode())
    here = npm.settings()
    from bakeoff.assets import download

    with download.client() as http:
        places, problems = npm.find(Archive("toy", "toy-1.0.0.tgz", registry="npm"), here, lambda _: http, offline=False)
    assert [place.address for place in places] == [f"{server.url}/npm/toy/-/toy-1.0.0.tgz"] and problems == []


@pytest.mark.parametrize(
    ("line", "says"), [('registry = "ftp"', "names the registry"), ('registry = "npm"', "no name of an npm package")]
)
def test_a_catalogue_with_an_odd_registry_or_name_is_refused(own, line, says):
    own.path.write_text(f'[archives.toy]\nproject = "../up"\nfilename = "x.tgz"\n{line}\n')
    with pytest.raises(AssetError, match=says):
        assets.catalogue()


def test_the_shipped_drawings_are_pinned_by_hash_and_licence():
    emoji = assets.catalogue()["emoji"]
    assert len(emoji.archives) == 7 and all(archive.registry == "npm" and len(archive.sha256) == 64 for archive in emoji.archives)
    assert {file.name.rpartition("/")[2] for file in emoji.files} == {"icons.json", "info.json"}
    assert emoji.licence == "Apache-2.0 AND CC-BY-4.0 AND CC-BY-SA-4.0 AND MIT"

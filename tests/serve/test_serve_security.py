"""Who may ask: the token, the addresses it listens on, and what settings are refused."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from small_server import Small, running

from bakeoff.errors import BakeoffError
from bakeoff.serve.served import Served
from bakeoff.serve.server import bind, serve
from bakeoff.serve.settings import ServerSettings

TOKEN = "correct-horse-battery-staple"


def test_with_a_token_only_health_is_open(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SMALL_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    with running(Small(), token_env="SMALL_TOKEN") as server:
        assert server.client.get("/healthz").status_code == 200
        for path in ("/", "/metrics", "/openapi.json", "/v1/models", "/nowhere"):
            assert server.client.get(path).status_code == 401
        for header in ("", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}"):
            reply = server.post("/v1/answer", {"items": ["good"]}, headers={"Authorization": header})
            assert reply.status_code == 401 and reply.headers["www-authenticate"] == "Bearer"
            assert reply.json()["error"]["code"] == "invalid_api_key" and TOKEN not in reply.text
        odd = server.client.post("/v1/answer", content=b"{}", headers={"Authorization": b"Bearer \xff\xfe"})
        assert odd.status_code == 401
        for header in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
            assert server.post("/v1/answer", {"items": ["good"]}, headers={"Authorization": header}).status_code == 200
        page = server.client.get("/", headers={"Authorization": f"Bearer {TOKEN}"})
        assert "SMALL_TOKEN" in page.text and TOKEN not in page.text
        assert server.client.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()["components"][
            "securitySchemes"
        ]
    assert TOKEN not in caplog.text


def test_a_body_without_a_token_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_TOKEN", TOKEN)
    with running(Small(), token_env="SMALL_TOKEN") as server:
        assert server.client.post("/v1/answer", content=b"\xff{" * 10).status_code == 401


@pytest.mark.parametrize(
    ("value", "says"), [("", "is empty"), ("qqzz", "too short"), ("x" * 20 + " y", "spaces"), ("é" * 20, "no header")]
)
def test_a_token_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, says: str) -> None:
    monkeypatch.setenv("SMALL_TOKEN", value)
    with pytest.raises(BakeoffError, match=says) as refused:
        ServerSettings(token_env="SMALL_TOKEN").token()
    assert refused.value.fix and (not value or value not in str(refused.value))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_let_in_only_with_a_token(host: str) -> None:
    def ready(listening: Any) -> None:
        raise AssertionError("it listened")

    with pytest.raises(BakeoffError, match="other machines") as refused:
        serve(Served("small", Small()), ServerSettings(host=host, port=0), ready=ready)
    assert "--token-env" in refused.value.fix and "--no-token" in refused.value.fix
    assert ServerSettings(host=host, no_token=True).token() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_none(host: str) -> None:
    assert ServerSettings(host=host).token() is None


def test_an_open_server_takes_any_host_name() -> None:
    with running(Small(), host="0.0.0.0", no_token=True) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert server.client.get(url + "/healthz", headers={"Host": "bench.example"}).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000}, {"window_ms": -1}, {"max_batch": 0}, {"max_queue": 0}, {"request_seconds": 0}, {"max_body_bytes": 0},
        {"drain_seconds": -1}, {"host": ""}, {"host": "a b"}, {"request_seconds": float("nan")}, {"max_batch": "many"},
    ],
)  # fmt: skip
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(BakeoffError, match=next(iter(wrong))) as refused:
        ServerSettings(**wrong)
    assert refused.value.fix


def test_a_port_that_is_taken_and_a_host_that_is_not_ours() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BakeoffError, match=f"Port {port} of 127.0.0.1 is taken"):
            bind(ServerSettings(port=port))
    with pytest.raises(BakeoffError, match="no address"):
        bind(ServerSettings(host="nowhere.invalid", port=0))
    with pytest.raises(BakeoffError, match="cannot be bound"):
        bind(ServerSettings(host="192.0.2.1", port=0))


def test_the_socket_has_no_delay_and_a_long_line() -> None:
    listener = bind(ServerSettings(port=0))
    assert listener.proto == socket.IPPROTO_TCP
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) != 0
    listener.close()


def test_nothing_to_serve_and_two_of_one_name() -> None:
    with pytest.raises(BakeoffError, match="nothing to serve"):
        Served("x")
    with pytest.raises(BakeoffError, match="Two models"):
        Served("x", Small(), lm=object(), lm_name="x")

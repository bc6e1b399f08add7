"""Five minutes (`BAKEOFF_SOAK_SECONDS` sets another length) at 80% of capacity: memory does not grow and no request is lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from test_serve_drain import process

SECONDS = float(os.environ.get("BAKEOFF_SOAK_SECONDS", "300"))
WARM_UP = min(40.0, SECONDS / 4)
CROWD = 700
MOST_AT_ONCE = [0]
BODIES = {
    "/v1/answer": {"items": ["The phone is good.", "The cable is dull."]},
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": "good"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "/v1/completions": {"prompt": "good"},
}


async def one(port: int, path: str, body: bytes) -> str:
    """One request on a connection of its own, read to its end; what became of it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        found = await asyncio.wait_for(reader.read(-1), 60)
        writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    whole = (
        found.startswith(b"HTTP/1.1 200 ") and (b"good" in found) and (b"text/event-stream" not in found or b"[DONE]" in found)
    )
    return "ok" if whole else found[:30].decode("latin-1") or "nothing"


async def capacity(port: int) -> float:
    """Requests per second that sixteen senders get through, who each wait for an answer before they ask again."""
    made = [(path, json.dumps(body).encode()) for path, body in BODIES.items()]
    done = 0
    until = time.monotonic() + 4

    async def sender(number: int) -> None:
        nonlocal done
        while time.monotonic() < until:
            path, body = made[(number + done) % len(made)]
            assert await one(port, path, body) == "ok"
            done += 1

    await asyncio.gather(*(sender(number) for number in range(16)))
    return done / 4


async def crowd(port: int) -> None:
    """More requests at once than come together by chance later on."""
    made = [(path, json.dumps(body).encode()) for path, body in BODIES.items()]
    for _ in range(3):
        found = await asyncio.gather(*(one(port, *made[number % len(made)]) for number in range(CROWD)))
        assert set(found) == {"ok"}


async def load(port: int, rate: float, seconds: float, memory: list[tuple[float, int]], pid: int) -> Counter[str]:
    """Poisson arrivals on an absolute schedule for `seconds`; nothing waits for anything before it."""
    made = [(path, json.dumps(body).encode()) for path, body in BODIES.items()]
    rng, counts, running = random.Random(0), Counter[str](), set[asyncio.Task[None]]()
    began = due = time.monotonic()
    looked = 0.0

    async def send(number: int) -> None:
        counts[await one(port, *made[number % len(made)])] += 1

    number = 0
    while due < began + seconds:
        due += rng.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(send(number))
        running.add(task)
        MOST_AT_ONCE[0] = max(MOST_AT_ONCE[0], len(running))
        task.add_done_callback(running.discard)
        number += 1
        if time.monotonic() - looked > 1:
            looked = time.monotonic()
            memory.append((looked - began, resident(pid)))
    await asyncio.gather(*running)
    assert sum(counts.values()) == number
    return counts


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(int(SECONDS) + 200)
def test_soak() -> None:
    memory: list[tuple[float, int]] = []
    # One item at a time, each a fixed time: the capacity is the model's, and does not move with what else the machine does.
    with process("slow", "--seconds", "0.006", "--batch", "1") as server:
        rate = 0.8 * asyncio.run(capacity(server.port))
        # What an allocator once took for a crowd it keeps. The crowd comes now, so that what grows later is a leak.
        asyncio.run(crowd(server.port))
        counts = asyncio.run(load(server.port, rate, SECONDS, memory, server.process.pid))
        metrics = httpx.get(server.url + "/metrics").text
        before, after = _ends(memory)
        print([f"{size / 2**20:.1f}" for _, size in memory[:: max(1, len(memory) // 20)]])
        print(
            f"{sum(counts.values()):,} requests at {rate:.0f}/s; {before / 2**20:.1f} MiB after warm-up, {after / 2**20:.1f} MiB at the end; "
            f"at most {MOST_AT_ONCE[0]} at once"
        )
        assert set(counts) == {"ok"}, counts
        assert "bakeoff_in_flight_requests 1.0" in metrics and "bakeoff_queue_items 0.0" in metrics
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    assert MOST_AT_ONCE[0] <= CROWD, "this machine stood still for so long that a greater crowd came than the one at the start"
    assert after <= 1.05 * before


def _ends(memory: list[tuple[float, int]]) -> tuple[float, float]:
    """Resident bytes right after the warm-up and at the end: medians of a few looks each."""
    warm = [size for at, size in memory if at >= WARM_UP]
    few = max(3, len(warm) // 10)
    return statistics.median(warm[:few]), statistics.median(warm[-few:])

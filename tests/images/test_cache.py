"""What is kept of variants, and for how long."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from processes import descriptors

from media_gate.images.cache import SMALL, MemoryCache, VariantCache

if TYPE_CHECKING:
    from pathlib import Path


def name(number: int) -> str:
    return f"{number:064x}"[::-1]


class Clock:
    """Time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


@pytest.fixture
async def make_cache(tmp_path):
    """Opens caches on one directory, as several processes would."""
    clock = Clock()
    made: list[VariantCache] = []

    async def make(max_bytes: int = 1000) -> VariantCache:
        cache = VariantCache(tmp_path / "cache", max_bytes, clock)
        await cache.open()
        made.append(cache)
        return cache

    yield make
    for cache in made:
        await cache.close()


@pytest.fixture
def put(memory_file):
    """Keeps bytes under a number."""

    async def put(cache: VariantCache, number: int, data: bytes) -> None:
        await cache.put(name(number), memory_file(data), len(data))

    return put


def read(cache: VariantCache, number: int) -> bytes | None:
    kept = cache.get(name(number))
    if kept is None:
        return None
    data = kept.body.read_at(0, kept.length + 1)
    kept.body.close()
    assert len(data) == kept.length
    return data


def files(folder: Path) -> dict[str, int]:
    """Sizes of all variants on the disk."""
    return {
        path.name: path.stat().st_size
        for shelf in folder.iterdir()
        if len(shelf.name) == 2
        for path in shelf.iterdir()
    }


def everything(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def indexed(folder: Path) -> tuple[dict[str, int], int]:
    """What the index says: sizes and total."""
    with sqlite3.connect(folder / "index.sqlite") as database:
        rows = dict(database.execute("SELECT name, bytes FROM variants"))
        (total,) = database.execute("SELECT bytes FROM total").fetchone()
    database.close()
    return rows, total


async def test_what_was_put_is_found_again(make_cache, put) -> None:
    """Also by another process, and after a restart."""
    cache = await make_cache()
    assert read(cache, 1) is None
    await put(cache, 1, b"variant")
    assert read(cache, 1) == b"variant"
    assert read(await make_cache(), 1) == b"variant"


async def test_only_the_owner_can_look_inside(make_cache, put, tmp_path) -> None:
    """Pictures of a guarded site do not lie open on the server."""
    await put(await make_cache(), 1, b"variant")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in everything(tmp_path / "cache")}
    assert len(modes) > 4
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


async def test_the_budget_holds_and_the_oldest_go(make_cache, put, tmp_path) -> None:
    """Least recently used first; index and disk agree all the time."""
    cache = await make_cache(max_bytes=100)
    for number in range(1, 5):
        await put(cache, number, bytes(30))
    assert read(cache, 1) is None
    assert read(cache, 2) is not None
    await cache.flush()
    await put(cache, 5, bytes(30))
    assert read(cache, 3) is None
    assert read(cache, 2) is not None
    rows, total = indexed(tmp_path / "cache")
    assert rows == files(tmp_path / "cache")
    assert total == sum(rows.values()) == 90


async def test_a_large_variant_makes_room_for_itself(make_cache, put, tmp_path) -> None:
    """As many go as must."""
    cache = await make_cache(max_bytes=100)
    for number in range(10):
        await put(cache, number, bytes(10))
    await put(cache, 99, bytes(95))
    assert files(tmp_path / "cache") == {name(99): 95}


async def test_what_is_larger_than_the_budget_is_not_kept(make_cache, put, tmp_path) -> None:
    """Nothing is thrown out for what cannot stay."""
    cache = await make_cache(max_bytes=100)
    await put(cache, 1, bytes(50))
    await put(cache, 2, bytes(101))
    assert files(tmp_path / "cache") == {name(1): 50}


async def test_use_by_one_process_protects_from_another(make_cache, put) -> None:
    """Who evicts knows what the others have used."""
    mine, theirs = await make_cache(100), await make_cache(100)
    await put(mine, 1, bytes(40))
    await put(mine, 2, bytes(40))
    read(theirs, 1)
    await theirs.flush()
    await put(mine, 3, bytes(40))
    assert read(mine, 1) is not None
    assert read(mine, 2) is None


async def test_putting_twice_counts_once(make_cache, put, tmp_path) -> None:
    """Two processes that made the same variant keep one."""
    mine, theirs = await make_cache(), await make_cache()
    await put(mine, 1, bytes(50))
    await put(theirs, 1, bytes(50))
    assert indexed(tmp_path / "cache") == ({name(1): 50}, 50)


async def test_an_entry_without_a_file_heals(make_cache, put, tmp_path) -> None:
    """A file deleted by hand is made again and counted once."""
    cache = await make_cache()
    await put(cache, 1, b"variant")
    (tmp_path / "cache" / name(1)[:2] / name(1)).unlink()
    assert read(cache, 1) is None
    await put(cache, 1, b"variant")
    assert read(cache, 1) == b"variant"
    assert indexed(tmp_path / "cache") == ({name(1): 7}, 7)


async def test_an_entry_without_a_file_can_be_evicted(make_cache, put, tmp_path) -> None:
    """It does not take room for ever."""
    cache = await make_cache(100)
    await put(cache, 1, bytes(90))
    (tmp_path / "cache" / name(1)[:2] / name(1)).unlink()
    await put(cache, 2, bytes(90))
    assert indexed(tmp_path / "cache") == ({name(2): 90}, 90)


async def test_a_variant_evicted_while_it_was_written_does_not_appear(
    make_cache, put, tmp_path, monkeypatch
) -> None:
    """Else there would be more on the disk than the index says."""
    mine = await make_cache(100)
    reserve = mine._index.reserve

    def reserve_then_lose(*arguments: object) -> None:
        reserve(*arguments)
        with sqlite3.connect(tmp_path / "cache" / "index.sqlite") as other:
            other.execute("DELETE FROM variants WHERE name = ?", (name(1),))
        other.close()

    monkeypatch.setattr(mine._index, "reserve", reserve_then_lose)
    await put(mine, 1, bytes(50))
    assert files(tmp_path / "cache") == {}
    assert indexed(tmp_path / "cache") == ({}, 0)


@pytest.mark.parametrize("length", [0, 1, 6, 8, 5000])
async def test_a_file_of_another_length_is_no_variant(
    make_cache, put, tmp_path, caplog, length: int
) -> None:
    """What a power cut left is deleted, said and made again; no restart is needed."""
    cache = await make_cache()
    await put(cache, 1, b"variant")
    path = tmp_path / "cache" / name(1)[:2] / name(1)
    times = path.stat().st_atime, path.stat().st_mtime
    os.truncate(path, length)
    # The size reaches the disk on its own; the time was there before.
    os.utime(path, times)
    assert read(cache, 1) is None
    assert not path.exists()
    assert "another length" in caplog.text
    await put(cache, 1, b"variant")
    assert read(cache, 1) == b"variant"
    assert indexed(tmp_path / "cache") == ({name(1): 7}, 7)


@pytest.mark.parametrize("stranger", [b"", b"variant"])
async def test_a_file_that_was_never_committed_is_no_variant(
    make_cache, tmp_path, stranger: bytes
) -> None:
    """Only a rename by this program makes a variant."""
    cache = await make_cache()
    path = tmp_path / "cache" / name(1)[:2] / name(1)
    path.parent.mkdir()
    path.write_bytes(stranger)
    assert read(cache, 1) is None
    assert not path.exists()


async def test_a_refused_file_leaks_no_descriptor(make_cache, put, tmp_path) -> None:
    """A thousand damaged files do not use up what the server may open."""
    cache = await make_cache()
    await put(cache, 1, b"variant")
    before = descriptors()
    os.truncate(tmp_path / "cache" / name(1)[:2] / name(1), 3)
    assert cache.get(name(1)) is None
    assert descriptors() == before


def empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.mark.parametrize("delete", [empty, shutil.rmtree])
async def test_the_cache_may_be_deleted_under_living_servers(
    make_cache, put, tmp_path, delete
) -> None:
    """All of them keep variants again at once, by one new index, within the budget."""
    folder = tmp_path / "cache"
    mine, theirs = await make_cache(100), await make_cache(100)
    await put(mine, 1, bytes(40))
    assert read(theirs, 1) is not None
    delete(folder)
    assert read(mine, 1) is None
    await put(mine, 2, bytes(40))
    await put(theirs, 3, bytes(40))
    assert read(theirs, 2) == read(mine, 3) == bytes(40)
    assert indexed(folder) == ({name(2): 40, name(3): 40}, 80)
    await theirs.flush()
    await mine.flush()
    await put(theirs, 4, bytes(40))
    assert indexed(folder)[0] == files(folder)
    assert len(files(folder)) == 2
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in everything(folder)}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


async def test_use_of_a_deleted_cache_is_noted_or_logged(make_cache, put, tmp_path, caplog) -> None:
    """The next variant heals what a note of use cannot."""
    cache = await make_cache()
    await put(cache, 1, b"variant")
    read(cache, 1)
    shutil.rmtree(tmp_path / "cache")
    await cache.flush()
    assert "not noted" in caplog.text
    await put(cache, 1, b"variant")
    assert read(cache, 1) == b"variant"


async def test_a_new_index_ignores_the_journal_of_the_old(make_cache, put, tmp_path) -> None:
    """The index deleted alone: everything begins anew, and nothing unknown stays on the disk."""
    folder = tmp_path / "cache"
    cache = await make_cache()
    await put(cache, 1, b"variant")
    assert (folder / "index.sqlite-wal").stat().st_size
    (folder / "index.sqlite").unlink()
    await put(cache, 2, b"variant")
    assert indexed(folder) == ({name(2): 7}, 7)
    assert files(folder) == {name(2): 7}


async def test_a_full_disk_costs_the_cache_only(
    make_cache, put, tmp_path, monkeypatch, caplog
) -> None:
    """What cannot be written is logged; nothing half-written stays."""
    cache = await make_cache()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("media_gate.images.cache._copy", no_space)
    await put(cache, 1, b"variant")
    assert read(cache, 1) is None
    assert files(tmp_path / "cache") == {}
    assert not list((tmp_path / "cache" / "tmp").iterdir())
    assert "variant not cached" in caplog.text


async def test_a_short_source_is_not_kept(make_cache, memory_file, tmp_path) -> None:
    """Nobody ever finds a variant that ends early."""
    cache = await make_cache()
    await cache.put(name(1), memory_file(b"var"), 7)
    assert files(tmp_path / "cache") == {}
    assert not list((tmp_path / "cache" / "tmp").iterdir())


async def test_stale_files_of_crashes_are_removed(make_cache, tmp_path) -> None:
    """But not those that a living process is writing."""
    folder = tmp_path / "cache" / "tmp"
    folder.mkdir(parents=True)
    for entry, when in (("old", 1_800_000_000 - 3700), ("new", 1_800_000_000 - 60)):
        (folder / entry).write_bytes(b"half")
        os.utime(folder / entry, (when, when))
    await make_cache()
    assert [path.name for path in folder.iterdir()] == ["new"]


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, None])
async def test_a_lost_index_starts_an_empty_cache(make_cache, put, tmp_path, damage) -> None:
    """Variants of which nobody knows would fill the disk unseen."""
    cache = await make_cache()
    await put(cache, 1, bytes(50))
    await cache.close()
    path = tmp_path / "cache" / "index.sqlite"
    path.unlink() if damage is None else path.write_bytes(damage)
    cache = await make_cache()
    assert read(cache, 1) is None
    await put(cache, 2, bytes(50))
    assert files(tmp_path / "cache") == {name(2): 50}
    assert indexed(tmp_path / "cache") == ({name(2): 50}, 50)


async def test_a_cache_nobody_may_write_is_said_at_the_start(tmp_path) -> None:
    """A server that could never cache does not start as if all were well."""
    (tmp_path / "cache").write_text("a file, not a folder")
    cache = VariantCache(tmp_path / "cache", 100, Clock())
    with pytest.raises(OSError, match="exists"):
        await cache.open()
    await cache.close()


async def test_links_are_not_followed(make_cache, tmp_path) -> None:
    """A link planted in the cache opens nothing."""
    cache = await make_cache()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "cache" / name(1)[:2]).mkdir()
    (tmp_path / "cache" / name(1)[:2] / name(1)).symlink_to(secret)
    assert cache.get(name(1)) is None


async def test_use_is_noted_by_itself(make_cache, put, tmp_path, monkeypatch) -> None:
    """Without any new variant what was used becomes known to the others."""
    monkeypatch.setattr("media_gate.images.cache._TOUCH_EVERY", 0.0)
    cache = await make_cache()
    await put(cache, 1, b"variant")
    read(cache, 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cache._flushing
    with sqlite3.connect(tmp_path / "cache" / "index.sqlite") as database:
        (used,) = database.execute("SELECT used FROM variants").fetchone()
    database.close()
    assert used == 1_800_000_002


PROCESS = """
import asyncio, os, sys, time
from pathlib import Path
from media_gate.images.cache import VariantCache
async def main(folder, seed):
    cache = VariantCache(Path(folder), 20_000, time.time)
    await cache.open()
    for i in range(int(sys.argv[3])):
        if i == 20:
            print("busy", flush=True)
        number = (i * 7 + seed * 3) % 90
        fd = os.memfd_create("x")
        size = 200 + number * 10
        os.write(fd, bytes([number]) * size)
        await cache.put(f"{number:064x}"[::-1], fd, size)
        os.close(fd)
        kept = cache.get(f"{(number * 5) % 90:064x}"[::-1])
        if kept is not None:
            data = kept.body.read_at(0, 5000)
            assert set(data) == {(number * 5) % 90} and len(data) == kept.length
            kept.body.close()
    await cache.close()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.slow
def test_many_processes_keep_one_exact_account(tmp_path) -> None:
    """Started at the same moment on an empty folder, they never break the budget together."""
    folder = tmp_path / "cache"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROCESS, folder, str(seed), "120"],
            stdout=subprocess.DEVNULL,
        )
        for seed in range(6)
    ]
    assert [process.wait() for process in processes] == [0] * 6
    rows, total = indexed(folder)
    assert rows == files(folder)
    assert total == sum(rows.values()) <= 20_000


@pytest.mark.slow
def test_a_killed_process_leaves_no_torn_variant(tmp_path) -> None:
    """Whenever it is killed: every file is whole and known to the index."""
    folder = tmp_path / "cache"
    for seed in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, folder, str(seed), "1000000"], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"busy\n"
        process.kill()
        process.wait()
        process.stdout.close()
        rows, total = indexed(folder)
        assert files(folder).items() <= rows.items()
        assert total == sum(rows.values()) <= 20_000


def test_memory_keeps_the_small_and_recent() -> None:
    """Within its budget, the least recently used go first."""
    cache = MemoryCache(5000)
    for key in "abc":
        cache.put(key, key.encode() * 1000)
    assert cache.get("a") == b"a" * 1000
    cache.put("d", bytes(1000))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.put("a", b"other")
    assert cache.get("a") == b"a" * 1000


def test_memory_refuses_what_is_too_large_for_it() -> None:
    """A large variant does not push hundreds of small ones out."""
    cache = MemoryCache(2 * SMALL)
    cache.put("a", bytes(SMALL))
    cache.put("b", bytes(SMALL + 1))
    assert cache.get("a") is not None
    assert cache.get("b") is None
    nothing = MemoryCache(0)
    nothing.put("a", b"x")
    assert nothing.get("a") is None


def test_memory_never_exceeds_its_budget() -> None:
    """What is counted is what is held."""
    cache = MemoryCache(10_000)
    for i in range(1000):
        cache.put(str(i), bytes(i % 997))
        held = sum(len(data) for data in cache._variants.values())
        assert held <= cache._bytes <= 10_000

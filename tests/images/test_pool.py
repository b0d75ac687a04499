"""Worker processes: their turns, their limits and their ends."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys

import pytest
from pictures import decode, encode, jpeg, photo
from processes import children, descriptors, proc, worker_with_job

from media_gate.errors import Busy, DamagedPicture, RenderFailed, TooLarge
from media_gate.images.job import Done, Job, JobFailed, parse_answer
from media_gate.images.pool import RenderPool, available
from media_gate.images.rendering import Rendering

SMALL = jpeg(64, 48)
JOB = Job("jpeg", 64 * 48, Rendering("jpeg", 8_000_000, width=32, quality=80))
# Takes a worker seconds.
LONG_JOB = Job("jpeg", 3000 * 2000, Rendering("avif", 8_000_000, quality=90))


@pytest.fixture
async def make_pool():
    """Makes pools, closes them, and sees that nothing of them is left."""
    before, started = descriptors(), children()
    pools: list[RenderPool] = []

    def make(**fields: object) -> RenderPool:
        defaults = {
            "engine": "pillow", "workers": 1, "queue": 8, "max_memory": 100, "timeout": 30.0,
        } | fields  # fmt: skip
        pools.append(RenderPool(**{"share": defaults["max_memory"]} | defaults))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()
    assert children() <= started
    assert descriptors() <= before


def submit(pool: RenderPool, memory_file, data=SMALL, job=JOB, cost=1, started=None):
    """A job as a task, and the descriptor of its result."""
    target = memory_file()
    begin = (lambda: started.append(target)) if started is not None else (lambda: None)
    work = pool.render(job, memory_file(data), target, cost=cost, on_start=begin)
    return asyncio.ensure_future(work), target


async def stopped_worker(pool: RenderPool, memory_file) -> int:
    """The process id of a worker that takes the next job and then stands still."""
    await submit(pool, memory_file)[0]
    worker, _ = pool._resting[-1]
    os.kill(worker.pid, signal.SIGSTOP)
    return worker.pid


async def busy_worker(pool: RenderPool, memory_file):
    """A job that a worker has taken and is at, and the worker's process id."""
    task, _ = submit(pool, memory_file, jpeg(3000, 2000), LONG_JOB)
    return task, (await worker_with_job(pool)).pid


async def turn(times: int = 5) -> None:
    """Let everything that can go on go on."""
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.mark.parametrize("engine", ["auto", "vips", "pillow"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
async def test_a_worker_renders(make_pool, memory_file, engine: str, source: str) -> None:
    """Each engine does each kind inside its limits, and again with the same worker."""
    pool = make_pool(engine=engine, max_memory=200 << 20)
    data = encode(photo(64, 48), source)
    for form in ("jpeg", "avif", "webp", "png"):
        job = Job(source.lower(), 64 * 48, Rendering(form, 8_000_000, width=32, quality=80))
        task, target = submit(pool, memory_file, data, job)
        done = await task
        assert (done.width, done.height) == (32, 24)
        assert decode(os.pread(target, 1 << 20, 0)).size == (32, 24)
    assert len(pool._resting) == 1


def test_auto_needs_the_library(monkeypatch) -> None:
    """Without libvips Pillow does everything."""
    assert available("auto") == "auto"
    monkeypatch.setattr("media_gate.images.pool.find_spec", lambda _: None)
    assert available("auto") == "pillow"
    assert available("vips") == "vips"


async def test_no_process_before_the_first_job(make_pool) -> None:
    """A pool that is not used costs nothing."""
    before = children()
    pool = make_pool()
    assert not pool._resting
    assert children() == before


async def test_damaged_pictures_are_named_and_leave_the_worker(make_pool, memory_file) -> None:
    """A picture that cannot be decoded costs no process."""
    pool = make_pool()
    with pytest.raises(DamagedPicture, match="undecodable"):
        await submit(pool, memory_file, SMALL[:-300])[0]
    pid = pool._resting[0][0].pid
    await submit(pool, memory_file)[0]
    assert pool._resting[0][0].pid == pid


async def test_a_larger_picture_than_promised_is_refused(make_pool, memory_file) -> None:
    """What was admitted for its header is not decoded if the decoder sees another size."""
    job = Job("jpeg", 64 * 48 - 1, JOB.rendering)
    for engine in ("vips", "pillow"):
        with pytest.raises(DamagedPicture):
            await submit(make_pool(engine=engine), memory_file, SMALL, job)[0]


async def test_another_kind_than_promised_is_refused(make_pool, memory_file) -> None:
    """The decoder is chosen by what was sniffed, never by trying."""
    job = Job("png", 64 * 48, JOB.rendering)
    for engine in ("vips", "pillow"):
        with pytest.raises(DamagedPicture):
            await submit(make_pool(engine=engine), memory_file, SMALL, job)[0]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGBUS"])
async def test_a_killed_worker_fails_only_its_job(
    make_pool, memory_file, caplog, name: str
) -> None:
    """Killed in the middle of a job: that one fails, the log says how, the next is made."""
    pool = make_pool(max_memory=512 << 20)
    hit, pid = await busy_worker(pool, memory_file)
    next_one, _ = submit(pool, memory_file)
    os.kill(pid, signal.Signals[name])
    with pytest.raises(RenderFailed, match="render_worker_died"):
        await hit
    assert (await next_one).width == 32
    assert pool._resting[0][0].pid != pid
    facts = [record.facts for record in caplog.records if "died" in record.message]
    assert facts == [{"reason": "render_worker_died", "pid": pid, "signal": name}]


async def test_workers_killed_while_resting_fail_no_job(make_pool, memory_file, caplog) -> None:
    """Nobody noticed that they died; the job goes to a new one."""
    pool = make_pool(workers=2)
    await asyncio.gather(*(submit(pool, memory_file)[0] for _ in range(2)))
    pids = [worker.pid for worker, _ in pool._resting]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert len(pids) == 2
    assert (await submit(pool, memory_file)[0]).width == 32
    assert (pool._free, pool._memory) == (2, 100)
    assert "SIGKILL" in [record.facts.get("signal") for record in caplog.records]


async def test_a_worker_killed_before_it_took_its_job_fails_no_job(make_pool, memory_file) -> None:
    """What was sent and never read is done by another."""
    pool = make_pool()
    pid = await stopped_worker(pool, memory_file)
    task, target = submit(pool, memory_file)
    await turn()
    os.kill(pid, signal.SIGKILL)
    assert (await task).width == 32
    assert decode(os.pread(target, 1 << 20, 0)).size == (32, 24)
    assert pool._resting[0][0].pid != pid


async def test_the_deadline_ends_a_job(make_pool, memory_file) -> None:
    """A picture that takes too long is given up and its worker replaced."""
    pool = make_pool()
    pid = await stopped_worker(pool, memory_file)
    pool._timeout = 0.01
    with pytest.raises(RenderFailed, match="render_deadline"):
        await submit(pool, memory_file)[0]
    pool._timeout = 30
    assert (await submit(pool, memory_file)[0]).width == 32
    assert pool._resting[0][0].pid != pid


async def test_a_full_queue_refuses_at_once(make_pool, memory_file) -> None:
    """Beyond the queue nobody waits."""
    pool = make_pool(queue=2)
    pid = await stopped_worker(pool, memory_file)
    tasks = [submit(pool, memory_file)[0] for _ in range(3)]
    await turn()
    with pytest.raises(Busy, match="render_queue_full"):
        await submit(pool, memory_file)[0]
    os.kill(pid, signal.SIGCONT)
    assert [done.width for done in await asyncio.gather(*tasks)] == [32, 32, 32]


async def test_jobs_come_in_their_order(make_pool, memory_file) -> None:
    """A small job does not overtake a large one for ever."""
    pool = make_pool(workers=2, max_memory=10)
    pid = await stopped_worker(pool, memory_file)
    started: list[int] = []
    tasks, targets = zip(
        *(submit(pool, memory_file, cost=cost, started=started) for cost in (6, 9, 1, 1)),
        strict=True,
    )
    await turn()
    assert started == [targets[0]]
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(*tasks)
    assert started == list(targets)


async def test_memory_is_shared_by_all_workers(make_pool, memory_file) -> None:
    """Jobs run side by side only as far as the budget reaches."""
    pool = make_pool(workers=4, max_memory=10)
    pid = await stopped_worker(pool, memory_file)
    started: list[int] = []
    tasks = [submit(pool, memory_file, cost=5, started=started)[0] for _ in range(3)]
    await turn()
    assert len(started) == 2
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(*tasks)
    assert pool._memory == 10
    assert pool._free == 4


async def test_a_job_beyond_the_host_is_too_large(make_pool, memory_file) -> None:
    """What could never be admitted is refused, not kept waiting; both numbers are named."""
    pool = make_pool(share=1 << 20, max_memory=10 << 20)
    with pytest.raises(TooLarge) as caught:
        await submit(pool, memory_file, cost=(10 << 20) + 1)[0]
    assert "11 MiB" in caught.value.detail
    assert "10 are allowed" in caught.value.detail
    assert (await submit(pool, memory_file, cost=10 << 20)[0]).width == 32


async def test_a_job_beyond_the_share_runs_alone(make_pool, memory_file) -> None:
    """It waits until nothing else runs, nothing overtakes it, and nothing joins it."""
    pool = make_pool(workers=3, share=10, max_memory=100)
    pid = await stopped_worker(pool, memory_file)
    started: list[int] = []
    small, large, later = (
        submit(pool, memory_file, cost=cost, started=started) for cost in (4, 11, 4)
    )
    await turn()
    assert started == [small[1]]
    # Its worker is the next one's too.
    os.kill(pid, signal.SIGCONT)
    await small[0]
    os.kill(pid, signal.SIGSTOP)
    await turn()
    assert started == [small[1], large[1]]
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(large[0], later[0])
    assert started == [small[1], large[1], later[1]]
    assert (pool._free, pool._memory) == (3, 10)


async def test_a_cancelled_job_leaves_the_queue(make_pool, memory_file) -> None:
    """Who waits for nobody is dropped before it costs anything."""
    pool = make_pool(queue=2)
    pid = await stopped_worker(pool, memory_file)
    started: list[int] = []
    tasks = [submit(pool, memory_file, started=started)[0] for _ in range(3)]
    await turn()
    tasks[1].cancel()
    await turn()
    late, _ = submit(pool, memory_file, started=started)
    await turn()
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(tasks[0], tasks[2], late)
    assert tasks[1].cancelled()
    assert len(started) == 3
    assert (pool._free, pool._memory) == (1, 100)


async def test_a_turn_that_comes_too_late_goes_to_the_next(make_pool, memory_file) -> None:
    """Cancelled in the very moment its turn comes, a job gives the turn back."""
    pool = make_pool()
    await pool._admit(1)
    waiting = [asyncio.ensure_future(pool._admit(1)) for _ in range(2)]
    await turn()
    pool._give_back(1)
    waiting[0].cancel()
    await waiting[1]
    assert waiting[0].cancelled()
    pool._give_back(1)
    assert (pool._free, pool._memory) == (1, 100)


async def test_a_cancelled_running_job_takes_its_worker_along(make_pool, memory_file) -> None:
    """Nothing goes on in the background for nobody."""
    pool = make_pool()
    pid = await stopped_worker(pool, memory_file)
    task, _ = submit(pool, memory_file)
    await turn()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await submit(pool, memory_file)[0]).width == 32
    assert pool._resting[0][0].pid != pid


async def test_idle_workers_go(make_pool, memory_file) -> None:
    """After a while without a job a worker gives its memory back."""
    pool = make_pool(idle=0.0)
    assert isinstance(await submit(pool, memory_file)[0], Done)
    await turn()
    assert not pool._resting


async def test_workers_are_replaced_after_many_jobs(make_pool, memory_file, monkeypatch) -> None:
    """No worker lives for ever."""
    monkeypatch.setattr("media_gate.images.pool._JOBS", 2)
    pool = make_pool()
    await submit(pool, memory_file)[0]
    assert pool._resting
    await submit(pool, memory_file)[0]
    assert not pool._resting


async def test_closing_ends_everything(make_pool, memory_file) -> None:
    """Running jobs fail, waiting ones are told to come again, new ones too."""
    pool = make_pool()
    await stopped_worker(pool, memory_file)
    running, _ = submit(pool, memory_file)
    waiting, _ = submit(pool, memory_file)
    await turn()
    await pool.close()
    with pytest.raises(RenderFailed):
        await running
    with pytest.raises(Busy):
        await waiting
    with pytest.raises(Busy):
        await submit(pool, memory_file)[0]


@pytest.mark.parametrize(
    ("engine", "expected"),
    # Pillow cannot tell lack of memory inside a decoder from a broken file.
    [("vips", RenderFailed), ("pillow", (RenderFailed, DamagedPicture))],
)
async def test_a_worker_without_memory_fails_its_job(
    make_pool, memory_file, engine: str, expected
) -> None:
    """A picture that needs more than was predicted meets the limit; the next one is made."""
    data = encode(photo(6000, 4000), "JPEG", progressive=True, subsampling=0)
    job = Job("jpeg", 6000 * 4000, JOB.rendering)
    pool = make_pool(engine=engine)
    await submit(pool, memory_file)[0]
    worker, _ = pool._resting[0]
    used = int(proc(worker.pid, "statm").split()[0]) * resource.getpagesize()
    limit = used + (40 << 20)
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (limit, limit))
    with pytest.raises(expected):
        await submit(pool, memory_file, data, job)[0]
    assert (await submit(pool, memory_file)[0]).width == 32


async def test_a_worker_that_cannot_start_fails_its_job(
    make_pool, memory_file, monkeypatch
) -> None:
    """No interpreter, no picture; the error is one of ours."""
    monkeypatch.setattr("media_gate.images.worker.sys.executable", "/nonexistent/python")
    with pytest.raises(RenderFailed, match="render_worker_died"):
        await submit(make_pool(), memory_file)[0]


async def test_what_a_worker_complains_about_is_logged(make_pool, memory_file, caplog) -> None:
    """The reason why a worker died is in the log."""
    pool = make_pool(engine="nonsense")
    with pytest.raises(RenderFailed):
        await submit(pool, memory_file)[0]
    await pool.close()
    said = [record.facts["text"] for record in caplog.records if "says" in record.message]
    assert "render_nonsense" in "".join(said)


async def test_workers_are_confined(make_pool, memory_file, monkeypatch) -> None:
    """Limits are set, new rights impossible, and no variable of the server is passed on."""
    monkeypatch.setenv("MEDIA_GATE_SECRET", "hush")
    started: dict[str, object] = {}
    original = asyncio.create_subprocess_exec

    async def spy(*args, **kwargs):
        started.update(kwargs)
        return await original(*args, **kwargs)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spy)
    pool = make_pool()
    await submit(pool, memory_file)[0]
    pid = pool._resting[0][0].pid
    limits = proc(pid, "limits")
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert found["Max core file size"] == ["0", "0"]
    assert found["Max open files"] == ["32", "32"]
    assert all(int(value) < 1 << 30 for value in found["Max address space"])
    assert all(int(value) < 1 << 30 for value in found["Max file size"])
    assert "NoNewPrivs:\t1" in proc(pid, "status")
    assert started["cwd"] == "/"
    assert not any("MEDIA_GATE" in name for name in started["env"])
    assert "HOME" not in started["env"]


async def test_workers_die_with_their_server() -> None:
    """A killed server leaves no worker behind, not even one that stands still."""
    program = """
import asyncio, os, signal
from media_gate.images.job import Job
from media_gate.images.rendering import Rendering
from media_gate.images.worker import Worker
async def main():
    worker = await Worker.start("pillow", 1 << 20)
    fd = os.memfd_create("x")
    try:
        await worker.render(Job("jpeg", 1, Rendering("jpeg", 1)), fd, fd)
    except Exception:
        pass
    os.kill(worker.pid, signal.SIGSTOP)
    print(worker.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    server = subprocess.Popen(  # noqa: ASYNC220  it is waited for in turn
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    pid = int(server.stdout.readline())
    worker = os.pidfd_open(pid)
    server.kill()
    server.wait()
    server.stdout.close()
    ended, _, _ = select.select([worker], [], [], 20)
    os.close(worker)
    assert ended


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b"\xff", b'{"width": 1}', b'{"error": 1}', b'{"error": "x"}',
     b'{"width": "a", "height": 1}'],
)  # fmt: skip
def test_a_worker_that_answers_nonsense_is_not_believed(line: bytes) -> None:
    """What comes from a worker is judged like a stranger's word."""
    with pytest.raises(JobFailed) as caught:
        parse_answer(line)
    assert caught.value.flaw == "failed"

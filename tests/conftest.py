"""What tests of every room share: programs that may be missing, and Redis."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from redis_server import RedisServer, let_time_pass

from media_gate.auth.redis_store import connect
from media_gate.settings import RedisSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from redis.asyncio import Redis

    #: finds a program by name; the package it comes in is for the sentence when it is missing
    Program = Callable[..., str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast",
        action="store_true",
        help="leave out slow tests, and those that need a program that is not installed",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        config.option.markexpr = "not slow"


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Program:
    """Finds programs. One that is missing is a failure in CI, where all must be there."""

    def find(name: str, *, package: str, essential: bool = False) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found is None:
            sentence = f"{name} is missing: apt-get install {package}"
            if os.environ.get("CI") or (essential and not pytestconfig.getoption("--fast")):
                pytest.fail(sentence)
            pytest.skip(sentence)
        return found

    return find


@pytest.fixture(scope="session")
def redis_process(program: Program) -> Iterator[RedisServer]:
    server = RedisServer(program("redis-server", package="redis-server", essential=True))
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> Iterator[RedisServer]:
    """The real Redis of this run, empty; a test may pause or stop it."""
    redis_process.make_ready()
    yield redis_process
    redis_process.resume()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture(params=["redis", "memory"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Once a real server, once the in-process one: both keep the same promises."""
    if request.param == "memory":
        return "memory://"
    return str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client as the gate makes it, to look at what the gate wrote."""
    async with connect(RedisSettings(url=redis_url)) as client:
        await client.flushall()
        yield client


@pytest.fixture
def fast_forward(redis_client: Redis) -> Callable[[float], Awaitable[None]]:
    """Lets seconds pass for everything in Redis, so that no test sleeps."""

    async def forward(seconds: float) -> Any:
        await let_time_pass(redis_client, seconds)

    return forward

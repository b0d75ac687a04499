"""A process takes rights away from itself, before it reads a stranger's bytes."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

_MIB = 1024 * 1024
# Address space of interpreter, libraries and thread stacks, little of it ever touched.
_BASE = 320 * _MIB
_MAX_FILE = 256 * _MIB
_MAX_DESCRIPTORS = 32


def confine(max_memory: int, parent: int) -> None:
    """Limit this process for good.

    Args:
        max_memory: bytes that decoding may take, beyond what the libraries need.
        parent: process id of the starter; this process never outlives it.

    Raises:
        OSError: the system refuses; then nothing must be decoded.
    """
    for limit, value in (
        (resource.RLIMIT_AS, _BASE + max_memory),
        (resource.RLIMIT_FSIZE, _MAX_FILE),
        (resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before it could be watched.
        raise ProcessLookupError("the starter is gone")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

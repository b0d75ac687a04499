"""What this machine really gives."""

from __future__ import annotations

import os

import pytest

from media_gate.machine import cores

QUOTAS = {
    "half a core is one": ("50000 100000", 1),
    "one and a half are two": ("150000 100000", 2),
    "more than there are": ("9900000 100000", None),
    "no quota": ("max 100000", None),
    "not what is expected": ("nonsense", None),
}


@pytest.mark.parametrize(("text", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_cores_are_those_of_the_control_group(tmp_path, text, expected):
    """A container's quota counts, up to what the process may run on; without one, the latter."""
    (tmp_path / "cpu.max").write_text(text)
    usable = len(os.sched_getaffinity(0))
    assert cores(tmp_path / "cpu.max") == min(expected or usable, usable)


def test_without_control_groups_the_affinity_counts(tmp_path):
    """No file is no quota."""
    assert cores(tmp_path / "none") == len(os.sched_getaffinity(0))

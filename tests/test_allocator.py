"""Memory is kept while somebody wants it to be, in any thread, and all of it goes back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demoire import allocator

CODE = """
import threading
from pathlib import Path
from demoire.allocator import give_back, kept_memory, prepare_process

prepare_process()
import torch
torch.set_num_threads(1)
start = 0
results = []

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

def note():
    results.append(round(resident() - start))

def use():
    for _ in range(3):
        torch.ones(30_000_000)  # 120 MB

def fail():
    block = torch.ones(30_000_000)
    raise ValueError(block.shape)

def work():
    global start
    use()
    start = resident()
    use(), note()
    with kept_memory():
        use(), note()
        with kept_memory():
            pass
        note()
        give_back()
        note()
        use(), note()
    note()
    try:
        with kept_memory():
            fail()
    except ValueError:
        note()

thread = threading.Thread(target=work)
thread.start(), thread.join()
work()
print(*results)
"""


@pytest.mark.skipif(allocator._library() is None, reason="another C library than glibc")
def test_memory_is_kept_only_meanwhile_in_every_thread() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    answer = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
    figures = [int(figure) for figure in answer.stdout.split()]
    for before, kept, nested, given, again, after, failed in (figures[:7], figures[7:]):
        assert max(abs(figure) for figure in (before, given, after, failed)) < 10, figures
        assert all(110 < figure < 270 for figure in (kept, nested, again)), figures  # 360 unless used again


@pytest.mark.parametrize("answer", [None, ValueError("unrecognized configuration name")])
def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch, answer: Exception | None) -> None:
    def version(_: str) -> str | None:
        if answer:
            raise answer
        return None

    monkeypatch.setattr(os, "confstr", version)
    monkeypatch.setattr(allocator, "_library", allocator._library.__wrapped__)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: pytest.fail("the C library was looked into"))
    allocator.prepare_process()
    with allocator.kept_memory():
        allocator.give_back()

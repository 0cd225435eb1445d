"""Threads of the pipeline share one heap, and give back what they leave of it."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

HEAPS = """
import ctypes, sys, threading
from deploy.heap import share_one_heap
if sys.argv[1] == "shared":
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
kept = threading.Barrier(9)
def allocate():
    libc.malloc(100)
    kept.wait(30)
    kept.wait(30)
for _ in range(8):
    threading.Thread(target=allocate).start()
kept.wait(30)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
kept.wait(30)
"""


GAPS = """
import ctypes
from deploy.heap import give_back
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
pieces = [libc.malloc(50_000) for _ in range(2_000)]
for piece in pieces:
    ctypes.memset(piece, 1, 50_000)
for piece in pieces[:-1]:
    libc.free(piece)
before = resident()
give_back()
print(before - resident())
"""

GROWTH = """
import sys
import numpy as np
from deploy.heap import keep_large_apart
if sys.argv[1] == "apart":
    keep_large_apart()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
held, before = [], resident()
for _ in range(20):  # a larger array takes the place of one, and something small is kept behind it
    for size in range(2_000_000, 20_000_000, 2_000_000):
        array = np.ones(size, np.uint8)
        held.append(np.ones(200_000, np.uint8))
    del array
    held.append(np.zeros(size, np.uint8))
print(resident() - before - 20 * 9 * 200_000)
"""

glibc_alone = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other heaps")


@glibc_alone
def test_threads_share_one_heap() -> None:
    root, heaps = Path(__file__).parents[2], []
    for how in ("shared", "apart"):
        command = [sys.executable, "-c", HEAPS, how]
        told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        heaps.append(told.stdout.count("<heap nr="))
    assert heaps[0] == 1
    assert heaps[1] > 1


@glibc_alone
def test_what_lies_below_something_in_use_is_given_back() -> None:
    command = [sys.executable, "-c", GAPS]
    told = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(told.stdout) > 80_000_000


@glibc_alone
def test_arrays_that_were_freed_leave_nothing_and_those_not_written_to_take_nothing() -> None:
    taken = []
    for how in ("apart", "mixed"):
        command = [sys.executable, "-c", GROWTH, how]
        told = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
        taken.append(int(told.stdout))
    assert taken[0] < 10_000_000 < taken[1]

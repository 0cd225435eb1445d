"""Where the pipeline's threads take their memory from, and how it goes back."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""of glibc's malloc.h"""
_LARGE, _SPARE = 2**20, 2**26


def share_one_heap() -> None:
    """Have all threads of the process take memory from one heap; call it before any is started.

    Left to itself glibc gives each thread a heap of its own, and what one thread has freed does not serve another: a
    pipeline in which readings pass from thread to thread then grows for longer, and larger. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def keep_large_apart() -> None:
    """Have pieces of a megabyte and more mapped each on its own, so that they go back when they are freed.

    Left to itself glibc takes ever larger ones from the heap: what grows leaves gaps there, and arrays of zeros that
    nobody has written to yet take memory, since a gap must be cleared. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _SPARE)  # fixed too from now on, and low


def give_back() -> None:
    """Return pages of the heap that nobody uses to the system; 10 ms for 100 MB.

    glibc itself returns only what lies at the end of the heap. Takes leave gaps of some MB behind, and what lives on
    lies between them. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

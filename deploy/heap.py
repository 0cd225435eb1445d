"""Where the pipeline's threads take their memory from."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
"""of glibc's malloc.h"""


def share_one_heap() -> None:
    """Have all threads of the process take memory from one heap; call it before any is started.

    Left to itself glibc gives each thread a heap of its own, and what one thread has freed does not serve another: a
    pipeline in which readings pass from thread to thread then grows for longer, and larger. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)

"""How long the chunks of the readings' tables are: by rule, from how much the registered devices send. Pure.

Every row of the present chunk goes into its index at a random place (device), so that index must stay in memory. With r
readings a second in all streams, entries of b bytes and two hot chunks (for a while after a change the one before still
gets late rows), the longest chunk of h hours is right for which 2·3600·h·r·b ≤ memory / 4.
"""

HOURS = (24, 12, 8, 6, 4, 3, 2, 1)
"""lengths that divide a day, longest first"""
ENTRY_BYTES = 52
"""of the unique index (integer, timestamptz, bigint) as it grows by random insertion: 36 bytes in pages 70 % full"""
HOT_CHUNKS = 2


def chunk_hours(readings_a_second: float, memory: int) -> int:
    """Length of a chunk in hours; ``memory``: bytes of the database server's machine. Never below an hour."""
    budget = memory / 4
    for hours in HOURS:
        if HOT_CHUNKS * 3600 * hours * readings_a_second * ENTRY_BYTES <= budget:
            return hours
    return HOURS[-1]

"""Peer: gmqtt and asyncpg; what has arrived is written with COPY in one transaction, then acknowledged.

The fast pair of asyncio libraries: `python copy_batches.py CONFIGURATION`. It ends when it has stored ``count``.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv50, PubRecReasonCode

Waiting = asyncio.Queue[tuple[str, bytes, asyncio.Future[None]]]


async def main() -> None:
    configuration = json.loads(Path(sys.argv[1]).read_text())
    database = await asyncpg.connect(configuration["database"])
    keys = {row["id"]: row["key"] for row in await database.fetch("SELECT id, key FROM devices")}
    waiting: Waiting = asyncio.Queue()

    async def take(_client: Any, topic: str, payload: bytes, _qos: int, _properties: Any) -> Any:
        committed = asyncio.get_running_loop().create_future()
        waiting.put_nowait((topic, payload, committed))
        await committed
        return PubRecReasonCode.SUCCESS

    client = Client(
        configuration["client"],
        clean_session=False,
        optimistic_acknowledgement=False,
        session_expiry_interval=3600,
        receive_maximum=configuration["window"],
    )
    client.on_message = take
    client.on_connect = lambda client, *_: client.subscribe(configuration["topic"], qos=1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    await client.connect(configuration["host"], configuration["port"], version=MQTTv50)
    left = configuration["count"]
    while left > 0:
        left -= await _store(database, configuration["streams"], keys, waiting)
    await asyncio.sleep(0.05)  # lets the last acknowledgements out
    await client.disconnect()


async def _store(database: Any, streams: dict[str, Any], keys: dict[str, int], waiting: Waiting) -> int:
    taken = [await waiting.get()]
    while not waiting.empty() and len(taken) < 5_000:
        taken.append(waiting.get_nowait())
    records: dict[str, list[tuple[Any, ...]]] = {}
    received = datetime.now(UTC)
    for topic, payload, _ in taken:
        _, _, kind, device, _ = topic.split("/")
        value = json.loads(payload)
        fields = (_pick(value, path) for path in streams[kind]["paths"])
        observed = datetime.fromisoformat(value["dateObserved"])
        records.setdefault(kind, []).append((keys[device], observed, value["seq"], received, *fields))
    async with database.transaction():
        for kind, rows in records.items():
            await database.copy_records_to_table(kind, records=rows, columns=streams[kind]["columns"])
    for _, _, committed in taken:
        committed.set_result(None)
    return len(taken)


def _pick(value: Any, path: list[Any]) -> Any:
    for step in path:
        if value is None:
            return None
        value = value[step] if isinstance(step, int) else value.get(step)
    return value


if __name__ == "__main__":
    asyncio.run(main())

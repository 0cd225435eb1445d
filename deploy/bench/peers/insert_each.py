"""Peer: plain paho; every message is an INSERT and a COMMIT, then its acknowledgement.

The program most people write first: `python insert_each.py CONFIGURATION`. It ends when it has stored ``count``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main() -> None:
    configuration = json.loads(Path(sys.argv[1]).read_text())
    connection = psycopg.connect(configuration["database"])
    left = configuration["count"]

    def store(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal left
        _, _, kind, device, _ = message.topic.split("/")
        value = json.loads(message.payload)
        stream = configuration["streams"][kind]
        values = [_pick(value, path) for path in stream["paths"]]
        connection.execute(stream["psycopg"], [value["dateObserved"], value["seq"], *values, device])
        connection.commit()
        client.ack(message.mid, message.qos)
        left -= 1
        if left == 0:
            client.disconnect()

    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=configuration["client"],
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=True,
    )
    client.on_message = store
    client.on_connect = lambda client, *_: client.subscribe(configuration["topic"], qos=1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = configuration["window"]
    client.connect(configuration["host"], configuration["port"], clean_start=False, properties=properties)
    client.loop_forever()


def _pick(value: Any, path: list[Any]) -> Any:
    for step in path:
        if value is None:
            return None
        value = value[step] if isinstance(step, int) else value.get(step)
    return value


if __name__ == "__main__":
    main()

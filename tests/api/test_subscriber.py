"""The API's connection to the broker: a process that is short of time skips ticks and is never more than one behind."""

import asyncio
import threading

from live_api import Pipeline, small_city
from mqtt_client import PATIENCE, eventually

from api.live import Output
from api.subscriber import Subscriber
from devices.kinds import kinds
from devices.publisher import Publisher
from devices.topics import Topics


def test_a_slow_taker_gets_the_newest_tick_with_the_documents_of_those_it_missed(broker_url: str) -> None:
    city = small_city()
    taken: list[Output] = []
    held, release = threading.Event(), threading.Event()

    def take(output: Output) -> None:
        taken.append(output)
        held.set()
        release.wait(PATIENCE)  # blocks the event loop, as a process that gets no time does

    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever, daemon=True)
    running.start()
    subscriber = Subscriber(broker_url, Topics(city.code, kinds()), take)
    subscriber.open(loop)
    try:
        eventually(lambda: subscriber.connected, "the connection")
        with Publisher(broker_url, name="pipeline of the test") as publisher:
            codes = tuple(area.code for area in city.areas)
            pipeline = Pipeline(publisher, city)
            pipeline.tick(100)
            assert held.wait(PATIENCE)
            pipeline.tick(101, {codes[1]: 11.0}, skip=codes[2:])
            pipeline.tick(102, {codes[2]: 22.0}, skip=codes[:2] + codes[3:])
            pipeline.tick(103, skip=codes)
            eventually(lambda: subscriber.waiting == 103, "the last tick")
        release.set()
        eventually(lambda: len(taken) == 2, "the newest tick")
    finally:
        release.set()
        subscriber.close()
        loop.call_soon_threadsafe(loop.stop)
        running.join(PATIENCE)
        loop.close()
    assert [output.tick.number for output in taken] == [100, 103]
    assert taken[1].pages[codes[1]].document["composite"]["score"] == 11.0
    assert taken[1].pages[codes[2]].document["composite"]["score"] == 22.0

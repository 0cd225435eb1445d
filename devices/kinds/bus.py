"""A bus with position telemetry that reports each arrival at a stop."""

from pydantic import Field

from devices.contract import Event, Kind, Telemetry
from devices.units import Instant, KilometrePerHour, Label, Point


class Bus(Telemetry):
    """Where a bus is and how fast it goes (GTFS-realtime VehiclePosition; speed in km/h as Smart Data Models)."""

    position: Point | None = Field(default=None, description="WGS84 position")
    speed: KilometrePerHour | None = Field(default=None, description="momentary speed")
    route: Label | None = Field(default=None, description="GTFS route_id")
    trip: Label | None = Field(default=None, description="GTFS trip_id")


class Arrival(Event):
    """A bus reached a stop of its trip."""

    route: Label = Field(description="GTFS route_id")
    trip: Label = Field(description="GTFS trip_id")
    stop: Label = Field(description="GTFS stop_id")
    scheduledAt: Instant = Field(description="arrival time of the timetable")
    arrivedAt: Instant = Field(description="arrival time observed")
    predictedAt: Instant | None = Field(default=None, description="arrival time last shown to passengers")


KIND = Kind(
    id="bus",
    name_en="Bus",
    name_zh="公交车",
    telemetry=Bus,
    events={"arrival": Arrival},
    reporting_interval=30,
    lateness=30,
)

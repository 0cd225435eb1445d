"""A car park that counts its cars."""

from pydantic import Field

from devices.contract import Kind, Telemetry
from devices.units import Count


class CarPark(Telemetry):
    """Occupancy of one car park (Smart Data Models: OffStreetParking).

    More cars than spots is a real observation (queues in the aisles), so the two are not bound to each other.
    """

    totalSpotNumber: Count | None = Field(default=None, description="spots in service")
    occupiedSpotNumber: Count | None = Field(default=None, description="spots taken")


KIND = Kind(id="car_park", name_en="Car park", name_zh="停车场库", telemetry=CarPark, reporting_interval=60)

"""A kerbside parking bay with an occupancy sensor."""

from typing import Literal

from pydantic import Field

from devices.contract import Kind, Telemetry


class ParkingBay(Telemetry):
    """State of one bay (Smart Data Models: ParkingSpot)."""

    status: Literal["free", "occupied", "unknown", "closed"] = Field(description="whether a vehicle stands in the bay")


KIND = Kind(
    id="parking_bay",
    name_en="Parking bay",
    name_zh="道路停车泊位",
    telemetry=ParkingBay,
    reporting_interval=60,
)

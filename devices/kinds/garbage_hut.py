"""A residential garbage sorting hut with four streams of waste."""

from pydantic import Field

from devices.contract import Event, Kind, Telemetry
from devices.units import Celsius, Kilogram, Label, MilligramPerCubicMetre, Ratio


class GarbageHut(Telemetry):
    """Fill, weight and air of one hut (Smart Data Models: WasteContainer, one per stream of waste)."""

    fillingLevelResidual: Ratio | None = Field(default=None, description="fill of the residual-waste bins")
    fillingLevelFood: Ratio | None = Field(default=None, description="fill of the food-waste bins")
    fillingLevelRecyclable: Ratio | None = Field(default=None, description="fill of the recyclables bins")
    fillingLevelHazardous: Ratio | None = Field(default=None, description="fill of the hazardous-waste bin")
    cargoWeightResidual: Kilogram | None = Field(default=None, description="weight of residual waste")
    cargoWeightFood: Kilogram | None = Field(default=None, description="weight of food waste")
    cargoWeightRecyclable: Kilogram | None = Field(default=None, description="weight of recyclables")
    cargoWeightHazardous: Kilogram | None = Field(default=None, description="weight of hazardous waste")
    nh3: MilligramPerCubicMetre | None = Field(default=None, description="ammonia in the hut's air")
    h2s: MilligramPerCubicMetre | None = Field(default=None, description="hydrogen sulphide in the hut's air")
    seepageDetected: bool | None = Field(default=None, description="liquid on the floor")
    temperature: Celsius | None = Field(default=None, description="air temperature in the hut")
    presenceDetected: bool | None = Field(default=None, description="infrared: somebody is in front of the hut")


class IllegalDumping(Event):
    """A camera saw waste put where or when it must not be."""

    violation: Label = Field(description="what was done, such as wrong_stream, outside_hours, beside_bin")
    stream: Label | None = Field(default=None, description="residual, food, recyclable or hazardous")
    confidence: Ratio | None = Field(default=None, description="of the recognition")


KIND = Kind(
    id="garbage_hut",
    name_en="Garbage sorting hut",
    name_zh="垃圾分类投放点",
    telemetry=GarbageHut,
    events={"illegal_dumping": IllegalDumping},
    reporting_interval=60,
)

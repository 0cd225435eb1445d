"""An electricity meter of a building or a feeder."""

from pydantic import Field

from devices.contract import Kind, Telemetry
from devices.units import AdjustableKilowatt, Kilowatt, KilowattHour, PowerFactor


class EnergyMeter(Telemetry):
    """Power and energy at the metering point (Smart Data Models: ThreePhaseAcMeasurement, power in kW here)."""

    totalActivePower: Kilowatt | None = Field(
        default=None, description="active power drawn; negative when the site feeds in"
    )
    totalActiveEnergyImport: KilowattHour | None = Field(
        default=None,
        description="register of the energy drawn; only ever rises, until it rolls over or is replaced",
    )
    powerFactor: PowerFactor | None = Field(default=None, description="cos φ")
    adjustablePower: AdjustableKilowatt | None = Field(default=None, description="power the site can shed on call")


KIND = Kind(
    id="energy_meter",
    name_en="Energy meter",
    name_zh="电能表",
    telemetry=EnergyMeter,
    reporting_interval=60,
)

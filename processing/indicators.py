"""The table of indicators: what is measured, over which window, and which values are good or bad, with the source.

This is city policy; what a device can measure is declared in ``devices/kinds``. A row here is all that a new
indicator needs. Goalposts are fixed points (value, score) joined by straight lines and flat outside; they never follow
the data. ``docs/methodology.md`` says the same in prose.
"""

from processing.expressions import Clipped, Compare, Elapsed, Field, Is, Largest, Magnitude, Occurs
from processing.method import DAY, Domain, Indicator

DOMAINS: tuple[Domain, ...] = (
    Domain("waste", "垃圾分类", "Waste"),
    Domain("parking", "停车", "Parking"),
    Domain("transit", "公共交通", "Transit"),
    Domain("energy", "能源", "Energy"),
)

_FILL = Largest(("fillingLevelResidual", "fillingLevelFood", "fillingLevelRecyclable", "fillingLevelHazardous"))
_DELAY = Elapsed("scheduledAt", "arrivedAt")
_SFPARK = "SFpark pilot evaluation (SFMTA 2014); Pierce & Shoup 2013: price rises from 80 %, falls below 60 % and 30 %"
_GB14554 = "GB 14554-93, class 2, new: limit at the boundary"
_INDICATIVE = "indicative only: a low-cost sensor in a hut is not a measurement at the boundary"

INDICATORS: tuple[Indicator, ...] = (
    Indicator(
        id="waste.overflow_share",
        name_zh="满溢点位占比",
        name_en="Huts overflowing",
        unit="1",
        stream="garbage_hut",
        aggregation="latest_mean",
        value=Compare(_FILL, at_least=0.95),
        goalposts=((0.0, 100), (0.05, 80), (0.25, 0)),
        weight=2.0,
        source="no norm exists; overflow at fill 0.95 as configuration (Smart Data Models: binFullnessThreshold)",
    ),
    Indicator(
        id="waste.warn_share",
        name_zh="将满点位占比",
        name_en="Huts nearly full",
        unit="1",
        stream="garbage_hut",
        aggregation="latest_mean",
        value=Compare(_FILL, at_least=0.80),
        goalposts=((0.0, 100), (0.2, 80), (0.6, 0)),
        source="no norm exists; warning at fill 0.80 as configuration (Smart Data Models: binFullnessThreshold)",
    ),
    Indicator(
        id="waste.nh3_exceedance",
        name_zh="氨气超标时间占比",
        name_en="Ammonia above limit",
        unit="1",
        stream="garbage_hut",
        aggregation="window_mean",
        value=Compare(Field("nh3"), above=1.5),
        goalposts=((0.0, 100), (0.5, 0)),
        source=f"1.5 mg/m³: {_GB14554}",
        note=_INDICATIVE,
    ),
    Indicator(
        id="waste.h2s_exceedance",
        name_zh="硫化氢超标时间占比",
        name_en="Hydrogen sulphide above limit",
        unit="1",
        stream="garbage_hut",
        aggregation="window_mean",
        value=Compare(Field("h2s"), above=0.06),
        goalposts=((0.0, 100), (0.5, 0)),
        source=f"0.06 mg/m³: {_GB14554}",
        note=_INDICATIVE,
    ),
    Indicator(
        id="waste.illegal_dumping",
        name_zh="违规投放次数",
        name_en="Illegal dumping",
        unit="/hut·d",
        stream="garbage_hut_illegal_dumping",
        aggregation="window_rate",
        value=Occurs(),
        window=DAY,
        rate_per=DAY,
        goalposts=((0.0, 100), (1.0, 60), (4.0, 0)),
        source="no norm exists; once a day and hut is taken as the limit of the acceptable",
    ),
    Indicator(
        id="parking.kerb_occupancy",
        name_zh="道路泊位占用率",
        name_en="Kerb occupancy",
        unit="1",
        stream="parking_bay",
        aggregation="latest_mean",
        value=Is("status", "occupied", others=("free",), excused=("closed",)),
        goalposts=((0.0, 60), (0.3, 80), (0.6, 100), (0.8, 100), (0.95, 40), (1.0, 0)),
        weight=2.0,
        source=f"target band 60–80 %: {_SFPARK}",
    ),
    Indicator(
        id="parking.garage_occupancy",
        name_zh="停车场库占用率",
        name_en="Garage occupancy",
        unit="1",
        stream="car_park",
        aggregation="latest_mean",
        value=Field("occupiedSpotNumber"),
        per=Field("totalSpotNumber"),
        goalposts=((0.0, 70), (0.4, 100), (0.8, 100), (0.95, 40), (1.0, 0)),
        source="target band 40–80 % for garages: SFpark (SFMTA 2014)",
    ),
    Indicator(
        id="transit.on_time_share",
        name_zh="公交准点率",
        name_en="Buses on time",
        unit="1",
        stream="bus_arrival",
        aggregation="window_mean",
        value=Compare(_DELAY, at_least=-60, below=360),
        goalposts=((0.50, 0), (0.80, 60), (0.95, 100)),
        source="1 min early to 5 min 59 s late, target 95 %: UK DfT; Senior Traffic Commissioner",
    ),
    Indicator(
        id="transit.excess_wait",
        name_zh="额外候车时间",
        name_en="Excess wait time",
        unit="s",
        stream="bus_arrival",
        aggregation="excess_wait",
        value=_DELAY,
        entity=("route", "stop"),
        fewest=5,
        goalposts=((0.0, 100), (57.0, 80), (120.0, 50), (300.0, 0)),
        source="Σh²/2Σh observed − scheduled: TfL; network mean 57 s (2011)",
    ),
    Indicator(
        id="energy.low_power_factor",
        name_zh="低功率因数电表占比",
        name_en="Meters with low power factor",
        unit="1",
        stream="energy_meter",
        aggregation="latest_mean",
        value=Compare(Magnitude(Field("powerFactor")), below=0.9),
        goalposts=((0.0, 100), (0.1, 80), (0.5, 0)),
        source="0.90: power-factor tariff rules of 1983 (水电财字〔1983〕215号)",
    ),
    Indicator(
        id="energy.adjustable_share",
        name_zh="可调节负荷占比",
        name_en="Load that can be shed",
        unit="1",
        stream="energy_meter",
        aggregation="latest_mean",
        value=Field("adjustablePower"),
        per=Clipped(Field("totalActivePower")),
        goalposts=((0.0, 40), (0.03, 80), (0.05, 100)),
        source="3–5 % of peak load as demand response: NDRC, Measures for Demand-Side Management (2023)",
    ),
    Indicator(
        id="energy.load",
        name_zh="用电负荷",
        name_en="Electric load",
        unit="kW",
        stream="energy_meter",
        aggregation="latest_sum",
        value=Field("totalActivePower"),
        weight=0.0,
        source="sum of the meters that report; informative, without a score",
    ),
)

"""Scenarios: a kind of day and the faults of its network, read from a TOML file; some come along by name."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devices.simulation.behaviour import Mood
from devices.simulation.faults import FaultRates

SCENARIOS = Path(__file__).parent / "scenarios"


class ScenarioError(Exception):
    """A scenario is not known or its file says something that cannot be."""


class _Mood(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    waste: float = Field(default=1.0, ge=0, le=10)
    collection: bool = True
    dumping: float = Field(default=1.0, ge=0, le=100)
    parking: float = Field(default=0.0, ge=-1, le=1)
    delay: float = Field(default=0.0, ge=-600, le=3600)
    delay_spread: float = Field(default=1.0, ge=0, le=10)
    load: float = Field(default=1.0, ge=0, le=10)
    warmer: float = Field(default=0.0, ge=-40, le=30)
    dead: float = Field(default=0.02, ge=0, le=1)
    rollover: float = Field(default=0.0, ge=0, le=1)
    replaced: float = Field(default=0.0, ge=0, le=1)


class _Faults(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    drop: float = Field(default=0.0, ge=0, le=1)
    duplicate: float = Field(default=0.0, ge=0, le=1)
    delay: float = Field(default=0.0, ge=0, le=1)
    delay_s: float = Field(default=30.0, gt=0, le=86_400)
    reorder: float = Field(default=0.0, ge=0, le=1)
    reorder_s: float = Field(default=2.0, gt=0, le=600)
    garbage: float = Field(default=0.0, ge=0, le=1)
    skewed: float = Field(default=0.0, ge=0, le=1)
    skew_s: float = Field(default=120.0, gt=0, le=10_000_000)


class Scenario(BaseModel):
    """One scenario: ``hour`` makes the simulated day begin at that local hour instead of the city's own time."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    title: str
    hour: float | None = Field(default=None, ge=0, lt=24)
    mood_table: _Mood = Field(default_factory=_Mood, alias="mood")
    faults_table: _Faults = Field(default_factory=_Faults, alias="faults")

    @property
    def mood(self) -> Mood:
        return Mood(**self.mood_table.model_dump())

    @property
    def faults(self) -> FaultRates:
        return FaultRates(**self.faults_table.model_dump())


def parse_scenario(text: str, source: str) -> Scenario:
    """A scenario from the text of its file; raises ScenarioError naming file, key and value."""
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: is not TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])} is {item['input']!r}: {item['msg']}"
            for item in error.errors(include_url=False)
        )
        raise ScenarioError(f"{source}: {wrong}") from error


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Read a scenario by the name of one that comes along, or from a file."""
    path = Path(name_or_path)
    if not path.is_file():
        path = SCENARIOS / f"{name_or_path}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        known = ", ".join(sorted(file.stem for file in SCENARIOS.glob("*.toml")))
        raise ScenarioError(f"scenario {str(name_or_path)!r} is neither a file nor one of: {known}") from None
    return parse_scenario(text, str(path))

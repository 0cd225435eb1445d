"""The city that recordings and simulations are of."""

import pytest

from devices.city import City, load_city


@pytest.fixture(scope="module")
def city() -> City:
    return load_city("shanghai")

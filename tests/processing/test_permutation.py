"""Who comes first changes nothing: neither the order in which devices are registered nor that of their readings."""

import numpy as np
import pytest
from processing_material import NOW, digest, engine
from random_city import DEVICES, living


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_devices_or_readings_changes_a_bit_of_the_vital_signs(seed: int) -> None:
    batches = list(living(np.random.default_rng(seed), 0))
    plain = engine(DEVICES)
    for one in batches:
        plain.fold(one)
    rng = np.random.default_rng(100 + seed)
    mixed = engine([DEVICES[place] for place in rng.permutation(len(DEVICES))])
    pieces = [one.take(part) for one in batches for part in np.array_split(rng.permutation(len(one)), 3) if len(part)]
    for place in rng.permutation(len(pieces)):
        mixed.fold(pieces[place])
    assert digest(mixed.evaluate(NOW)) == digest(plain.evaluate(NOW))

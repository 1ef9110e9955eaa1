"""One minute of the soak (`make soak` does it for as long as wanted), each time the same."""

import pytest

from tests.dom0.soak import DISKS, KEPT, soak
from tests.dom0.steps import DISK_BYTES

DOM0_OPTIONS = {"disks": DISKS + KEPT, "disk_bytes": DISK_BYTES}
IS_LONG = True
PREFERRED_PYTHON = "3.6"
pytestmark = pytest.mark.exhaustive
MINUTES, SEED = 1, 5


def test_one_minute_of_everything(fresh_dom0):
    assert sum(soak(fresh_dom0, MINUTES, SEED).values()) > 5

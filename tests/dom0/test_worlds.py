"""One host of the soak of worlds (`make worlds` makes as many as wanted), always the same."""

import pytest

from tests.dom0.soak_worlds import DISK_BYTES, DISKS, soak

DOM0_OPTIONS = {"disks": DISKS, "disk_bytes": DISK_BYTES}
IS_LONG = True
PREFERRED_PYTHON = "2.7"
pytestmark = pytest.mark.exhaustive
SEED = 4


def test_one_host_of_everything(fresh_dom0):
    assert soak(fresh_dom0, 0, SEED)["calls"] > 10

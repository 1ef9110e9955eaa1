"""What systemd's units put together."""

from __future__ import absolute_import

import pytest

from tests import made
from xsraid import units
from xsraid.host import store
from xsraid.host.files import Host
from xsraid.md.superblocks import Superblock

UUID = "31bd0c1a:385a5cc2:4f811844:28fa8c1b"
SPARE = Superblock("/dev/sdc", UUID, 40, "now", None, frozenset([0]))
MEMBERS = [
    {"device": "/dev/sda", "slot": 0, "state": "active"},
    {"slot": 1, "state": "missing"},
    {"device": "/dev/sdc", "state": "spare"},
]
WHOLE = [MEMBERS[0], {"device": "/dev/sdb", "slot": 1, "state": "active"}, MEMBERS[2]]


@pytest.mark.parametrize(
    "block,unread,changed,state,conflicts,is_begun",
    [
        (SPARE, {}, {}, "read-auto", {}, True),
        # A fresher part that udev has added is shown as a spare, too.
        (SPARE._replace(slot=1), {}, {}, "read-auto", {}, False),
        (None, {}, {}, "read-auto", {}, False),
        (SPARE, {"/dev/sdc": "it hangs"}, {}, "read-auto", {}, False),
        (SPARE, {}, {}, "clean", {}, False),
        (SPARE, {}, {}, "readonly", {}, False),
        (SPARE, {}, {}, "read-auto", {"boot": {"conflicts": {UUID: "why"}}}, False),
        (SPARE, {}, {}, "read-auto", {"diverged": {UUID: {}}}, False),
        (SPARE, {}, {"configured": False}, "read-auto", {}, False),
        (SPARE, {}, {"members": WHOLE}, "read-auto", {}, False),
        (SPARE, {}, {"members": MEMBERS[:2]}, "read-auto", {}, False),
    ],
)
def test_an_idle_array_lets_its_spare_in(
    tmpdir, mocker, block, unread, changed, state, conflicts, is_begun
):
    tmpdir.ensure("sys/block/md0/md/array_state").write(state + "\n")
    tmpdir.ensure("var/lib/xsraid", dir=True)
    host = Host(str(tmpdir))
    for kind, facts in conflicts.items():
        store.write(host, kind, facts)
    facts = {"device": "/dev/md0", "uuid": UUID, "configured": True, "members": MEMBERS}
    record = made.array(dict(dict(facts, health="degraded"), **changed))
    mocker.patch(
        "xsraid.md.examine.superblocks_of",
        side_effect=lambda host, devices: (dict.fromkeys(devices, block), unread),
    )
    wake = mocker.patch("xsraid.md.resync.wake")
    units._let_spares_in(host, [record])
    assert wake.called is is_begun

"""Power cuts at any moment while one array is made and another one is written to: what was synced
is there, what was begun is whole or gone.
"""

import pytest

from tests.dom0.endurance import ALONE, Volume, chance, wait_until_attached
from tests.dom0.steps import DISK_BYTES, limit_sync, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5"), "disk_bytes": DISK_BYTES}
IS_LONG = True
PREFERRED_PYTHON = "3.6"
pytestmark = pytest.mark.exhaustive
CUTS = 10
SLOW_KIB_S = 500  # the first resync goes on through all the cuts
BY_HAND = "/usr/bin/python3.11 /bed/dom0/guest/plugin_by_hand.py"
# Or refused, as while booting.
UNTIL_NOTED = (
    "until compgen -G '/var/lib/xsraid/creating-*' >/dev/null || ! kill -0 $!; do sleep 0.01; done;"
)


def test_power_cuts_while_an_array_is_made(fresh_dom0):
    random, cuts = chance(), PowerCuts(fresh_dom0)
    for number in range(CUTS):
        # A good half of a call is over before it touches anything: most cuts are aimed at what
        # comes after.
        noted = random.random() < 0.7
        delay_s, by_repeating = random.uniform(0, 0.8 if noted else 1.5), random.random() < 0.5
        print(
            f"cut {number}: {delay_s:.3f} s after the {'note' if noted else 'call'}, then "
            f"{'the same' if by_repeating else 'another'} call"
        )
        cuts.cut_while_creating(UNTIL_NOTED if noted else "", delay_s)
        cuts.check(by_repeating)
        cuts.clean_up()
    cuts.check_mirrors()


class PowerCuts:
    """md0, level 10, has an SR and is resyncing all the time; md1 is what is being made."""

    def __init__(self, dom0):
        self.dom0 = dom0
        disks = dom0.disks()
        self.members = [disks[name].by_id for name in ("d4", "d5")]
        self.wish = {"level": "1", "name": "md1", "devices": ",".join(self.members)}
        limit_sync(self.dom0, SLOW_KIB_S)
        self.array = dom0.call(
            "create_array",
            level=10,
            devices=[disks[name].by_id for name in ("d0", "d1", "d2", "d3")],
        )["array"]
        self.sr = dom0.call("create_sr", array="md0")["sr_uuid"]
        self.volume = Volume(dom0, self.sr)
        dom0.run("sync")  # what the test has set up is not what a power cut is to undo

    def cut_while_creating(self, until, delay_s):
        creating = " ".join(
            [BY_HAND, "create_array", *(f"{name}={value}" for name, value in self.wish.items())]
        )
        self.dom0.run(
            f"{self.volume.writing()} {ALONE} {creating} {ALONE} {until} sleep {delay_s:.3f}"
        )
        self.dom0.cut_power()
        self.dom0.boot()
        limit_sync(self.dom0, SLOW_KIB_S)

    def check(self, by_repeating):
        """md0 is as it was; md1 is configured and whole, or the next changing call, whichever that
        is, takes back what there may be of it.
        """
        wait_until_attached(self.dom0)
        assert self.volume.wrong_blocks() == []
        found = self.dom0.call("list_arrays")["arrays"]
        self.check_what_was_there(found[0])
        made = [record for record in found[1:] if record["configured"]]
        if not made and not by_repeating:
            assert not self.dom0.call("create_sr", array="md0")["created"]
            assert self.dom0.call("list_arrays")["arrays"][1:] == []
        if not made:
            # Refused if anything of it were left on the disks.
            made = [self.dom0.call("create_array", **self.wish)["array"]]
            found = self.dom0.call("list_arrays")["arrays"]
        (record,) = found[1:]
        assert (record["uuid"], record["device"], record["configured"]) == (
            made[0]["uuid"],
            "/dev/md1",
            True,
        )
        assert record["health"] in ("resyncing", "optimal")
        assert [member["state"] for member in record["members"]] == ["active"] * 2

    def check_what_was_there(self, record):
        assert (record["uuid"], record["device"], record["configured"]) == (
            self.array["uuid"],
            "/dev/md0",
            True,
        )
        assert record["health"] in ("resyncing", "optimal")
        assert record["sr"]["uuid"] == self.sr
        assert [member["state"] for member in record["members"]] == ["active"] * 4

    def clean_up(self):
        self.dom0.run(
            f"mdadm --stop /dev/md1 && mdadm --zero-superblock {' '.join(self.members)} && sed -i "
            "/md1/d /etc/mdadm.conf && sync"
        )

    def check_mirrors(self):
        """Once it is in sync, both halves of every mirror say the same."""
        limit_sync(self.dom0, 200000)
        self.volume.write(1)  # wakes the resync, which waits for that after a boot
        assert settled(self.dom0)["health"] == "optimal"
        self.dom0.run("echo check >/sys/block/md0/md/sync_action")
        assert settled(self.dom0)["mismatch_count"] == 0

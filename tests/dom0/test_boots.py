"""Thirty boots after accidents of all kinds: each time the SR is plugged, the data is right, and
the array says what has become of it.
"""

import pytest

from tests.dom0.endurance import ALONE, Volume, chance, wait_until_attached
from tests.dom0.steps import DISK_BYTES

NAMES = ("d0", "d1", "d2", "d3")
DOM0_OPTIONS = {"disks": NAMES, "disk_bytes": DISK_BYTES}
IS_LONG = True
PREFERRED_PYTHON = "2.7"
pytestmark = pytest.mark.exhaustive
# How long a boot waits for a late disk, and how late one is at most: the rest is for a slow
# machine.
WAIT_S, LATE_MAX_S = 4, 1.5
CUT_SHARE = 0.6  # of the boots after another accident than a power cut


def test_thirty_boots(fresh_dom0):
    random, boots = chance(), Boots(fresh_dom0)
    for number, kind in enumerate(plan(random)):
        which, late_s = random.choice(NAMES), round(random.uniform(0.5, LATE_MAX_S), 1)
        is_cut = kind == "cut" or random.random() < CUT_SHARE
        what = {
            "missing": f"{which} is missing",
            "late": f"{which} is {late_s} s late",
            "reordered": "disks in another order",
            "renamed": "another host name",
            "cut": "nothing else",
        }[kind]
        print(f"boot {number} after a {'power cut' if is_cut else 'shutdown'}: {what}")
        if kind == "renamed":
            fresh_dom0.run(f"echo host{number} >/etc/hostname && sync")
        elif kind == "reordered":
            random.shuffle(boots.order)
        boots.power_off(is_cut)
        boots.boot(
            which if kind == "missing" else None, {which: late_s} if kind == "late" else None
        )
        boots.check(is_cut)
        boots.put_back()


def plan(random):
    """Return thirty accidents, six of each kind, in any order but one: after a member was missing,
    the next boot has them all.
    """
    whole = ["reordered", "renamed", "cut"]
    units = (
        [["missing", kind] for kind in whole * 2] + [[kind] for kind in whole * 4] + [["late"]] * 6
    )
    random.shuffle(units)
    return [kind for unit in units for kind in unit]


class Boots:
    """md0, level 10, with an SR. order: of the disks at the next boot; missing: which is, at this
    boot; stale: which was, at the one before.
    """

    def __init__(self, dom0):
        self.dom0, self.order, self.missing, self.stale = dom0, list(NAMES), None, None
        dom0.run(f"printf '[boot]\\nwait_s = {WAIT_S}\\n' >/etc/xsraid.conf")
        self.by_id = {name: disk.by_id for name, disk in dom0.disks().items()}
        self.array = dom0.call("create_array", level=10, devices=list(self.by_id.values()))["array"]
        self.sr = dom0.call("create_sr", array="md0")["sr_uuid"]
        self.volume = Volume(dom0, self.sr)
        self.wait_until_whole()
        dom0.run("sync")  # what the test has set up is not what a power cut is to undo

    def power_off(self, is_cut):
        if is_cut:
            self.dom0.run(f"{self.volume.writing()} {ALONE}")
            self.dom0.cut_power()
        else:
            self.dom0.guest.shut_down()

    def boot(self, missing, late):
        self.stale, self.missing = self.missing, missing
        self.dom0.boot([name for name in self.order if name != missing], late)

    def check(self, is_cut):
        wait_until_attached(self.dom0)
        (record,) = self.dom0.call("list_arrays")["arrays"]
        assert (record["uuid"], record["device"], record["sr"]["uuid"]) == (
            self.array["uuid"],
            "/dev/md0",
            self.sr,
        )
        assert record["health"] in self.healths(is_cut)
        active = [member for member in record["members"] if member["state"] == "active"]
        # 4: it has just ended.
        assert len(active) in {"degraded": [3], "rebuilding": [3, 4]}.get(record["health"], [4])
        # From here on a disk that is missing is out of date.
        assert self.volume.wrong_blocks(then_write=16) == []

    def healths(self, is_cut):
        """Return what the array may be; a member that is back out of date may have been taken in
        again already, or wait for somebody to do that.
        """
        if self.missing:
            return {"degraded"}
        return (
            {"optimal"}
            | ({"resyncing"} if is_cut else set())
            | ({"degraded", "rebuilding"} if self.stale else set())
        )

    def put_back(self):
        """Put back the member that was missing at the last boot, and wait until the array is whole
        again.
        """
        if self.stale:
            disk = self.by_id[self.stale]
            self.dom0.run(
                f"[ -e /sys/block/md0/slaves/$(basename $(readlink -f {disk})) ] || mdadm --manage "
                f"/dev/md0 --re-add {disk} || "
                f"mdadm --manage /dev/md0 --add {disk}"
            )
        if not self.missing:
            self.wait_until_whole()

    def wait_until_whole(self):
        """From sysfs, since a call of list_arrays for each look would take longer than most
        resyncs.
        """
        look = "cd /sys/block/md0/md && cat degraded sync_action resync_start"
        self.dom0.wait_until(lambda: self.dom0.run(look).out.split() == ["0", "idle", "none"])

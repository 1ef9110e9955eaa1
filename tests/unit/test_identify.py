"""A disk's light, on a machine of files: sysfs with an enclosure, a ledctl and a dd that log what
they are asked for.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests import system_faults
from xsraid.actions import identify
from xsraid.errors import CommandFailed, Timeout, UnknownDisk
from xsraid.host import enclosures, store
from xsraid.host.files import Host
from xsraid.md import state as md_state
from xsraid.text import native

SLOT = "sys/class/enclosure/0:0:8:0/Slot 03"
LOG = 'echo "$*" >>%s/%s.log\n'
MIB = 1 << 20
ONE_CALL = (
    "from xsraid.actions import identify; from xsraid.host import files; "
    "identify.identify_disk(files.Host(%r, %r), None, 'Z1Z0', 60)"
)


class Machine(object):
    """Disks sda and sdb, which has a partition; both are members of md0. Only sda is in an
    enclosure, once there is one.
    """

    def __init__(self, folder):
        self.folder = folder
        folder.ensure("var/lib/xsraid", dir=True)
        self.host = Host(str(folder), str(folder.join("tools")))
        for at, name in enumerate(("sda", "sdb")):
            scsi = "sys/devices/host0/0:0:%d:0" % at
            self.files("%s/block/%s" % (scsi, name), dev="8:%d" % (16 * at), size=65 * MIB // 512)
            self.files(scsi, uevent="DEVTYPE=scsi_device")
            self.link("sys/block/" + name, "%s/block/%s" % (scsi, name))
            self.link("%s/block/%s/device" % (scsi, name), scsi)
            known = "S:disk/by-id/ata-Z1Z%d\nE:ID_SERIAL_SHORT=Z1Z%d" % (at, at)
            self.files("run/udev/data", **{"b8:%d" % (16 * at): known})
        self.files("sys/block/sdb/sdb1", dev="8:17", partition=1)
        self.files("sys/block/sda/holders/md0")
        self.files("sys/block/sdb/sdb1/holders/md0")
        self.files("sys/block/md0/md", array_state="clean", level="raid1", raid_disks=2)
        for slot, member, place in ((0, "sda", "sda"), (1, "sdb1", "sdb/sdb1")):
            self.files("sys/block/md0/md/dev-" + member, state="in_sync", slot=slot, errors=0)
            self.link("sys/block/md0/md/dev-%s/block" % member, "sys/block/" + place)
        self.tool("dd", "")

    def files(self, folder, **contents):
        self.folder.ensure(folder, dir=True)
        for name, text in contents.items():
            self.folder.join(folder, name).write("%s\n" % text)

    def link(self, name, target):
        self.folder.join(name).dirpath().ensure(dir=True)
        self.folder.join(name).mksymlinkto(self.folder.join(target).realpath())

    def tool(self, name, body):
        """Put in a tool: the body of a shell script, which logs what it is asked for."""
        self.folder.join("tools", name).write(
            "#!/bin/sh\n" + LOG % (self.folder, name) + body, ensure=True
        )
        self.folder.join("tools", name).chmod(0o755)

    def log(self, name):
        path = self.folder.join(name + ".log")
        return path.read().splitlines() if path.check() else []

    def enclosure(self, disk_in_it="0:0:0:0", **attributes):
        """Put in an enclosure of two slots, one of them empty, with what else the kernel has in its
        folder.
        """
        self.files("sys/class/enclosure/0:0:8:0", components=2, id="0x500")
        self.files("sys/devices/host0/0:0:8:0/enclosure")
        self.link("sys/class/enclosure/0:0:8:0/device", "sys/devices/host0/0:0:8:0")
        for slot in ("Slot 03", "Slot 04"):
            self.files(
                "sys/class/enclosure/0:0:8:0/" + slot,
                locate=0,
                fault=0,
                status="OK",
                type="array device",
                slot=slot[-1],
            )
        self.files(SLOT, **attributes)
        self.link(SLOT + "/device", "sys/devices/host0/" + disk_in_it)

    @property
    def locate(self):
        return self.folder.join(SLOT, "locate").read().strip()

    @property
    def noted(self):
        return store.uuids(self.host, "identifying")

    def blink(self, disk="Z1Z0", seconds=60):
        return identify.identify_disk(self.host, None, disk, seconds)


@pytest.fixture
def machine(tmpdir):
    return Machine(tmpdir.realpath())


@pytest.fixture
def slept(machine, mocker):
    """What was slept, and what the LED said meanwhile: [(seconds, locate)]. Time flies."""
    seen = []
    system_faults.time_flies(
        mocker,
        lambda seconds: seen.append(
            (seconds, machine.locate if machine.folder.join(SLOT).check() else None)
        ),
    )
    return seen


def test_disks_in_slots(machine):
    assert enclosures.slots(machine.host) == {}
    machine.enclosure()
    assert enclosures.slots(machine.host) == {"sda": ("0:0:8:0 Slot 03", "/" + SLOT)}


def test_no_enclosure_costs_one_listing(machine, mocker):
    listed = mocker.spy(os, "listdir")
    enclosures.slots(machine.host)
    assert [native(call[0][0]) for call in listed.call_args_list] == [
        machine.host.path("/sys/class/enclosure")
    ]


@pytest.mark.parametrize(
    "disk,slots",
    [("0:0:0:0", ["0:0:8:0 Slot 03", None, None]), ("0:0:1:0", [None, "0:0:8:0 Slot 03", None])],
)
def test_members_with_their_slots(machine, disk, slots):
    """A partition is where its disk is; a missing member is nowhere."""
    machine.files("sys/block/md0/md", raid_disks=3)
    (before,) = md_state.read_arrays(machine.host)
    assert [member.enclosure_slot for member in before.members] == [None] * 3
    machine.enclosure(disk)
    (record,) = md_state.read_arrays(machine.host)
    assert [member.enclosure_slot for member in record.members] == slots


def test_the_locate_led_is_on_for_that_long(machine, slept):
    machine.enclosure()
    reply = machine.blink(seconds=7)
    assert slept == [(7, "1")]
    assert (machine.locate, machine.noted) == ("0", [])
    assert machine.log("dd") == []
    assert list(reply.items())[:-1] == [
        ("device", "/dev/sda"),
        ("serial", "Z1Z0"),
        ("by_id", "/dev/disk/by-id/ata-Z1Z0"),
        ("enclosure_slot", "0:0:8:0 Slot 03"),
        ("array", "/dev/md0"),
        ("way", "locate LED"),
        ("seconds", 7),
    ]
    assert "says Z1Z0" in reply["next"]
    assert "remove_disk" in reply["next"]


def test_a_led_that_was_on_stays_on(machine, slept):
    machine.enclosure(locate=1)
    machine.blink()
    assert slept == [(60, "1")]
    assert machine.locate == "1"


@pytest.mark.parametrize("other_seconds", [5, 500])
def test_two_calls_for_one_disk(machine, mocker, other_seconds):
    """The LED goes out with the one that is to last longer, and is as before either."""
    machine.enclosure()
    seen = []

    def call_another(seconds):
        if not seen:
            seen.append(machine.locate)
            machine.blink(seconds=other_seconds)
        seen.append((seconds, machine.locate))

    system_faults.time_flies(mocker, call_another)
    machine.blink(seconds=60)
    assert seen == ["1", (other_seconds, "1"), (60, "1" if other_seconds < 60 else "0")]
    assert (machine.locate, machine.noted) == ("0", [])


def test_what_a_killed_call_left_on_is_put_out_when_its_time_is_over(machine, mocker):
    machine.enclosure()
    call = subprocess.Popen(
        [sys.executable, "-c", ONE_CALL % (str(machine.folder), machine.host.tools_path)]
    )
    try:
        deadline = time.time() + 20
        while machine.locate != "1" and time.time() < deadline:
            time.sleep(0.01)
    finally:
        call.send_signal(signal.SIGKILL)
        call.wait()
    identify.put_out(machine.host)
    assert (machine.locate, len(machine.noted)) == ("1", 1)
    system_faults.clock_shows(mocker, time.time() + 100)
    identify.put_out(machine.host)
    assert (machine.locate, machine.noted) == ("0", [])


def test_the_next_call_puts_out_what_was_left_on_another_disk(machine, slept):
    machine.enclosure(locate=1)
    store.write(
        machine.host,
        "identifying",
        {"way": "locate LED", "light": "/%s/locate" % SLOT, "was": "0", "until": time.time() - 40},
        "a" * 32,
    )
    machine.blink("Z1Z1", seconds=1)
    assert (machine.locate, machine.noted) == ("0", [])


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {
            "until": 0,
            "was": "0",
            "way": "locate LED",
            "light": "/sys/class/enclosure/gone/Slot 1/locate",
        },
        # The clock has been put back since.
        {"until": 9e9, "was": "0", "way": "locate LED", "light": "/%s/locate" % SLOT},
    ],
)
def test_a_note_that_says_nothing_more_goes(machine, facts):
    machine.enclosure(locate=1)
    store.write(machine.host, "identifying", facts, "a" * 32)
    identify.put_out(machine.host)
    assert machine.noted == []
    assert machine.locate == ("0" if facts.get("until") == 9e9 else "1")


@pytest.mark.parametrize("later_s,works", [(100, True), (100000, False)])
def test_a_led_that_cannot_be_put_out_is_tried_again_for_a_day(machine, mocker, later_s, works):
    machine.files("dev/disk/by-id", **{"ata-Z1Z0": ""})
    machine.tool("ledctl", "exit 1")
    now = time.time()
    store.write(
        machine.host,
        "identifying",
        {"way": "ledctl", "light": "/dev/disk/by-id/ata-Z1Z0", "was": None, "until": now - 40},
        "a" * 32,
    )
    identify.put_out(machine.host)
    assert len(machine.noted) == 1
    if works:
        machine.tool("ledctl", "")
    system_faults.clock_shows(mocker, now + later_s)
    identify.put_out(machine.host)
    assert machine.noted == []
    assert machine.log("ledctl") == ["--listed-only locate_off=/dev/disk/by-id/ata-Z1Z0"] * 2


@pytest.mark.parametrize("has_enclosure", [False, True])
def test_ledctl_where_there_is_no_locate(machine, has_enclosure):
    machine.files("dev", sda="")
    machine.link("dev/disk/by-id/ata-Z1Z0", "dev/sda")
    machine.tool("ledctl", "")
    if has_enclosure:
        machine.enclosure()
        machine.folder.join(SLOT, "locate").remove()
    reply = machine.blink(seconds=1)
    assert reply["way"] == "ledctl"
    assert machine.log("dd") == []
    assert machine.noted == []
    assert machine.log("ledctl") == [
        "--listed-only locate=/dev/sda",
        "--listed-only locate_off=/dev/sda",
    ]


def test_an_enclosure_that_ignores_it(machine, slept):
    """The kernel reports no error then."""
    machine.enclosure()
    machine.folder.join(SLOT, "locate").remove()
    machine.folder.join(SLOT, "locate").mksymlinkto("/dev/null")
    reply = machine.blink(seconds=1)
    assert (reply["way"], reply["enclosure_slot"]) == ("activity light", "0:0:8:0 Slot 03")
    assert machine.log("dd")
    assert machine.noted == []


def test_reads_where_nothing_else_helps(machine):
    machine.files("dev/disk/by-id", **{"ata-Z1Z1": ""})
    machine.tool("ledctl", 'echo "unsupported controller" >&2; exit 19')
    started = time.time()
    reply = machine.blink("Z1Z1", seconds=2)
    assert time.time() - started > 1.9
    assert 2 <= reply["seconds"] <= 20
    assert len(machine.log("ledctl")) == 1
    assert machine.noted == []
    assert (reply["way"], reply["enclosure_slot"], reply["array"]) == (
        "activity light",
        None,
        "/dev/md0",
    )
    reads = [line.split() for line in machine.log("dd")]
    assert {" ".join(words[:5]) for words in reads} == {
        "if=/dev/sdb of=/dev/null iflag=direct bs=1048576 count=1"
    }
    places = [int(words[5][len("skip=") :]) for words in reads]
    assert len(set(places)) > 5
    assert min(places) >= 0
    assert max(places) < 65


def test_reads_come_in_turns_with_rest(machine, mocker):
    rests, real = [], time.sleep

    def sleep(seconds):
        if seconds > 0.1:
            rests.append((seconds, len(machine.log("dd"))))
        real(seconds)

    mocker.patch("time.sleep", side_effect=sleep)
    machine.blink(seconds=2)
    assert [seconds for seconds, _ in rests][:1] == [0.5]
    assert len(rests) == 2
    assert 0 < rests[0][1] < rests[1][1]


def test_a_bad_place_is_no_dead_disk(machine):
    machine.tool("dd", "[ -e {0}/met ] || {{ : >{0}/met; exit 1; }}".format(machine.folder))
    assert machine.blink(seconds=1)["way"] == "activity light"


def test_a_disk_that_is_pulled_meanwhile_ends_it(machine):
    machine.tool(
        "dd",
        "read count <{0}/count; echo $((count + 1)) >{0}/count; [ $count -lt 5 ]".format(
            machine.folder
        ),
    )
    machine.folder.join("count").write("0\n")
    assert machine.blink(seconds=60)["seconds"] <= 5


def test_a_disk_that_cannot_be_read(machine):
    machine.tool("dd", "echo \"dd: error reading '/dev/sda': Input/output error\" >&2; exit 1")
    with pytest.raises(CommandFailed) as caught:
        machine.blink()
    assert len(machine.log("dd")) == 3
    assert "Input/output error" in caught.value.parameters[2]
    assert "stays dark" in caught.value.sentence
    assert "says Z1Z0" in caught.value.sentence


def test_a_disk_that_hangs(machine, mocker):
    machine.tool("dd", "while :; do :; done")
    mocker.patch.object(identify, "READ_LIMIT_S", 0.2)
    with pytest.raises(Timeout) as caught:
        machine.blink()
    assert len(machine.log("dd")) == 1
    assert "dd if=/dev/sda" in caught.value.parameters[0]
    assert "stays dark" in caught.value.sentence


def test_no_such_disk(machine):
    with pytest.raises(UnknownDisk):
        machine.blink("Z1Z9")


def test_an_attribute_that_is_not_there_is_not_made(machine):
    with pytest.raises(CommandFailed) as caught:
        machine.host.write_attribute("/sys/none", "1")
    assert caught.value.parameters[:2] == ["write /sys/none", "ENOENT"]
    assert not os.path.exists(machine.host.path("/sys/none"))

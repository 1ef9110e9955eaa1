"""Disks are told apart by what they are: with two paths to one of them, and with one serial number
on three, no call writes on the wrong one.
"""

import os
import re

import pytest

from tests.dom0.kinds import blocks_changed, contents
from tests.dom0.steps import configure, create, refusal, settled, still
from tests.dom0.watching import fail_device, wait_until_monitored

MIB = 1 << 20
TWINS = ("a.twin", "b.twin", "c.twin")
DOM0_OPTIONS = {
    "disks": ("mounted", "member", "idle", "free", "other", *TWINS),
    "disk_bytes": 48 * MIB,
}
PREFERRED_PYTHON = "2.7"


@pytest.fixture(scope="module")
def devices(dom0):
    """Return {name: node}, NAME+path for the second path of the disk NAME."""
    dom0.wait_until_xapi()
    there = {name: disk.device for name, disk in dom0.disks().items()}
    dom0.run(
        "printf 'label: gpt\\n,24M\\n' | sfdisk -q {0} && udevadm settle && mkfs.ext4 -q {0}1 && "
        "mkdir -p /srv/a && mount -o ro {0}1 /srv/a".format(there["mounted"])
    )
    create(dom0, "member", "other")
    still(dom0)
    dom0.run("/usr/bin/python3.11 /bed/dom0/guest/scsi_disks.py --path mounted member idle")
    return {name: disk.device for name, disk in dom0.disks().items()}


def listed(dom0):
    return {disk["device"]: disk for disk in dom0.call("list_disks")["disks"]}


@pytest.mark.parametrize("name,reason", [("mounted", "MOUNTED"), ("member", "RAID_MEMBER")])
def test_a_disk_in_use_is_so_by_its_second_path(dom0, devices, name, reason):
    second = listed(dom0)[devices[name + "+path"]]
    assert not second["usable"]
    assert reason in [refusal["reason"] for refusal in second["refusals"]]
    assert sorted(second["paths"]) == sorted([devices[name], devices[name + "+path"]])
    before = contents(dom0, ["mounted", "member", "free"])
    for disks in (
        [devices[name + "+path"], devices["free"]],
        [devices["free"], devices[name + "+path"]],
    ):
        refused = refusal(dom0, "create_array", level="1", devices=",".join(disks), wipe="true")
        assert refused[:2] == ["XSRAID_DISK_IN_USE", devices[name + "+path"]]
        assert devices[name] in refused[-1]
    assert (
        refusal(dom0, "add_disk", array="md0", disk=devices["mounted+path"], wipe="true")[0]
        == "XSRAID_DISK_IN_USE"
    )
    assert blocks_changed(before, contents(dom0, ["mounted", "member", "free"])) == []


def test_an_idle_disk_with_two_paths_is_refused_as_such(dom0, devices):
    before = contents(dom0, ["idle", "free"])
    both = [devices["idle"], devices["idle+path"]]
    for disks in ([both[0], devices["free"]], [both[1], devices["free"]], both):
        refused = refusal(dom0, "create_array", level="1", devices=",".join(disks))
        assert refused[0] == "XSRAID_DISK_IN_USE", refused
        assert refused[2] == "MULTIPATH", refused
    assert blocks_changed(before, contents(dom0, ["idle", "free"])) == []
    assert [array["device"] for array in dom0.call("list_arrays")["arrays"]] == ["/dev/md0"]


def test_disks_that_share_a_serial_number_are_disks_all_the_same(dom0, devices):
    twins, disks = [devices[name] for name in TWINS], listed(dom0)
    serial = disks[twins[0]]["serial"]
    assert [disks[twin]["serial"] for twin in twins] == [serial] * 3
    assert all(disks[twin]["usable"] for twin in twins), [disks[twin]["refusals"] for twin in twins]
    for twin in twins:
        by_id = disks[twin]["by_id"]
        assert by_id is None or dom0.run(["readlink", "-f", by_id]).out.strip() == twin
    links = [
        link
        for link in dom0.run("ls /dev/disk/by-id").out.split()
        if serial in link and "part" not in link
    ]
    assert links
    for name in [serial, *links, *("/dev/disk/by-id/" + link for link in links)]:
        refused = refusal(dom0, "create_array", level="1", devices=f"{name},{devices['free']}")
        assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "devices"], refused
        assert all(twin in refused[-1] for twin in twins), refused
    array = dom0.call("create_array", level="1", devices=",".join(twins))["array"]
    for name in [serial, *links]:
        refused = refusal(dom0, "fail_disk", array=array["device"], disk=name, confirm=serial)
        assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "disk"], refused
        assert all(twin in refused[-1] for twin in twins), refused
    assert [
        member["state"]
        for member in dom0.call("list_arrays", array=array["device"])["arrays"][0]["members"]
    ] == ["active"] * 3
    dom0.call("fail_disk", array=array["device"], disk=twins[1], confirm=serial)
    members = dom0.call("list_arrays", array=array["device"])["arrays"][0]["members"]
    assert [member["device"] for member in members if member["state"] == "faulty"] == [twins[1]]
    reply = dom0.call(
        "replace_disk", array=array["device"], disk=twins[1], new_disk=devices["free"]
    )
    assert os.path.basename(devices["free"]) in str(reply["array"]["members"])


def test_a_second_path_to_a_member_is_not_taken_for_one_that_came_late(dom0, devices):
    """It has that member's superblock: as fresh, or newer as soon as what runs is written to."""
    other = devices["other"]
    dom0.run("printf '[log]\\nlevel = debug\\n' >/etc/xsraid.conf")
    dom0.run(
        f"mdadm /dev/md0 --fail {other} && mdadm /dev/md0 --remove {other} && wipefs -qa {other} "
        "&& udevadm settle"
    )
    dom0.run(
        "systemctl restart xsraid-assemble.service xsraid-attach.service && dd if=/dev/zero "
        "of=/dev/md0 bs=4k count=1 conv=fsync"
    )
    dom0.run(
        "sleep 1; dd if=/dev/zero of=/dev/md0 bs=4k count=1 conv=fsync; systemctl start "
        "xsraid-late.service"
    )
    assert "--re-add" not in dom0.run("journalctl --no-pager -t xsraid -o cat -b").out
    assert [
        message["body"]
        for message in dom0.xapi("message.get_all_records").values()
        if message["name"] == "XSRAID_ARRAY_DIVERGED"
    ] == []
    members = [
        member["device"]
        for member in dom0.call("list_arrays", array="md0")["arrays"][0]["members"]
        if member["device"]
    ]
    assert members in ([devices["member"]], [devices["member+path"]])


def test_the_mail_on_one_of_several_disks_of_a_serial_number_names_that_one(dom0, devices):
    """What it says to type is about no other disk."""
    twins = [devices[name] for name in TWINS]
    dom0.run(
        f"mdadm -q --stop /dev/md1; wipefs -qa {' '.join(twins)}; sed -i /md1/d /etc/mdadm.conf; "
        "udevadm settle",
        check=False,
    )
    configure(dom0)
    node = dom0.call("create_array", level=1, devices=twins, wipe=True)["array"]["device"]
    settled(dom0, node)
    wait_until_monitored(dom0)
    fail_device(dom0, twins[1], node)
    mail = dom0.wait_for_mail(lambda mail: "XSRAID_DISK_FAILED" in mail.headers["Subject"])
    named = re.findall(r"args:disk=(\S+)", mail.text)
    assert named
    assert {dom0.run(["readlink", "-f", name]).out.strip() for name in named} == {twins[1]}

"""No disk in use is ever written to: each way of use made for real, asked for by the disk's names,
and byte for byte the same afterwards.
"""

import uuid
from typing import NamedTuple

import pytest

from tests.dom0.dom0 import XapiFailure
from tests.dom0.kinds import LABEL, answers, blocks_changed, contents, names_of
from tests.dom0.steps import settled

MIB = 1 << 20
KNOWN_LVM, KNOWN_EXT, KNOWN_UDEV, KNOWN_LOCAL = (
    str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("lvm", "ext", "udev", "local")
)
PARTITION = "printf 'label: gpt\\n,24M\\n' | sfdisk -q {disk} && udevadm settle && "
INTRODUCE = "xe sr-introduce uuid=%s name-label=%s type=%s content-type=user"
PBD = "xe pbd-create sr-uuid=%s host-uuid={host} device-config:%s"
HELD = 'import os, time; os.open("%s", os.O_RDWR | os.O_EXCL); print(flush=True); time.sleep(3600)'
HOLD = (
    f"python3.11 -c '{HELD}' >/run/held%s 2>&1 </dev/null & until [ -s /run/held%s ]; do sleep "
    "0.02; done"
)
# The reasons that must be among those given, and how a disk comes to be used that way.
KINDS = {
    "mounted": ("MOUNTED", "mkfs.ext4 -q {disk} && mkdir -p /srv/a && mount -o ro {disk} /srv/a"),
    "mounted_partition": (
        "MOUNTED PARTITIONS",
        "printf 'label: dos\\n,24M\\n' | sfdisk -q {disk} && udevadm settle && mkfs.ext4 -q "
        "{disk}1 && "
        "mkdir -p /srv/b && mount -o ro {disk}1 /srv/b",
    ),
    "swap": ("SWAP", "mkswap -q {disk} >/dev/null && swapon {disk}"),
    "swap_partition": (
        "SWAP PARTITIONS",
        PARTITION + "mkswap -q {disk}1 >/dev/null && swapon {disk}1",
    ),
    "stacked": (
        "MOUNTED RAID_MEMBER DEVICE_MAPPER PARTITIONS",
        PARTITION
        + "mdadm -q --create /dev/md5 --run --level=1 --raid-devices=2 {disk}1 missing && vgcreate "
        "-q deep /dev/md5 && "
        "lvcreate -q -y -L 8M -n lv deep && mkfs.ext4 -q /dev/deep/lv && mkdir -p /srv/c && mount "
        "-o ro /dev/deep/lv /srv/c",
    ),
    "lvm_active": (
        "LVM_PV DEVICE_MAPPER",
        "vgcreate -q busy {disk} && lvcreate -q -y -L 4M -n lv busy",
    ),
    "lvm_partition": (
        "LVM_PV DEVICE_MAPPER PARTITIONS",
        PARTITION + "vgcreate -q inside {disk}1 && lvcreate -q -y -L 4M -n lv inside",
    ),
    "lvm_half": ("LVM_PV", "true"),
    "lvm_other_half": (
        "LVM_PV DEVICE_MAPPER",
        "vgcreate -q halves {disk} {lvm_half} && lvcreate -q -y -L 4M -n lv halves {disk}",
    ),
    "member": (
        "RAID_MEMBER",
        "mdadm -q --create /dev/md9 --run --level=1 --raid-devices=2 {disk} missing",
    ),
    "member_partition": (
        "RAID_MEMBER PARTITIONS",
        PARTITION + "mdadm -q --create /dev/md7 --run --level=1 --raid-devices=2 {disk}1 missing",
    ),
    "stopped_member": (
        "RAID_MEMBER",
        "mdadm -q --create /dev/md8 --run --level=1 --raid-devices=2 {disk} missing && mdadm "
        "--detail --brief /dev/md8 >>/etc/mdadm.conf && mdadm -q --stop /dev/md8",
    ),
    "inactive_member": (
        "RAID_MEMBER",
        "truncate -s 32M /run/other && losetup /dev/loop7 /run/other && mdadm -q --create /dev/md6 "
        "--run --level=1 --assume-clean --raid-devices=2 {disk} /dev/loop7 && mdadm -q --stop "
        "/dev/md6 && losetup -d /dev/loop7 && mdadm -q --incremental {disk} && grep -q '^md6 : "
        "inactive' /proc/mdstat",
    ),
    "container": (
        "RAID_MEMBER",
        "IMSM_NO_PLATFORM=1 mdadm -q --create /dev/md/imsm -e imsm --run --force --raid-devices=1 "
        "{disk}",
    ),
    "device_mapper": ("DEVICE_MAPPER", "dmsetup create whole --table '0 1000 linear {disk} 0'"),
    "device_mapper_partition": (
        "DEVICE_MAPPER PARTITIONS",
        PARTITION + "dmsetup create part --table '0 1000 linear {disk}1 0'",
    ),
    "multipath": (
        "MULTIPATH",
        "dmsetup create --uuid mpath-3600 path --table '0 1000 linear {disk} 0'",
    ),
    "sr": (
        "SR_DEVICE",
        "xe sr-create content-type=user device-config:device={by_id} name-label=plain shared=false "
        "type=lvm && xe pbd-unplug uuid=$(xe pbd-list device-config:device={by_id} --minimal)",
    ),
    "sr_partition": (
        "SR_DEVICE PARTITIONS",
        PARTITION
        + INTRODUCE % (KNOWN_LOCAL, "local", "ext")
        + " && "
        + PBD % (KNOWN_LOCAL, "device={disk}1"),
    ),
    "sr_without_pbd": (
        "SR_DEVICE",
        f"vgcreate -q VG_XenStorage-{KNOWN_LVM} {{disk}} && "
        + INTRODUCE % (KNOWN_LVM, "known", "lvm"),
    ),
    "ext_sr_without_pbd": (
        "SR_DEVICE",
        f"vgcreate -q XSLocalEXT-{KNOWN_EXT} {{disk}} && "
        + INTRODUCE % (KNOWN_EXT, "known", "ext"),
    ),
    "udev_sr": (
        "SR_DEVICE",
        "mkdir -p /srv/pass && ln -s {by_id} /srv/pass/ && "
        + INTRODUCE % (KNOWN_UDEV, "pass", "udev")
        + " && "
        + PBD % (KNOWN_UDEV, "location=/srv/pass"),
    ),
    "looped": ("HELD", "losetup -f {disk}"),
    "looped_partition": ("HELD PARTITIONS", PARTITION + "losetup -f {disk}1"),
    "bcache": (
        "HELD",
        LABEL + " bcache {disk} && modprobe bcache && echo {disk} >/sys/fs/bcache/register",
    ),
    "held": ("HELD", HOLD % ("{disk}", 0, 0)),
    "held_partition": ("HELD PARTITIONS", PARTITION + "{{ " + HOLD % ("{disk}1", 1, 1) + "; }}"),
    "read_only": ("READ_ONLY", "blockdev --setro {disk}"),
    "sectors-4k": ("SECTOR_SIZE", "[ $(blockdev --getss {disk}) = 4096 ]"),
    "more_sectors-4k": ("SECTOR_SIZE", "true"),
    "too_small": ("TOO_SMALL", "true"),
}
# What LVM itself cannot make out. From then on each of its commands, whichever disk it is about,
# has something to say on these, on stdout, too.
ODD_LVM = {
    "lvm_filtered": "vgcreate -q hidden {disk} && echo 'devices {{ global_filter = [ "
    '"r|^{disk}$|" ] }}\' >/etc/lvm/lvmlocal.conf',
    "lvm_damaged": "vgcreate -q damaged {disk} && echo x | dd of={disk} bs=1 seek=4700 "
    "conv=notrunc status=none",
}
SIZES = {"too_small": 8 * MIB}
# Disks that are no file on the host: the first two are scsi_debug's, with one memory for both.
OTHERS = {"removable": "REMOVABLE", "optical": "OPTICAL", "boot": "BOOT_DISK"}
DOM0_OPTIONS = {
    "disks": (*(kind for kind in KINDS if kind not in SIZES), *ODD_LVM, "free"),
    "disk_bytes": 32 * MIB,
}
PREFERRED_PYTHON = "2.7"


class Used(NamedTuple):
    """names: {kind: all names of its disk}; before: {kind: what was on it}; listed: {device: its
    record}; refusals: {kind: [one for each name]}.
    """

    names: dict
    before: dict
    listed: dict
    refusals: dict


@pytest.fixture(scope="module")
def used(dom0):
    """Use each disk in its own way, list them, and ask for each by its node and by one more of its
    names, in turn.
    """
    for name, size_bytes in SIZES.items():
        dom0.add_disk(name, size_bytes)
    dom0.run(
        "ln -s /dev/null /etc/udev/rules.d/64-md-raid-assembly.rules && udevadm control --reload "
        "&& modprobe loop"
    )
    names = names_of(dom0)
    nodes = {name: of[0] for name, of in names.items()}
    for kind, (_reasons, command) in KINDS.items():
        dom0.run(
            command.format(
                **{**nodes, "disk": nodes[kind], "by_id": names[kind][1], "host": dom0.host_uuid}
            )
        )
    removable = dom0.run(
        "modprobe sr_mod && modprobe scsi_debug removable=1 dev_size_mb=24 && cd "
        "/sys/bus/pseudo/drivers/scsi_debug && echo 5 >ptype && echo 1 >add_host && udevadm settle "
        "&& grep -l 1 /sys/block/sd*/removable"
    ).out.split("/")[3]
    for kind, node in (
        ("removable", "/dev/" + removable),
        ("optical", "/dev/sr0"),
        ("boot", "/dev/ubda"),
    ):
        names[kind] = [node, "//dev/.." + node]
    before = contents(dom0, [*KINDS, "free"])
    before["removable"] = dom0.run(["sha256sum", names["removable"][0]]).out
    return Used(
        names,
        before,
        {disk["device"]: disk for disk in dom0.call("list_disks")["disks"]},
        ask(dom0, names),
    )


def ask(dom0, names):
    """Return {kind: [what a call with each name replied]}. The second disk is in use, too: whatever
    the first is taken for, nothing is made.
    """
    chosen = {
        kind: [names[kind][0], names[kind][1 + at % (len(names[kind]) - 1)]]
        for at, kind in enumerate([*KINDS, *OTHERS])
    }
    second = {kind: names["swap" if kind == "mounted" else "mounted"][0] for kind in chosen}
    calls = [
        ("create_array", {"level": "1", "devices": f"{name},{second[kind]}", "wipe": "true"})
        for kind, pair in chosen.items()
        for name in pair
    ]
    replies = iter(answers(dom0, calls))
    return {kind: [next(replies) for _name in pair] for kind, pair in chosen.items()}


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_refused_by_any_name_also_with_wipe(used, kind):
    device = used.names[kind][0]
    for reply in used.refusals[kind]:
        assert reply[:2] == ["XSRAID_DISK_IN_USE", device], reply
        assert device in reply[-1], reply
        assert "Nothing was changed" in reply[-1], reply
        assert reply[2] == used.listed[device]["refusals"][0]["reason"]


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_each_reason_is_listed(used, kind):
    record = used.listed[used.names[kind][0]]
    assert not record["usable"]
    assert set((KINDS.get(kind) or [OTHERS[kind]])[0].split()) <= {
        refusal["reason"] for refusal in record["refusals"]
    }, record["refusals"]
    assert all(
        refusal["detail"] and "\n" not in refusal["detail"] for refusal in record["refusals"]
    )


def test_every_byte_is_as_it_was(dom0, used):
    after = contents(dom0, [*KINDS, "free"])
    assert [kind for kind, before in used.before.items() if after.get(kind) != before] == [
        "removable"
    ]
    assert dom0.run(["sha256sum", used.names["removable"][0]]).out == used.before["removable"]
    assert used.listed[used.names["free"][0]]["usable"]


def test_a_reason_says_what_uses_the_disk(dom0, used):
    def details(kind):
        return "; ".join(
            refusal["detail"] for refusal in used.listed[used.names[kind][0]]["refusals"]
        )

    for kind, word in (
        ("sr", "plain"),
        ("sr_without_pbd", "known"),
        ("ext_sr_without_pbd", "known"),
        ("udev_sr", "pass"),
        ("sr_partition", "local"),
        ("lvm_half", "halves"),
        ("lvm_partition", "inside"),
        ("stopped_member", "/etc/mdadm.conf"),
        ("inactive_member", "/dev/md6"),
    ):
        assert word in details(kind), (kind, details(kind))
    loops = dict(line.split() for line in dom0.run("losetup -nlO BACK-FILE,NAME").out.splitlines())
    assert loops[used.names["looped"][0]] in details("looped")
    assert loops[used.names["looped_partition"][0] + "1"] in details("looped_partition")


def test_sectors_of_4_kib_are_refused_unless_they_are_asked_for(dom0, used):
    members = [used.names[kind][0] for kind in ("sectors-4k", "more_sectors-4k")]
    assert [used.listed[device]["logical_sector_bytes"] for device in members] == [4096, 4096]
    planned = dom0.call("create_array", level=1, devices=members, allow_4k=True, dry_run=True)
    assert [member["device"] for member in planned["array"]["members"]] == members


def test_lvm_labels_that_lvm_cannot_make_out(dom0, used):
    """They count as in use; what is said of every other disk stays the same, although all of LVM's
    commands complain about these two.
    """
    for kind, command in ODD_LVM.items():
        dom0.run(command.format(disk=used.names[kind][0]))
    before = contents(dom0, ODD_LVM)
    listed = {disk["device"]: disk for disk in dom0.call("list_disks")["disks"]}
    odd = [used.names[kind][0] for kind in ODD_LVM]
    replies = answers(
        dom0,
        [
            (
                "create_array",
                {"level": "1", "devices": f"{device},{used.names['mounted'][0]}", "wipe": "true"},
            )
            for device in odd
        ],
    )
    assert [reply[:3] for reply in replies] == [
        ["XSRAID_DISK_IN_USE", device, "LVM_PV"] for device in odd
    ]
    assert blocks_changed(before, contents(dom0, ODD_LVM)) == []
    assert {device: record for device, record in listed.items() if device not in odd} == {
        device: record for device, record in used.listed.items() if device not in odd
    }


def test_an_array_on_sectors_of_4_kib_carries_no_sr_unless_that_is_asked_for(dom0, used):
    odd = " ".join(used.names[kind][0] for kind in ODD_LVM)
    # The storage manager would stumble over them.
    dom0.run(f"rm -f /etc/lvm/lvmlocal.conf; wipefs -qaf {odd}")
    members = [used.names[kind][0] for kind in ("sectors-4k", "more_sectors-4k")]
    array = dom0.call("create_array", level=1, devices=members, allow_4k=True)["array"]
    with pytest.raises(XapiFailure) as caught:
        dom0.call("create_sr", array=array["uuid"])
    assert caught.value.code == "XSRAID_UNSUPPORTED"
    assert "SR_BACKEND_FAILURE_78" in caught.value.params[-1]
    assert dom0.call("create_sr", array=array["uuid"], allow_4k=True)["created"]
    # It is repaired with disks of its kind, and nobody is asked once more.
    new = dom0.add_disk("third-4k").device
    dom0.call("replace_disk", array=array["uuid"], disk=members[0], new_disk=new)
    settled(dom0, array["uuid"])
    dom0.call("remove_disk", array=array["uuid"], disk=members[0], wipe_old=True)
    dom0.call("add_disk", array=array["uuid"], disk=members[0])
    (record,) = dom0.call("list_arrays", array=array["uuid"])["arrays"]
    assert record["health"] == "optimal"
    assert sorted((member["device"], member["state"]) for member in record["members"]) == sorted(
        [(members[0], "spare"), (members[1], "active"), (new, "active")]
    )


def test_disks_of_other_sizes_are_taken_when_what_is_lost_is_little_or_wanted(dom0, used):
    small, large = used.names["free"][0], dom0.add_disk("large", 2 * dom0.disk_bytes).device
    wish = {"level": 1, "devices": [small, large], "dry_run": True}
    with pytest.raises(XapiFailure) as caught:
        dom0.call("create_array", **wish)
    assert caught.value.params[0] == "devices"
    assert f"beside {small}" in caught.value.params[1]
    assert "allow_mixed_sizes=true" in caught.value.params[1]
    assert (
        dom0.call("create_array", allow_mixed_sizes=True, **wish)["unused_bytes"] == dom0.disk_bytes
    )

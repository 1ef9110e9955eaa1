"""What an earlier life left on disks: each kind made for real, refused by name, given up where
wipe=true asks for it, and nothing else touched.
"""

import re
import uuid

import pytest

from tests.dom0.kinds import BLANK, LABEL, answers, contents, names_of

MIB = 1 << 20
PARTITION = "printf 'label: gpt\\n,40M\\n' | sfdisk -q {disk} && udevadm settle && "
# An array made, stopped, and named nowhere.
MD = (
    "mdadm -q --create /dev/md3 --run --metadata=%s --level=1 --raid-devices=2 {disk}%s missing && "
    "mdadm -q --stop /dev/md3"
)
UNKNOWN_SR = uuid.uuid5(uuid.NAMESPACE_DNS, "unknown")
# What must be named, each as type, or partition:type in the words of libblkid, and how it comes to
# be there.
KINDS = {
    "ext4": ("ext4", "mkfs.ext4 -q {disk}"),
    "xfs": ("xfs", LABEL + " xfs {disk}"),
    "btrfs": ("btrfs", LABEL + " btrfs {disk}"),
    "iso9660": ("iso9660", LABEL + " iso9660 {disk}"),
    "swap": ("swap", "mkswap -q {disk} >/dev/null"),
    "luks": ("crypto_LUKS", LABEL + " luks {disk}"),
    "zfs_head": ("zfs_member", LABEL + " zfs_head {disk}"),
    "zfs_end": ("zfs_member", LABEL + " zfs_end {disk}"),
    "drbd": ("drbd", LABEL + " drbd {disk}"),
    "bcache": ("bcache", LABEL + " bcache {disk}"),
    "lsi_raid": ("lsi_mega_raid_member", LABEL + " lsi_raid {disk}"),
    "imsm": (
        "isw_raid_member",
        "IMSM_NO_PLATFORM=1 mdadm -q --create /dev/md126 -e imsm --run --force --raid-devices=1 "
        "{disk} && mdadm -q --stop /dev/md126",
    ),
    "ddf": (
        "ddf_raid_member",
        "mdadm -q --create /dev/md125 -e ddf --run --force --raid-devices=1 {disk} && mdadm -q "
        "--stop /dev/md125",
    ),
    "md_0.90": ("linux_raid_member", MD % ("0.90", "")),
    "md_1.0": ("linux_raid_member ext4", "mkfs.ext4 -q {disk} 56M && " + MD % ("1.0", "")),
    "md_1.1": ("linux_raid_member", MD % ("1.1", "")),
    "md_1.2": ("linux_raid_member", MD % ("1.2", "")),
    "md_partition": ("gpt 1:linux_raid_member", PARTITION + MD % ("1.0", "1")),
    "gpt": ("gpt PMBR", "echo 'label: gpt' | sfdisk -q {disk}"),
    "gpt_end": (
        "gpt",
        PARTITION + "dd if=/dev/zero of={disk} bs=512 count=34 conv=fsync status=none && blockdev "
        "--rereadpt {disk}",
    ),
    "dos": (
        "dos 1:ext4",
        "printf 'label: dos\\n,40M\\n' | sfdisk -q {disk} && udevadm settle && mkfs.ext4 -q -L "
        "old {disk}1",
    ),
    "dos_logical": (
        "dos 1:swap 2:dos 5:ext4",
        "printf 'label: dos\\n1: size=8M\\n2: size=40M, type=E\\n5: size=16M\\n' | sfdisk -q "
        "{disk} && "
        "udevadm settle && mkswap -q {disk}1 >/dev/null && mkfs.ext4 -q {disk}5",
    ),
    "vmfs": ("gpt 1:VMFS_volume_member", PARTITION + LABEL + " vmfs_member {disk}1"),
    "lvm": (
        "LVM2_member",
        "vgcreate -q idle {disk} && lvcreate -q -an -Zn -Wn -y -L 4M -n lv idle",
    ),
    "lvm_partition": ("gpt 1:LVM2_member", PARTITION + "vgcreate -q inside {disk}1"),
    "lvm_half": (
        "LVM2_member",
        "vgcreate -q halves {disk} {kept_lvm_half} && lvcreate -q -an -Zn -Wn -y -L 4M -n lv "
        "halves {disk}",
    ),
    "lvm_without_group": ("LVM2_member", "pvcreate -q {disk}"),
    "lvm_unknown_sr": ("LVM2_member", f"vgcreate -q VG_XenStorage-{UNKNOWN_SR} {{disk}}"),
    "lvm_missing_half": (
        "LVM2_member",
        "truncate -s 32M /run/half && losetup /dev/loop6 /run/half && vgcreate -q lost {disk} "
        "/dev/loop6 && losetup -d /dev/loop6",
    ),
}
# Disks that no call may touch; the last is in use.
KEPT = {
    "kept_lvm_half": "true",
    "kept_partition": PARTITION + "mkfs.ext4 -q {disk}1",
    "mounted": "mkfs.ext4 -q {disk} && mkdir -p /srv/a && mount -o ro {disk} /srv/a",
}
# Libblkid looks for ZFS on no smaller disk.
DOM0_OPTIONS = {"disks": (*KINDS, *KEPT, "free"), "disk_bytes": 64 * MIB}
PREFERRED_PYTHON = "3.6"
NAMED_BYTES = 32  # no magic number of libblkid's is longer
# What mdadm writes where nothing has redundancy: a version 1.2 superblock and its list of bad
# blocks.
MD_BYTES = range(4096, 16384)


@pytest.fixture(scope="module")
def names(dom0):
    """Leave something on each disk; return {disk: its names}. udev must not assemble what has been
    stopped.
    """
    dom0.run(
        "ln -s /dev/null /etc/udev/rules.d/64-md-raid-assembly.rules && udevadm control --reload "
        "&& modprobe loop"
    )
    names = names_of(dom0)
    nodes = {disk: of[0] for disk, of in names.items()}
    for disk, command in [
        *((kind, command) for kind, (_left, command) in KINDS.items()),
        *KEPT.items(),
    ]:
        dom0.run(command.format(**{**nodes, "disk": nodes[disk]}))
    dom0.run("udevadm settle")
    return names


@pytest.fixture(scope="module")
def before(dom0, names):
    """Return what is on each disk at first."""
    return contents(dom0, names)


@pytest.fixture(scope="module")
def listed(dom0, names, before):
    """Return {disk: its record of list_disks}."""
    by_device = {record["device"]: record for record in dom0.call("list_disks")["disks"]}
    return {disk: by_device[of[0]] for disk, of in names.items()}


@pytest.fixture(scope="module")
def refused(dom0, names, before):
    """Return {kind: what a call without wipe replied}, by one name after the other. The second disk
    is stale, too: in no case is anything made.
    """
    calls = [
        (
            "create_array",
            {
                "level": "1",
                "devices": f"{names[kind][at % 5]},{names['ext4' if kind != 'ext4' else 'xfs'][0]}",
            },
        )
        for at, kind in enumerate(KINDS)
    ]
    return dict(zip(KINDS, answers(dom0, calls)))


@pytest.fixture(scope="module")
def planned(dom0, names, before):
    """Return the commands that a dry run over all disks replies, a list for each way of naming the
    disks.
    """
    return [
        commands_of(reply)
        for reply in answers(
            dom0, [("create_array", together(names, at, dry_run="true")) for at in range(5)]
        )
    ]


def together(names, at=0, *more, **arguments):
    """Return the arguments of a call that gives up all that is left; at: which of their names the
    disks are called by; more: disks besides.
    """
    return {
        "level": "0",
        "devices": ",".join([names[kind][at] for kind in KINDS] + list(more)),
        "wipe": "true",
        **arguments,
    }


def commands_of(reply):
    """Return the commands of a reply, the random uuid left out."""
    return [
        re.sub("[0-9a-f]{8}(:[0-9a-f]{8}){3}", "UUID", command) for command in reply["commands"]
    ]


def left_on(names, kind):
    """Return {(device, type)} of what must be named."""
    items = [item.rpartition(":") for item in KINDS[kind][0].split()]
    return {(names[kind][0] + partition, word) for partition, _colon, word in items}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_listed(names, listed, kind):
    record = listed[kind]
    assert record["usable"]
    assert record["refusals"] == []
    assert left_on(names, kind) <= {(item["device"], item["type"]) for item in record["stale"]}, (
        record["stale"]
    )
    assert all(
        sorted(item) == ["device", "label", "offset_bytes", "type"] for item in record["stale"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_refused_without_wipe(names, refused, kind):
    reply = refused[kind]
    assert reply[:2] == ["XSRAID_STALE_DATA", names[kind][0]], reply
    for device, word in left_on(names, kind):
        assert word in reply[2]
        assert word in reply[-1]
        assert device in reply[-1]
        assert "wipe=true" in reply[-1]


def test_labels_tell_which_it_was(listed):
    labels = {
        kind: {item["label"] for item in listed[kind]["stale"]}
        for kind in ("dos", "xfs", "lvm", "lvm_partition")
    }
    assert "old" in labels["dos"]
    assert "data" in labels["xfs"]
    assert "idle" in labels["lvm"]
    assert "inside" in labels["lvm_partition"]


def test_a_dry_run_tells_each_wipe(names, planned):
    assert all(commands == planned[0] for commands in planned)
    wiped = {
        word for command in planned[0] if command.startswith("wipefs ") for word in command.split()
    }
    assert {device for kind in KINDS for device, _word in left_on(names, kind)} <= wiped


def test_one_disk_in_use_keeps_all_others_from_being_wiped(dom0, names, before):
    [reply] = answers(dom0, [("create_array", together(names, 0, names["mounted"][0]))])
    assert reply[:3] == ["XSRAID_DISK_IN_USE", names["mounted"][0], "MOUNTED"]


def test_nothing_has_changed_so_far(dom0, names, before, listed, refused, planned):
    after = contents(dom0, names)
    assert [disk for disk in names if after[disk] != before[disk]] == []


def test_all_are_given_up_in_one_call(dom0, names, before, listed, planned):
    """Level 0: nothing is synchronised, so that all of the disks shows what was written."""
    starts = dict(
        line.split()
        for line in dom0.run("lsblk -nbro PATH,START").out.splitlines()
        if " " in line.strip()
    )
    members = [names[kind][0] for kind in KINDS]
    reply = dom0.call("create_array", **together(names))
    assert [member["device"] for member in reply["array"]["members"]] == members
    assert commands_of(reply) == planned[0]
    journal = dom0.run("journalctl --no-pager -t xsraid -o cat").out
    wipes = planned[0][
        : next(at for at, command in enumerate(planned[0]) if command.startswith("mdadm "))
    ]
    assert wipes
    assert [command for command in wipes if command not in journal] == []
    assert dom0.run(f"wipefs -np {' '.join(members)} | cut -d, -f4").out.split() == [
        "linux_raid_member"
    ] * len(members)
    assert dom0.run(f"lsblk -nro TYPE {' '.join(members)}").out.split() == ["disk", "raid0"] * len(
        members
    )
    after = contents(dom0, names)
    assert [disk for disk in (*KEPT, "free") if after[disk] != before[disk]] == []
    for kind in KINDS:
        named = [
            int(starts.get(item["device"], 0)) * 512 + item["offset_bytes"]
            for item in listed[kind]["stale"]
        ]
        written = changed(before[kind], after[kind])
        assert [first for first in named if first not in MD_BYTES and first not in written] == [], (
            kind,
            "named and not wiped",
        )
        others = [
            at
            for at in written
            if at not in MD_BYTES and not any(0 <= at - first < NAMED_BYTES for first in named)
        ]
        assert others == [], (kind, "wiped and not named")


def changed(before, after):
    """Return the offsets of the bytes that differ between two contents of a disk."""
    blocks = [
        (offset, before.get(offset, BLANK), after.get(offset, BLANK))
        for offset in sorted({*before, *after})
    ]
    return {
        offset + at
        for offset, old, new in blocks
        if old != new
        for at in range(len(old))
        if old[at] != new[at]
    }

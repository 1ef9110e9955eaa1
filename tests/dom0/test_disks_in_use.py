"""No disk in use is ever written to: each kind made for real, asked for by each of its names, and byte for byte the same afterwards."""
import pytest

from steps import refusal

MIB = 1 << 20
# The reason that must be among those given, and how a disk comes to be used that way.
KINDS = {
    "mounted": ("MOUNTED", "mkfs.ext4 -q {disk} && mkdir -p /srv/x && mount -o ro {disk} /srv/x"),
    "swap": ("SWAP", "mkswap -q {disk} >/dev/null && swapon {disk}"),
    "partitioned": ("PARTITIONS", "printf 'label: gpt\\n,10M\\n' | sfdisk -q {disk} && udevadm settle"),
    "mounted_partition": ("MOUNTED", "printf 'label: dos\\n,16M\\n' | sfdisk -q {disk} && udevadm settle && mkfs.ext4 -q {disk}1 && "
                          "mkdir -p /srv/y && mount -o ro {disk}1 /srv/y"),
    "lvm_inactive": ("LVM_PV", "pvcreate -q {disk} && vgcreate -q idle {disk}"),
    "lvm_active": ("DEVICE_MAPPER", "pvcreate -q {disk} && vgcreate -q busy {disk} && lvcreate -q -y -L 8M -n lv busy"),
    "running_member": ("RAID_MEMBER", "mdadm -q --create /dev/md9 --run --level=1 --raid-devices=2 {disk} missing && udevadm settle"),
    "stopped_member": ("RAID_MEMBER", "mdadm -q --create /dev/md8 --run --level=1 --raid-devices=2 {disk} missing && udevadm settle && "
                                      "mdadm --detail --brief /dev/md8 >>/etc/mdadm.conf && mdadm -q --stop /dev/md8"),
    "device_mapper": ("DEVICE_MAPPER", "dmsetup create held --table '0 1000 linear {disk} 0'"),
    "multipath": ("MULTIPATH", "dmsetup create --uuid mpath-3600 path --table '0 1000 linear {disk} 0'"),
    "sr": ("SR_DEVICE", "xe sr-create content-type=user device-config:device={disk} name-label=plain shared=false type=lvm && "
                        "xe pbd-unplug uuid=$(xe pbd-list --minimal)"),
    "held": ("HELD", "python3.11 -c 'import os, time; os.open(\"{disk}\", os.O_RDWR | os.O_EXCL); time.sleep(3600)' >/dev/null 2>&1 </dev/null & "
             "sleep 1"),
    "read_only": ("READ_ONLY", "blockdev --setro {disk}"),
}
DOM0_OPTIONS = {"disks": (*KINDS, "free"), "disk_bytes": 48 * MIB}
PREFERRED_PYTHON = "2.7"


@pytest.fixture(scope="module")
def used(dom0):
    """Use each disk in its own way; return {kind: Disk}."""
    dom0.wait_until_xapi()
    disks = dom0.disks()
    for kind, (_reason, command) in KINDS.items():
        dom0.run(command.format(disk=disks[kind].device))
    dom0.run("udevadm settle")
    return disks


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_in_use_is_refused_by_any_name_and_untouched(dom0, used, kind):
    disk = used[kind]
    before = dom0.run(["sha256sum", disk.device]).out
    for name in (disk.device, disk.by_id, disk.serial, "//dev/../dev/" + disk.device[5:]):
        details = refusal(dom0, "create_array", level=1, devices=[used["free"].device, name], wipe=True)
        assert details[:2] == ["XSRAID_DISK_IN_USE", disk.device] and "Nothing was changed" in details[-1]
    assert dom0.run(["sha256sum", disk.device]).out == before


def test_every_reason_is_listed(dom0, used):
    listed = {disk["device"]: disk for disk in dom0.call("list_disks")["disks"]}
    for kind, (reason, _command) in KINDS.items():
        disk = listed[used[kind].device]
        assert not disk["usable"] and reason in [refusal["reason"] for refusal in disk["refusals"]], (kind, disk["refusals"])
    assert listed[used["free"].device]["usable"]
    of_sr = {"reason": "SR_DEVICE", "detail": f"{used['sr'].device} is a device of the storage repository plain"}
    assert of_sr in listed[used["sr"].device]["refusals"]

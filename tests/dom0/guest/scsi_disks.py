#!/usr/bin/python3.11
"""SCSI disks /dev/sdX in the guest, each backed by a file /share/NAME.img of the host: LIO's fileio behind tcm_loop.

scsi_disks.py [--early] [NAME…]: plugs in disks, without names those of DISKS=a,b,c on the kernel command line. --early: before udevd runs.
scsi_disks.py --list: prints for each disk that is there its name, device, serial number, by-id link and HBA, separated by tabs.
One HBA for each disk: a LUN above 0 on a shared one is not found again by a rescan. The serial number must be unique hexadecimal digits, since LIO
builds the WWN from it.
"""
import glob
import hashlib
import os
import subprocess
import sys

TARGET = "/sys/kernel/config/target"
MODULES = ["target_core_mod", "target_core_file", "tcm_loop", "sd_mod", "sg", "dm-mod", "raid0", "raid1", "raid10"]


def serial_of(name):
    """Return the serial number that the disk NAME always has."""
    return hashlib.sha1(name.encode()).hexdigest()[:16]


def put(path, text):
    """Write one attribute of configfs."""
    with open(path, "w") as attribute:
        attribute.write(text)


def add_disk(index, name):
    """Plug the disk NAME into an HBA of its own, number index."""
    image, serial = f"/share/{name}.img", serial_of(name)
    store = f"{TARGET}/core/fileio_{index}/{name}"
    port = f"{TARGET}/loopback/naa.5{serial[1:]}/tpgt_1"
    os.makedirs(store)
    put(store + "/control", f"fd_dev_name={image},fd_dev_size={os.stat(image).st_size}")
    put(store + "/wwn/vpd_unit_serial", serial)
    put(store + "/wwn/vendor_id", "SEAGATE")
    put(store + "/wwn/product_id", "ST4000NM0035")
    put(store + "/enable", "1")
    os.makedirs(port)
    put(port + "/nexus", "naa.6" + serial[1:])
    os.mkdir(port + "/lun/lun_0")
    os.symlink(store, f"{port}/lun/lun_0/{name}")


def wanted_disks():
    """Return the names that the kernel command line gives."""
    with open("/proc/cmdline") as cmdline:
        words = dict(word.partition("=")[::2] for word in cmdline.read().split())
    return [name for name in words.get("DISKS", "").split(",") if name]


def list_disks():
    """Yield [name, device, serial number, by-id link, HBA] of each disk that the kernel has."""
    names = {serial_of(os.path.basename(path)): os.path.basename(path) for path in glob.glob(TARGET + "/core/fileio_*/*") if os.path.isdir(path)}
    links = {os.path.realpath(link): link for link in sorted(glob.glob("/dev/disk/by-id/scsi-*"))}
    for block in sorted(glob.glob("/sys/block/sd*")):
        with open(block + "/device/vpd_pg80", "rb") as page:
            serial = page.read()[4:].decode().strip("\0 ")
        device = "/dev/" + os.path.basename(block)
        if serial in names:
            yield [names[serial], device, serial, links.get(device, ""), "host" + os.path.basename(os.path.realpath(block + "/device")).split(":")[0]]


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join("\t".join(disk) for disk in list_disks()))
        return
    early = arguments[:1] == ["--early"]
    names = arguments[1:] if early else arguments
    subprocess.run(["modprobe", "-a"] + MODULES, check=True)
    if not os.path.isdir("/sys/kernel/config/target"):
        subprocess.run(["mount", "-t", "configfs", "configfs", "/sys/kernel/config"], check=True)
    os.makedirs(TARGET + "/core", exist_ok=True)
    plugged_count = len([device for device in os.listdir(TARGET + "/core") if device.startswith("fileio_")])
    for index, name in enumerate(names or wanted_disks(), plugged_count):
        add_disk(index, name)
    if not early:
        subprocess.run(["udevadm", "settle"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/python3.11
"""SCSI disks /dev/sdX in the guest, each backed by a file /share/NAME.img of the host: LIO's fileio
behind tcm_loop.

scsi_disks.py [--early] [NAME…]: plugs in disks, without names those of DISKS=a,b,c on the kernel
command line. --early: before udevd runs.
scsi_disks.py --late: plugs in those of LATE=a:4,b:2.5 on the kernel command line, each so many
seconds from now.
scsi_disks.py --path NAME…: leads a second path to each of these disks; list_disks calls it
NAME+path.
One HBA for each disk: a LUN above 0 on a shared one is not found again by a rescan. The serial
number must be hexadecimal digits, since LIO builds the WWN from it; disks whose names have a dot
share that of all with the same word after it (a.same, b.same). A disk whose NAME ends in -4k has
logical sectors of 4 KiB.
"""

import contextlib
import glob
import hashlib
import itertools
import os
import subprocess
import sys
import time

TARGET = "/sys/kernel/config/target"
MODULES = [
    "target_core_mod",
    "target_core_file",
    "tcm_loop",
    "sd_mod",
    "sg",
    "dm-mod",
    "raid0",
    "raid1",
    "raid10",
]


def serial_of(name):
    """Return the serial number that the disk NAME always has."""
    return hashlib.sha1(name.rpartition(".")[2].encode()).hexdigest()[:16]


def put(path, text):
    """Write one attribute of configfs."""
    with open(path, "w") as attribute:
        attribute.write(text)


def new_hba():
    """Return the folder of a new HBA, of the first number that nobody has taken: a late disk may
    come at any moment.
    """
    for index in itertools.count():
        folder = f"{TARGET}/core/fileio_{index}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
            break
    return folder


def add_disk(name):
    """Plug the disk NAME into an HBA of its own."""
    image, serial = f"/share/{name}.img", serial_of(name)
    store = f"{new_hba()}/{name}"
    os.mkdir(store)
    put(store + "/control", f"fd_dev_name={image},fd_dev_size={os.stat(image).st_size}")
    put(store + "/wwn/vpd_unit_serial", serial)
    put(store + "/wwn/vendor_id", "SEAGATE")
    put(store + "/wwn/product_id", "ST4000NM0035")
    put(store + "/enable", "1")
    if name.endswith("-4k"):
        put(store + "/attrib/block_size", "4096")
    lead_to(store, name)


def add_path(name):
    """Lead a second path to the disk NAME."""
    (store,) = glob.glob(f"{TARGET}/core/fileio_*/{name}")
    lead_to(store, name + "+path")


def lead_to(store, name):
    """Make an HBA whose only LUN is a backing store; the link to it is called as the disk is."""
    digits = hashlib.sha1(name.encode()).hexdigest()[:15]
    port = f"{TARGET}/loopback/naa.5{digits}/tpgt_1"
    os.makedirs(port)
    put(port + "/nexus", "naa.6" + digits)
    os.mkdir(port + "/lun/lun_0")
    os.symlink(store, f"{port}/lun/lun_0/{name}")


def wanted_disks(word="DISKS"):
    """Return what a word of the kernel command line lists."""
    with open("/proc/cmdline") as cmdline:
        words = dict(word.partition("=")[::2] for word in cmdline.read().split())
    return [name for name in words.get(word, "").split(",") if name]


def add_late_disks():
    """Plug in the late disks, each when its time has come."""
    started_s = time.monotonic()
    for after_s, name in sorted(
        (float(after_s), name)
        for name, _, after_s in (late.partition(":") for late in wanted_disks("LATE"))
    ):
        time.sleep(max(0, started_s + after_s - time.monotonic()))
        add_disk(name)


def list_disks():
    """Yield [name, device, serial number, by-id link, HBA] of each disk that the kernel has."""
    names = {}
    for port in glob.glob(TARGET + "/loopback/*/tpgt_*"):
        links = [path for path in glob.glob(port + "/lun/lun_0/*") if os.path.islink(path)]
        if links:
            with open(port + "/address") as address:
                names[address.read().strip()] = os.path.basename(links[0])
    by_id = {os.path.realpath(link): link for link in sorted(glob.glob("/dev/disk/by-id/scsi-*"))}
    for block in sorted(glob.glob("/sys/block/sd*")):
        place = os.path.basename(os.path.realpath(block + "/device"))  # host:channel:target:LUN
        with open(block + "/device/vpd_pg80", "rb") as page:
            serial = page.read()[4:].decode().strip("\0 ")
        device = "/dev/" + os.path.basename(block)
        name = names.get(place.rpartition(":")[0])
        if name:
            yield [name, device, serial, by_id.get(device, ""), "host" + place.split(":")[0]]


def main(arguments):
    if arguments == ["--late"]:
        add_late_disks()
        return
    if arguments[:1] == ["--path"]:
        for name in arguments[1:]:
            add_path(name)
        subprocess.run(["udevadm", "settle"], check=True)
        return
    early = arguments[:1] == ["--early"]
    names = arguments[1:] if early else arguments
    subprocess.run(["modprobe", "-a"] + MODULES, check=True)
    if not os.path.isdir("/sys/kernel/config/target"):
        subprocess.run(["mount", "-t", "configfs", "configfs", "/sys/kernel/config"], check=True)
    os.makedirs(TARGET + "/core", exist_ok=True)
    for name in names or wanted_disks():
        add_disk(name)
    if not early:
        subprocess.run(["udevadm", "settle"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

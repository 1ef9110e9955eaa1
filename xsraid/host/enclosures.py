"""The slots of enclosures and the disks in them, as the kernel's ses driver shows them under
/sys/class/enclosure. Nothing here is written.

NVMe disks are in no such enclosure. Their light is the PCI slot's, and what its `attention` takes
depends on who drives it (behind Intel's VMD these are raw codes), which `ledctl` knows.
"""

from __future__ import absolute_import

import collections

CLASS = "/sys/class/enclosure"
# Such as "0:0:8:0 Slot 03", and its folder, where `locate` is.
Slot = collections.namedtuple("Slot", "name path")


def slots(host):
    """Return {kernel name of a disk: Slot} of the disks in enclosures.

    A slot's `device` leads to the SCSI device in it (drivers/misc/enclosure.c). No attribute is
    read: for most the kernel asks the enclosure.
    """
    found = {}
    for enclosure in host.names(CLASS):
        for component in host.names("%s/%s" % (CLASS, enclosure)):
            path = "%s/%s/%s" % (CLASS, enclosure, component)
            for disk in host.names(path + "/device/block"):
                found[disk] = Slot(" ".join([enclosure] + component.split()), path)
    return found

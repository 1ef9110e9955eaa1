"""The types of storage repositories (SRs): the table, and the names of their volume groups. It
loads nothing, so that the table of functions may use it.
"""

from __future__ import absolute_import

import collections
import re

# group: how its storage manager names a volume group, before the uuid of the SR; is_made: whether
# create_sr makes it; has_file_system: which takes a part of the device for itself;
# needs_configuration: whether it works as those of old releases did without the sm_config that
# SR.create leaves; by_hand: the commands that give it the capacity of a device that has grown, None
# if they are not known here.
SrType = collections.namedtuple(
    "SrType", "group is_made has_file_system needs_configuration by_hand"
)
TYPES = collections.OrderedDict(
    [
        (
            "lvm",
            SrType(
                group="VG_XenStorage",
                is_made=True,
                has_file_system=False,
                needs_configuration=True,
                by_hand="`pvresize %(device)s`",
            ),
        ),
        (
            "ext",
            SrType(
                group="XSLocalEXT",
                is_made=True,
                has_file_system=True,
                needs_configuration=False,
                by_hand="`pvresize %(device)s`, "
                "`lvextend -l +100%%FREE /dev/XSLocalEXT-%(uuid)s/%(uuid)s`, "
                "`resize2fs /dev/XSLocalEXT-%(uuid)s/%(uuid)s`",
            ),
        ),
        ("xfs", SrType("XSLocalXFS", False, True, False, None)),
        ("largeblock", SrType("XSLocalLargeBlock", False, True, False, None)),
    ]
)
MADE = [name for name, kind in TYPES.items() if kind.is_made]
DEFAULT = "lvm"
BY_GROUP = {kind.group: name for name, kind in TYPES.items()}
GROUP = r"(.+)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z"


def uuid_of_group(name):
    """Return the uuid of the SR that a volume group is by its name, None if it is none."""
    match = re.match(GROUP, name)
    return match.group(2) if match else None


def type_of_group(name):
    """Return the type of the SR that a volume group is by its name, None for one that is not in
    TYPES.
    """
    return BY_GROUP.get(re.match(GROUP, name).group(1))

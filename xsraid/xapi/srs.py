"""Which storage repository (SR) is on an array or on one of its partitions. No command is run."""

from __future__ import absolute_import

import collections
import re

from xsraid.errors import BadArgument
from xsraid.host import physical_volume, sysfs
from xsraid.xapi import objects
from xsraid.xapi.sr_types import uuid_of_group

# sr: reference; pbd: this host's PBD record with its reference under `ref`, None if it has none;
# path: the lasting path of what carries the SR.
Found = collections.namedtuple("Found", "sr pbd path")


def groups_on(host, record):
    """Return [(volume group, lasting path)] of the groups on an array and its partitions that are
    SRs by their names, known to XAPI or not.
    """
    found = [(_group_name(host, device) or "", path) for device, path in _places(host, record)]
    return [(group, path) for group, path in found if uuid_of_group(group)]


class Finder(object):
    """Finds SRs by the paths of this host's PBDs and by the volume groups on arrays, whatever the
    type of the SR.
    """

    def __init__(self, host, session):
        self.host, self.session = host, session
        self.pbds = objects.local_pbds(host, session)

    def find(self, record):
        """Return the Found SR of an array record, None if XAPI knows none. A name in the PBD that
        holds for good counts most, a node least.
        """
        places = _places(self.host, record)
        for _, path in places:
            pbd = self._pbd_of([path])
            if pbd is not None:
                return Found(pbd["SR"], pbd, path)
        for device, path in places:
            sr = self._sr_by_group(device)
            if sr is not None:
                return Found(sr, next((pbd for pbd in self.pbds if pbd["SR"] == sr), None), path)
        for device, path in places:
            pbd = self._pbd_of([device])
            if pbd is not None:
                return Found(pbd["SR"], pbd, path)
        return self._tagged(record)

    def _pbd_of(self, paths):
        """Return the PBD that names one of these paths, or a link that leads there."""
        for pbd in self.pbds:
            for named in pbd["device_config"].get("device", "").split(","):
                if named and (named in paths or self.host.real_path(named) in paths):
                    return pbd
        return None

    def _sr_by_group(self, device):
        """Return the reference of the SR that the volume group on a device is by its name, None
        where it is none that XAPI knows.
        """
        uuid = uuid_of_group(_group_name(self.host, device) or "")
        return objects.sr_if_known(self.session, uuid) if uuid else None

    def _tagged(self, record):
        """Return the Found SR that is tagged with an array of which nothing can be read, None if
        there is none.
        """
        if sysfs.size_bytes(self.host, sysfs.name_of(record.device)) or not record.uuid:
            return None
        for pbd in self.pbds:
            if (
                self.session.xenapi.SR.get_other_config(pbd["SR"]).get(objects.ARRAY_TAG)
                == record.uuid
            ):
                return Found(pbd["SR"], pbd, record.by_id)
        return None


def _places(host, record):
    """Return [(node, lasting path)] of an array and its partitions; udev names those after the
    array.
    """
    name = sysfs.name_of(record.device)
    places = [(record.device, record.by_id or record.device)]
    for partition in sysfs.partitions(host, name):
        number = re.search(r"(\d+)\Z", partition).group(1)
        places.append(
            (
                sysfs.node(partition),
                "%s-part%s" % (record.by_id, number) if record.by_id else sysfs.node(partition),
            )
        )
    return places


def _group_name(host, device):
    """Return the name of the volume group on a device: by the volumes that are active on it, else
    as its physical volume says.
    """
    name = sysfs.name_of(device)
    whole = re.sub(r"p\d+\Z", "", name)
    for holder in sysfs.holders(host, whole, name if whole != name else None):
        if (sysfs.attribute(host, holder, "dm/uuid") or "").startswith("LVM-"):
            return physical_volume.volume_of(sysfs.attribute(host, holder, "dm/name") or "")[0]
    try:
        group = physical_volume.group_on(host, device)
    except EnvironmentError:  # an array that is not there or cannot be read
        return None
    return group.name if group else None


def mend(host, session, found):
    """Have the PBD of a Found SR name the lasting path of its array; return whether it named
    another.

    Of an SR on several devices only the path that leads to the array is replaced, else the one that
    leads nowhere; the others stay.
    """
    paths = found.pbd["device_config"].get("device", "").split(",")
    if found.path in paths:
        return False
    here = host.device_number(found.path)
    wrong = [path for path in paths if here and host.device_number(path) == here]
    if not wrong:
        wrong = [path for path in paths if host.device_number(path) is None]
    if len(paths) > 1 and len(wrong) != 1:
        raise BadArgument(
            "array",
            "the PBD %s names several devices (%s), and which of them is this array cannot be "
            "told: `xe pbd-destroy` and `xe pbd-create` it by hand"
            % (found.pbd["uuid"], ", ".join(paths)),
        )
    named = [found.path]
    if len(paths) > 1:
        named = list(paths)
        named[paths.index(wrong[0])] = found.path
    config = dict(found.pbd["device_config"], device=",".join(named))
    session.xenapi.PBD.set_device_config(found.pbd["ref"], config)
    return True

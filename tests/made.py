"""Records of arrays and disks, made of plain dicts by those tests that need no host."""

from xsraid.disks.inventory import Disk
from xsraid.md.state import Array, Member, Sync
from xsraid.xapi.objects import SrSummary


def array(fields=(), **more):
    """Return the Array with these fields; its members, `sync` and `sr` are dicts."""
    fields = dict(fields, **more)
    fields["members"] = [Member(**member) for member in fields.get("members", [])]
    for name, kind in (("sync", Sync), ("sr", SrSummary)):
        if fields.get(name):
            fields[name] = kind(**fields[name])
    return Array(**fields)


def disk(fields=(), **more):
    """Return the Disk with these fields."""
    return Disk(**dict(fields, **more))

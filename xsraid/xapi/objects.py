"""This host's own records in XAPI, over the session that was passed in. Failures of XAPI pass
through with their own code.
"""

from __future__ import absolute_import

import time

import XenAPI

from xsraid.errors import NotConfigured
from xsraid.records import Record
from xsraid.text import PYTHON_2

if PYTHON_2:
    import xmlrpclib
else:
    import xmlrpc.client as xmlrpclib

INVENTORY = "/etc/xensource-inventory"
ARRAY_TAG = "xsraid-array"  # in an SR's other_config: the uuid of the array that carries it


def this_host(host, session):
    """Return the reference of the host that this machine is.

    From the inventory file, not from session.get_this_host: a session that the master forwarded may
    name another host. Raises NotConfigured.
    """
    for line in (host.read_if_there(INVENTORY) or "").splitlines():
        if line.startswith("INSTALLATION_UUID="):
            return session.xenapi.host.get_by_uuid(line.split("=", 1)[1].strip().strip("'\""))
    raise NotConfigured(
        "%s names no INSTALLATION_UUID" % INVENTORY,
        "Every XenServer and XCP-ng host has it there: is this one?",
    )


def date(seconds):
    """Return a time, in seconds since 1970, as XAPI takes it."""
    return xmlrpclib.DateTime(time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(seconds)))


def pool(session):
    """Return the record of the pool, with its own reference under `ref`. A host alone is a pool,
    too.
    """
    ((ref, record),) = session.xenapi.pool.get_all_records().items()
    return dict(record, ref=ref)


def local_pbds(host, session):
    """Return the PBD records of this host, each with its own reference under `ref`."""
    here = this_host(host, session)
    pbds = session.xenapi.PBD.get_all_records()
    return [dict(pbd, ref=ref) for ref, pbd in sorted(pbds.items()) if pbd["host"] == here]


def sr_of_array(host, session, array_uuid):
    """Return the reference of the SR of this host that is tagged with an array, None if there is
    none.
    """
    for pbd in local_pbds(host, session):
        if (
            array_uuid
            and session.xenapi.SR.get_other_config(pbd["SR"]).get(ARRAY_TAG) == array_uuid
        ):
            return pbd["SR"]
    return None


def sr_if_known(session, uuid):
    """Return the reference of an SR, None if XAPI knows none of this uuid."""
    try:
        return session.xenapi.SR.get_by_uuid(uuid)
    except XenAPI.Failure as error:
        if error.details[0] != "UUID_INVALID":
            raise
        return None


class SrSummary(Record):
    """What a reply says of an SR."""

    FIELDS = ("uuid", "name_label")


def sr_summary(session, sr):
    """Return the SrSummary of an SR."""
    return SrSummary(
        uuid=session.xenapi.SR.get_uuid(sr), name_label=session.xenapi.SR.get_name_label(sr)
    )


def vm_count(session, sr_uuid):
    """Return how many VMs have disks on an SR; templates, snapshots and dom0 itself are none."""
    vdis = set(session.xenapi.SR.get_VDIs(session.xenapi.SR.get_by_uuid(sr_uuid)))
    if not vdis:
        return 0
    vms = {vbd["VM"] for vbd in session.xenapi.VBD.get_all_records().values() if vbd["VDI"] in vdis}
    kinds = ("is_a_template", "is_a_snapshot", "is_control_domain")
    records = session.xenapi.VM.get_all_records() if vms else {}
    count = 0
    for vm in vms:
        if vm in records and not any(records[vm][kind] for kind in kinds):
            count += 1
    return count


def set_other_config(module, ref, key, value):
    """Set one key of an object's other_config; XAPI's own `add_to` refuses a key that is there.
    module: such as session.xenapi.SR.
    """
    module.remove_from_other_config(ref, key)
    module.add_to_other_config(ref, key, value)

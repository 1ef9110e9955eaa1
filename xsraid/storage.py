"""Storage repositories on arrays, over the XenAPI session that xapi handed in. The verb `create_sr`."""

from __future__ import absolute_import

import collections
import re

import XenAPI

from xsraid import md, settings, usage, xapi
from xsraid.commands import run
from xsraid.errors import ArrayInUse, BadArgument, UnknownArray, WouldLoseData

TAG = "xsraid-array"  # in the SR's other_config: the uuid of the array that carries it
UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z"
# The storage manager's names for its volume groups: LVMSR and EXTSR.
SR_GROUPS = (("lvm", "VG_XenStorage-" + UUID), ("ext", "XSLocalEXT-" + UUID))
LVM_MASTER = "/etc/lvm/master"  # before 8.1 dom0's own lvm.conf lets nobody change LVM by hand
UNUSABLE = ("missing", "inactive", "failed")


def create_sr(host, session, array, type=None, name_label=None, name_description=None, default_sr=False, reattach=False,  # noqa: A002 - XAPI's word
              wipe=False):
    """Register an array as storage repository of this host; return {"sr_uuid", "device", "created"}, created False for one that was there.

    array: a node, name or uuid; type: lvm or ext, None means lvm or what is there; reattach: bring back the SR that is on the array, with its
    data; wipe: give up what is on it. Raises WouldLoseData, UnknownArray, ArrayInUse, BadArgument, Busy, and what XAPI and the storage manager raise.
    """
    limit_s = settings.load(host).mdadm_timeout_s
    if reattach and wipe:
        raise BadArgument("wipe", "reattach=true keeps the data and wipe=true gives it up; give one of them")
    with host.lock("create_sr"):
        record = md.find_array(host, array)
        if record["health"] in UNUSABLE or record["by_id"] is None:
            raise UnknownArray(array, "this array is %s, it carries no storage repository" % record["health"])
        here = xapi.this_host(host, session)
        pbd = md.pbd_of_array(md.pbds_by_device(host, session), record)
        if pbd is not None:
            sr, created = _complete(session, record, pbd, type), False
        else:
            label = name_label or "Local %s %s" % (record["level"].upper(), record["name"])
            sr = _make(host, session, here, record, type, label, name_description or "", reattach, wipe, limit_s)
            created = not reattach
        xapi.set_other_config(session.xenapi.SR, sr, TAG, record["uuid"])
        if default_sr:
            session.xenapi.pool.set_default_SR(session.xenapi.pool.get_all()[0], sr)
        host.log("SR %s on %s, %s" % (session.xenapi.SR.get_uuid(sr), record["device"], "created" if created else "was there"))
        return collections.OrderedDict([("sr_uuid", session.xenapi.SR.get_uuid(sr)), ("device", record["by_id"]), ("created", created)])


def _complete(session, record, pbd, kind):
    """Return the SR of a PBD that is there already, plugged."""
    there = session.xenapi.SR.get_type(pbd["SR"])
    if kind not in (None, there):
        raise BadArgument("type", "%s carries a storage repository of type %s already" % (record["device"], there))
    if not pbd["currently_attached"]:
        session.xenapi.PBD.plug(pbd["ref"])
    return pbd["SR"]


def _make(host, session, here, record, kind, label, description, reattach, wipe, limit_s):
    groups, others = _contents(host, record)
    old_type, old_uuid = _old_sr(groups)
    if reattach:
        if old_uuid is None:
            what = _in_words(groups, others) or "nothing at all"
            raise BadArgument("reattach", "%s carries no storage repository, but %s" % (record["device"], what))
        if kind not in (None, old_type):
            raise BadArgument("type", "the storage repository on %s is of type %s; leave the argument out" % (record["device"], old_type))
        return _reattach(session, here, record, old_type, old_uuid, label, description)
    if (groups or others) and not wipe:
        _refuse_to_lose(record, groups, others, old_uuid)
    _refuse_in_use(host, record, groups)
    for group in groups:
        host.log("giving up as asked: volume group %s on %s" % (group, record["device"]))
        run(host, ["vgchange", "-an", group], limit_s, environment=_lvm_environment(host))
    return session.xenapi.SR.create(here, {"device": record["by_id"]}, "0", label, description, kind or "lvm", "user", False, {})


def _contents(host, record):
    """Return (volume groups on the array, what else is on it in words). What cannot be found out is no reason to overwrite it."""
    signatures, unreadable = usage.signatures_on(host, record["device"])
    if unreadable:
        raise WouldLoseData(record["device"], "may carry data, it cannot be looked at: %s" % unreadable, "Find out why before it is overwritten.")
    groups = [label for kind, _, label in signatures if kind == "LVM2_member" and label]
    others = [kind + (label and " '%s'" % label) for kind, _, label in signatures if kind != "LVM2_member" or not label]
    return groups, others


def _old_sr(groups):
    """Return (type, uuid) of the SR that a volume group is, (None, None) where none is one."""
    for group in groups:
        for kind, pattern in SR_GROUPS:
            match = re.match(pattern, group)
            if match:
                return kind, match.group(1)
    return None, None


def _in_words(groups, others):
    return ", ".join(["the volume group %s" % group for group in groups] + others)


def _refuse_to_lose(record, groups, others, old_uuid):
    if old_uuid is None:
        advice = "If nobody needs that, repeat the call with wipe=true."
    else:
        advice = "That is the storage repository %s: reattach=true brings it back with its data, wipe=true gives it up." % old_uuid
    raise WouldLoseData(record["device"], "carries %s, which SR.create would overwrite without asking" % _in_words(groups, others), advice)


def _refuse_in_use(host, record, groups):
    """Refuse an array that something uses other than the volume groups on it, which are deactivated before they are overwritten."""
    mounts, swaps, others = usage.users_of(host, record["device"])
    for place in mounts:
        raise ArrayInUse(record["device"], "the mount %s" % place, "Unmount it first: `umount %s`." % place)
    for device in swaps:
        raise ArrayInUse(record["device"], "swap on %s" % device, "Switch it off first: `swapoff %s`." % device)
    if others and not groups:
        raise ArrayInUse(record["device"], ", ".join(others))


def _reattach(session, here, record, kind, uuid, label, description):
    """Bring an SR back under its own uuid; where this fails, XAPI is left as it was."""
    introduced = None
    try:
        sr = session.xenapi.SR.get_by_uuid(uuid)
    except XenAPI.Failure as error:
        if error.details[0] != "UUID_INVALID":
            raise
        sr = introduced = session.xenapi.SR.introduce(uuid, label, description, kind, "user", False, {})
    pbd = None
    try:
        pbd = session.xenapi.PBD.create({"host": here, "SR": sr, "device_config": {"device": record["by_id"]}, "other_config": {}})
        session.xenapi.PBD.plug(pbd)
    except XenAPI.Failure:
        _undo(session, pbd, introduced)
        raise
    return sr


def _undo(session, pbd, introduced):
    try:
        if pbd is not None:
            session.xenapi.PBD.destroy(pbd)
        if introduced is not None:
            session.xenapi.SR.forget(introduced)
    except XenAPI.Failure:
        pass  # the first failure is the one to report


def _lvm_environment(host):
    return {"LVM_SYSTEM_DIR": LVM_MASTER} if host.names(LVM_MASTER) else {}

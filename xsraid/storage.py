"""Storage repositories on arrays, over the XenAPI session that xapi handed in. The verb `create_sr`."""

from __future__ import absolute_import

import collections
import re
import syslog
import time

import XenAPI

from xsraid import lvm, md, notes, probe, recovery, settings, survey, sysfs, usage, xapi
from xsraid.errors import ArrayInUse, BadArgument, Busy, UnknownArray, Unsupported, WouldLoseData

LVM_GROUP = "VG_XenStorage-"  # how the storage manager begins the names of the volume groups of its type lvm
LVM_CONFIG = "use_vhd"  # what SR.create of type lvm leaves in sm_config
CONFIG_LOOKS, CONFIG_PAUSE_S = 10, 0.2
METADATA_VOLUME = "MGT"  # what LVMSR makes in it before the first disk
# An SR to be made. type: lvm, ext, or None for lvm or what is there.
Wish = collections.namedtuple("Wish", "type label description reattach wipe")


def create_sr(host, session, array, type=None, name_label=None, name_description=None, default_sr=False, reattach=False,  # noqa: A002 - XAPI's word
              wipe=False, allow_4k=False):
    """Register an array as storage repository of this host; return {"sr_uuid", "device", "created"}, created False for one that was there.

    array: a node, name or uuid; type: lvm or ext, None means lvm or what is there; reattach: bring back the SR that is on the array, with its
    data; wipe: give up what is on it; allow_4k: on disks of 4 KiB sectors, too. Raises WouldLoseData, UnknownArray, ArrayInUse, Unsupported,
    BadArgument, Busy, and what XAPI and the storage manager raise.
    """
    limit_s = settings.load(host).mdadm_timeout_s
    if reattach and wipe:
        raise BadArgument("wipe", "reattach=true keeps the data and wipe=true gives it up; give one of them")
    with recovery.changing(host, "create_sr", limit_s):
        record = md.find_array(host, array)
        if record["health"] in md.NOT_THERE or record["by_id"] is None:
            raise UnknownArray(array, "this array is %s, it carries no storage repository" % record["health"])
        wish = Wish(type, name_label or "Local %s %s" % (record["level"].upper(), record["name"]), name_description or "", reattach, wipe)
        here = xapi.this_host(host, session)
        pbd = _finish_or_undo(host, session, record)
        if pbd is not None:
            sr, created = _complete(session, record, pbd, type), False
        else:
            _refuse_sectors(host, record, allow_4k)
            sr, created = _make(host, session, here, record, wish), not reattach
        xapi.set_other_config(session.xenapi.SR, sr, xapi.ARRAY_TAG, record["uuid"])
        notes.remove(host, "registering", record["uuid"])
        if default_sr:
            session.xenapi.pool.set_default_SR(session.xenapi.pool.get_all()[0], sr)
        host.log("SR %s on %s, %s" % (session.xenapi.SR.get_uuid(sr), record["device"], "created" if created else "was there"))
        return collections.OrderedDict([("sr_uuid", session.xenapi.SR.get_uuid(sr)), ("device", record["by_id"]), ("created", created)])


def _refuse_sectors(host, record, allow_4k):
    sector_bytes = sysfs.number(host, sysfs.name_of(record["device"]), "queue/logical_block_size")
    if sector_bytes not in (None, usage.SECTOR_BYTES) and not allow_4k:
        raise Unsupported("A storage repository on %s, whose logical sectors have %d bytes: its disks for VMs could not be made "
                          "(SR_BACKEND_FAILURE_78)" % (record["device"], sector_bytes), "members with sectors of 512 bytes, or allow_4k=true")


def _finish_or_undo(host, session, record):
    """Return the PBD of an array, None when there is none; what a call that was killed left half made of an SR is taken away first."""
    note = notes.read(host, "registering", record["uuid"])
    pbd = md.pbd_of_array(md.pbds_by_device(host, session), record)
    if note is None:
        return pbd
    if any(task["status"] == "pending" and "SR.create" in task["name_label"] for task in session.xenapi.task.get_all_records().values()):
        raise Busy("xapi still carries out an SR.create that an earlier call began")
    if pbd is not None and _is_half_made(host, session, pbd):
        session.xenapi.PBD.unplug(pbd["ref"])
        session.xenapi.PBD.destroy(pbd["ref"])
        session.xenapi.SR.forget(pbd["SR"])
        pbd = None
    if pbd is None:
        _clean(host, session, record, note.get("groups", []), [METADATA_VOLUME])
    return md.pbd_of_array(md.pbds_by_device(host, session), record)


def _is_half_made(host, session, pbd):
    """Return whether xapi went away before SR.create had ended: there is neither a tag nor a disk, and it cannot be plugged or lacks its sm_config.

    Without that an SR of type lvm would work as those of old releases did, its disks without snapshots.
    """
    sr = session.xenapi.SR.get_record(pbd["SR"])
    if xapi.ARRAY_TAG in sr["other_config"] or sr["VDIs"]:
        return False
    why = ""
    if not pbd["currently_attached"]:
        try:
            session.xenapi.PBD.plug(pbd["ref"])
        except XenAPI.Failure as error:
            why = " ".join(error.details)
    if not why and sr["type"] == "lvm" and not _is_configured(session, pbd["SR"]):
        why = "its sm_config is missing"
    if why:
        host.log("the SR.create of %s was cut off (%s): its records go" % (sr["uuid"], why), syslog.LOG_WARNING)
    return bool(why)


def _is_configured(session, sr):
    """Return whether XAPI has what SR.create of type lvm leaves in sm_config; an SR.create that has just ended may be about to write it."""
    for _ in range(CONFIG_LOOKS):
        if LVM_CONFIG in session.xenapi.SR.get_sm_config(sr):
            return True
        time.sleep(CONFIG_PAUSE_S)
    return False


def _clean(host, session, record, groups_before, volumes):
    """Take away what a failed SR.create left on an array: a volume group that is new and whose SR XAPI does not know, or a bare label.

    groups_before: names of volume groups; volumes: names of those that it may hold, None for any. What does not fit this stays.
    """
    groups, others = _contents(host, record)
    known = [sr["uuid"] for sr in session.xenapi.SR.get_all_records().values()]
    for group in groups:
        sr = re.match(usage.SR_GROUP, group)
        there = lvm.volumes(host, group)
        if not sr or sr.group(1) in known or group in groups_before or volumes is not None and set(there) - set(volumes):
            return
        host.log("taking away the volume group that the failed SR.create left: %s" % group, syslog.LOG_WARNING)
        lvm.remove(host, group)
    if groups or others == [lvm.LABEL]:
        lvm.remove_label(host, record["device"])


def _complete(session, record, pbd, kind):
    """Return the SR of a PBD that is there already, plugged."""
    there = session.xenapi.SR.get_type(pbd["SR"])
    if kind not in (None, there):
        raise BadArgument("type", "%s carries a storage repository of type %s already" % (record["device"], there))
    if not pbd["currently_attached"]:
        session.xenapi.PBD.plug(pbd["ref"])
    return pbd["SR"]


def _make(host, session, here, record, wish):
    groups, others = _contents(host, record)
    old_type, old_uuid = _old_sr(groups)
    if wish.reattach:
        if old_uuid is None:
            what = _in_words(groups, others) or "nothing at all"
            raise BadArgument("reattach", "%s carries no storage repository, but %s" % (record["device"], what))
        if wish.type not in (None, old_type):
            raise BadArgument("type", "the storage repository on %s is of type %s; leave the argument out" % (record["device"], old_type))
        return _reattach(session, here, record, old_type, old_uuid, wish)
    if (groups or others) and not wish.wipe:
        _refuse_to_lose(record, groups, others, old_uuid)
    _refuse_in_use(host, record, groups)
    for group in groups:
        host.log("giving up as asked: volume group %s on %s" % (group, record["device"]))
        lvm.deactivate(host, group)
    notes.write(host, "registering", {"groups": groups}, record["uuid"])
    try:
        return session.xenapi.SR.create(here, {"device": record["by_id"]}, "0", wish.label, wish.description, wish.type or "lvm", "user", False, {})
    except XenAPI.Failure:
        _clean(host, session, record, groups, None)
        notes.remove(host, "registering", record["uuid"])
        raise


def _contents(host, record):
    """Return (volume groups on the array, what else is on it in words). What cannot be found out is no reason to overwrite it."""
    name = sysfs.name_of(record["device"])
    found, unreadable = probe.signatures(host, [name])
    if unreadable:
        why = "may carry data, it cannot be looked at: %s" % unreadable[name]
        raise WouldLoseData(record["device"], why, "Find out why before it is overwritten.")
    groups, others = [], []
    for signature in found[name]:
        group = lvm.volume_groups(host).get(sysfs.attribute(host, name, "dev")) if signature.type == lvm.LABEL else None
        if group and group.name:
            groups.append(group.name)
        else:
            others.append(signature.type + (signature.label and " '%s'" % signature.label))
    return groups, others


def _old_sr(groups):
    """Return (type, uuid) of the SR that a volume group is, (None, None) where none is one."""
    for group in groups:
        match = re.match(usage.SR_GROUP, group)
        if match:
            return "lvm" if group.startswith(LVM_GROUP) else "ext", match.group(1)
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
    mounts, swaps, others = survey.users_of(host, record["device"])
    for place in mounts:
        raise ArrayInUse(record["device"], "the mount %s" % place, "Unmount it first: `umount %s`." % place)
    for device in swaps:
        raise ArrayInUse(record["device"], "swap on %s" % device, "Switch it off first: `swapoff %s`." % device)
    if others and not groups:
        raise ArrayInUse(record["device"], ", ".join(others))


def _reattach(session, here, record, kind, uuid, wish):
    """Bring an SR back under its own uuid; where this fails, XAPI is left as it was."""
    introduced = None
    try:
        sr = session.xenapi.SR.get_by_uuid(uuid)
    except XenAPI.Failure as error:
        if error.details[0] != "UUID_INVALID":
            raise
        sr = introduced = session.xenapi.SR.introduce(uuid, wish.label, wish.description, kind, "user", False, {})
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

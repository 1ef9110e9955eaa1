"""Storage repositories on arrays, over the XenAPI session that xapi handed in. The verb
`create_sr`.
"""

from __future__ import absolute_import

import collections
import syslog
import time

import XenAPI

from xsraid.actions import rollback
from xsraid.disks import claim, lvm, refusals, snapshot
from xsraid.errors import BadArgument, Busy, UnknownArray, Unsupported, WouldLoseData
from xsraid.host import config, physical_volume, store, sysfs
from xsraid.md import mdadm
from xsraid.md import state as md_state
from xsraid.states import Health
from xsraid.xapi import objects, sr_types, srs

LVM_CONFIG = "use_vhd"  # what SR.create of type lvm leaves in sm_config
CONFIG_LOOKS, CONFIG_PAUSE_S = 10, 0.2
METADATA_VOLUME = "MGT"  # what LVMSR makes in it before the first disk
# How an array may still hold the data of an older one.
AS_BEFORE = (
    "only if this array has the level, the chunk size, the members and their order of the one "
    "before"
)
# An SR to be made. type: lvm, ext, or None for lvm or what is there.
Request = collections.namedtuple("Request", "type label description reattach wipe")


def create_sr(
    host, session, array, type, name_label, name_description, default_sr, reattach, wipe, allow_4k
):
    """Register an array as storage repository of this host; return {"sr_uuid", "device", "created",
    and "warnings" if there are any}, created False for one that was there.

    array: a node, name or uuid; type: lvm or ext, None means lvm or what is there; reattach: attach
    the SR that is on the array again, with its data; wipe: erase what is on it; allow_4k: on disks
    of 4 KiB sectors, too. Raises WouldLoseData, UnknownArray, ArrayInUse, Unsupported, BadArgument,
    Busy, and what XAPI and the storage manager raise.
    """
    config.load(host)
    if reattach and wipe:
        raise BadArgument(
            "wipe", "reattach=true keeps the data and wipe=true gives it up; give one of them"
        )
    with rollback.changing(host, "create_sr", session):
        record = md_state.find_array(host, array)
        if record.health in Health.NOT_THERE or record.by_id is None:
            raise UnknownArray(
                array,
                "this array is %s, it carries no storage repository"
                % md_state.state_in_words(record),
            )
        request = Request(
            type,
            name_label or "Local %s %s" % (record.level.upper(), record.name),
            name_description or "",
            reattach,
            wipe,
        )
        here = objects.this_host(host, session)
        found = _finish_or_undo(host, session, record)
        is_older = reattach and _is_older(host, record)
        device = record.by_id
        if found is not None and found.pbd is not None:
            sr, created = _complete(host, session, record, found, request), False
            device = found.path
        else:
            _refuse_sectors(host, record, allow_4k)
            sr, created = _make(host, session, here, record, request), not reattach
        objects.set_other_config(session.xenapi.SR, sr, objects.ARRAY_TAG, record.uuid)
        store.remove(host, store.REGISTERING, record.uuid)
        if default_sr:
            session.xenapi.pool.set_default_SR(session.xenapi.pool.get_all()[0], sr)
        host.log(
            "SR %s on %s, %s"
            % (
                session.xenapi.SR.get_uuid(sr),
                record.device,
                "created" if created else "was there",
            )
        )
        reply = collections.OrderedDict(
            [("sr_uuid", session.xenapi.SR.get_uuid(sr)), ("device", device), ("created", created)]
        )
        if is_older:
            reply["warnings"] = [
                "The storage repository is older than the array %s: its data is whole %s. Look at "
                "it before you start a VM." % (record.device, AS_BEFORE)
            ]
        return reply


def _refuse_sectors(host, record, allow_4k):
    sector_bytes = md_state.sector_bytes(host, record)
    if refusals.is_other_sector(sector_bytes) and not allow_4k:
        raise Unsupported(
            "A storage repository on %s, whose logical sectors have %d bytes: its disks for VMs "
            "could not be made (SR_BACKEND_FAILURE_78)" % (record.device, sector_bytes),
            "members with sectors of 512 bytes, or allow_4k=true",
        )


def _finish_or_undo(host, session, record):
    """Return the srs.Found of an array, None when there is none; what a call that was killed left
    half made of an SR is taken away first.
    """
    note = store.read(host, store.REGISTERING, record.uuid)
    found = srs.Finder(host, session).find(record)
    if note is None:
        return found
    if any(
        task["status"] == "pending" and "SR.create" in task["name_label"]
        for task in session.xenapi.task.get_all_records().values()
    ):
        raise Busy("xapi still carries out an SR.create that an earlier call began")
    if found is not None and found.pbd is not None and _is_half_made(host, session, found.pbd):
        session.xenapi.PBD.unplug(found.pbd["ref"])
        session.xenapi.PBD.destroy(found.pbd["ref"])
        session.xenapi.SR.forget(found.pbd["SR"])
        found = None
    if found is None:
        _clean(host, session, record, note.get("groups", []), [METADATA_VOLUME])
    return srs.Finder(host, session).find(record)


def _is_half_made(host, session, pbd):
    """Return whether xapi went away before SR.create had ended: there is neither a tag nor a disk,
    and it cannot be plugged or lacks its sm_config.

    Without that an SR of type lvm would work as those of old releases did, its disks without
    snapshots.
    """
    sr = session.xenapi.SR.get_record(pbd["SR"])
    if objects.ARRAY_TAG in sr["other_config"] or sr["VDIs"]:
        return False
    why = ""
    if not pbd["currently_attached"]:
        try:
            session.xenapi.PBD.plug(pbd["ref"])
        except XenAPI.Failure as error:
            why = " ".join(error.details)
    kind = sr_types.TYPES.get(sr["type"])
    needs_configuration = kind is not None and kind.needs_configuration
    if not why and needs_configuration and not _is_configured(session, pbd["SR"]):
        why = "its sm_config is missing"
    if why:
        host.log(
            "the SR.create of %s was cut off (%s): its records go" % (sr["uuid"], why),
            syslog.LOG_WARNING,
        )
    return bool(why)


def _is_configured(session, sr):
    """Return whether XAPI has what SR.create of type lvm leaves in sm_config; an SR.create that has
    just ended may be about to write it.
    """
    for _ in range(CONFIG_LOOKS):
        if LVM_CONFIG in session.xenapi.SR.get_sm_config(sr):
            return True
        time.sleep(CONFIG_PAUSE_S)
    return False


def _clean(host, session, record, groups_before, volumes):
    """Take away what a failed SR.create left on an array: a volume group that is new and whose SR
    XAPI does not know, or a bare label.

    groups_before: names of volume groups; volumes: names of those that it may hold, None for any.
    What does not fit this stays.
    """
    judged = snapshot.judge_array(host, session, record)
    if [use for use in judged.uses if use.reason != "LVM_PV"]:
        return
    group = _group(host, record, judged)
    if group:
        if (
            not sr_types.uuid_of_group(group)
            or group in groups_before
            or volumes is not None
            and set(lvm.volumes(host, group)) - set(volumes)
        ):
            return
        host.log(
            "taking away the volume group that the failed SR.create left: %s" % group,
            syslog.LOG_WARNING,
        )
        lvm.remove(host, group)
    if group or [item["type"] for item in judged.stale] == [lvm.LABEL]:
        lvm.remove_label(host, record.device)


def _group(host, record, judged):
    """Return the name of the volume group whose physical volume an array is, "" for none."""
    idle = [item["label"] for item in judged.stale if item["type"] == lvm.LABEL]
    group = (
        lvm.volume_groups(host).get(sysfs.attribute(host, sysfs.name_of(record.device), "dev"))
        if judged.uses
        else None
    )
    return (group.name if group else "") or "".join(idle)


def _complete(host, session, record, found, request):
    """Return the SR that XAPI knows on an array, plugged; its PBD names the array's lasting path
    afterwards.
    """
    there = session.xenapi.SR.get_type(found.sr)
    if request.type not in (None, there):
        raise BadArgument(
            "type", "%s carries a storage repository of type %s already" % (record.device, there)
        )
    if not found.pbd["currently_attached"]:
        srs.mend(host, session, found)
        session.xenapi.PBD.plug(found.pbd["ref"])
    return found.sr


def _make(host, session, here, record, request):
    judged = snapshot.judge_array(host, session, record)
    group = _group(host, record, judged)
    if request.reattach:
        return _reattach(session, here, _old_sr(host, record, judged, group, request), request)
    own_volumes = [use for use in judged.uses if group and use.reason == "LVM_PV"]
    others = [use for use in judged.uses if use not in own_volumes]
    if others and others[0].reason == "SR_DEVICE":
        _refuse_known(host, record, others[0], request)
    if (own_volumes or judged.stale) and not request.wipe:
        _refuse_to_lose(host, record, judged, group)
    claim.refuse_uses(record, others)
    if group:
        host.log("giving up as asked: volume group %s on %s" % (group, record.device))
        lvm.deactivate(host, group)
    store.write(host, store.REGISTERING, {"groups": [group] if group else []}, record.uuid)
    try:
        return session.xenapi.SR.create(
            here,
            {"device": record.by_id},
            "0",
            request.label,
            request.description,
            request.type or sr_types.DEFAULT,
            "user",
            False,
            {},
        )
    except XenAPI.Failure:
        _clean(host, session, record, [group] if group else [], None)
        store.remove(host, store.REGISTERING, record.uuid)
        raise


def _old_sr(host, record, judged, group, request):
    """Return (type, uuid, lasting path) of the SR to bring back: what the volume group on an array
    or on one of its partitions is by its name.
    """
    for name, path in (
        [(group, record.by_id)] if sr_types.uuid_of_group(group) else srs.groups_on(host, record)
    ):
        kind, uuid = sr_types.type_of_group(name), sr_types.uuid_of_group(name)
        if kind is None:
            raise BadArgument(
                "reattach",
                "the volume group %s is a storage repository of a type that is not known here: `xe "
                "sr-introduce uuid=%s` brings it back by hand" % (name, uuid),
            )
        if request.type not in (None, kind):
            raise BadArgument(
                "type",
                "the storage repository on %s is of type %s; leave the argument out"
                % (record.device, kind),
            )
        return kind, uuid, path
    raise BadArgument(
        "reattach",
        "%s carries no storage repository, but %s"
        % (record.device, _in_words(judged, group) or "nothing at all"),
    )


def _refuse_known(host, record, use, request):
    """Refuse to overwrite an SR that XAPI knows, whatever the caller gives up."""
    if request.wipe:
        claim.refuse_uses(record, [use])
    raise WouldLoseData(
        record.device,
        "carries %s, which XAPI knows" % use.what,
        _what_comes_back(host, record) + ".",
    )


def _in_words(judged, group):
    others = [
        item["type"] + (item["label"] and " '%s'" % item["label"])
        for item in judged.stale
        if item["label"] != group or not group
    ]
    return ", ".join((["the volume group %s" % group] if group else []) + others)


def _refuse_to_lose(host, record, judged, group):
    old_uuid = sr_types.uuid_of_group(group)
    if old_uuid is None:
        advice = "If nobody needs that, repeat the call with wipe=true."
    else:
        advice = "That is the storage repository %s: %s, wipe=true gives it up." % (
            old_uuid,
            _what_comes_back(host, record),
        )
    raise WouldLoseData(
        record.device,
        "carries %s, which SR.create would overwrite without asking" % _in_words(judged, group),
        advice,
    )


def _what_comes_back(host, record):
    """Return what reattach=true does for the SR on an array, as words."""
    if not _is_older(host, record):
        return "reattach=true brings it back with its data"
    return (
        "it was there before this array was made, so reattach=true brings it back, but its data "
        + AS_BEFORE
    )


def _is_older(host, record):
    """Return whether the volume group on an array, or on one of its partitions, was last changed
    before the array was made.
    """
    name = sysfs.name_of(record.device)
    written = [_written_s(host, sysfs.node(each)) for each in [name] + sysfs.partitions(host, name)]
    known = [seconds for seconds in written if seconds is not None]
    if not known:
        return False
    created_s = mdadm.created_s(host, record.device)
    return created_s is not None and max(known) < created_s


def _written_s(host, device):
    try:
        return physical_volume.written_s(host, device)
    except EnvironmentError as error:
        host.log("when %s was written is not known: %s" % (device, error))
        return None


def _reattach(session, here, old_sr, request):
    """Bring an SR back under its own uuid; where this fails, XAPI is left as it was. old_sr: of
    `_old_sr`.
    """
    kind, uuid, path = old_sr
    introduced = None
    sr = objects.sr_if_known(session, uuid)
    if sr is None:
        sr = introduced = session.xenapi.SR.introduce(
            uuid, request.label, request.description, kind, "user", False, {}
        )
    pbd = None
    try:
        pbd = session.xenapi.PBD.create(
            {"host": here, "SR": sr, "device_config": {"device": path}, "other_config": {}}
        )
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

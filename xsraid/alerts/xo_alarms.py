"""Arrays that need somebody as alarms of Xen Orchestra: a message of XAPI named ALARM for each,
which is destroyed when nobody is needed any more.

Xen Orchestra shows as alarms the messages of that name alone, and reads from their body what XAPI's
own alarms have there; all others stand in an object's log. The priority keeps XAPI's mail-alarm
quiet.
"""

from __future__ import absolute_import

import re

import XenAPI

from xsraid.alerts import spool
from xsraid.host import store
from xsraid.states import Health, MemberState
from xsraid.text import native, printable
from xsraid.xapi import objects

NAME, PRIORITY = "ALARM", "5"
BODY = 'value: 0\nconfig:\n<variable>\n<name value="%s"/>\n</variable>'
TEXT_MAX = 200
GONE = (MemberState.FAULTY, MemberState.MISSING)


def follow(host, session, records):
    """Bring the alarms up to what is remembered of the arrays. records: of `state.read_arrays`.
    Raises CommandFailed, and what XAPI raises.
    """
    known, needed = store.read(host, store.ALARMS) or {}, wanted(host, records)
    if known or needed:
        by_uuid = {record.uuid: record for record in records}
        now = {uuid: alarm for uuid, alarm in known.items() if needed.get(uuid) == alarm["text"]}
        for uuid in sorted(set(known) - set(now)):
            _destroy(session, known[uuid]["message"])
        for uuid in sorted(set(needed) - set(now)):
            now[uuid] = {
                "message": _make(host, session, by_uuid[uuid], needed[uuid]),
                "text": needed[uuid],
            }
        if now != known:
            store.write(host, store.ALARMS, now)


def is_open(host, records):
    """Return whether alarms are still to be made or destroyed."""
    return {
        uuid: alarm["text"] for uuid, alarm in (store.read(host, store.ALARMS) or {}).items()
    } != wanted(host, records)


def wanted(host, records):
    """Return {uuid: text} of the alarms that there should be, none where they are not asked for."""
    applied = (store.read(host, store.ALERTS) or {}).get("applied") or {}
    memory = spool.memory(host) if applied.get("xo_alarms") else {}
    by_uuid = {record.uuid: record for record in records if record.uuid}
    return {
        uuid: _text(by_uuid[uuid], known)
        for uuid, known in memory.items()
        if known.get("told") and uuid in by_uuid
    }


def _text(record, known):
    """Return what an alarm says of an array, without what changes while it is repaired."""
    remembered = {member["slot"]: member["serial"] for member in known["members"]}
    gone = [member for member in record.members if member.state in GONE and member.slot is not None]
    disks = []
    for member in gone:
        serial = member.serial or remembered.get(member.slot)
        disks.append("disk serial %s" % serial if serial else "disk of slot %d" % member.slot)
    word = (
        "being repaired"
        if record.health in (Health.REBUILDING, Health.RESYNCING)
        else record.health
    )
    text = "RAID %s %s%s" % (
        record.device.rsplit("/", 1)[-1],
        word,
        " - %s gone" % ", ".join(disks) if disks else "",
    )
    return re.sub(r'[&<>"\n]|config:', " ", printable(text, TEXT_MAX))


def _make(host, session, record, text):
    """Make the message of an alarm, unless a delivery that was cut off has; return its uuid."""
    kind, uuid = _object(host, session, record)
    body = BODY % text
    for _, message in sorted(session.xenapi.message.get(kind, uuid, objects.date(0)).items()):
        if (message["name"], native(message["body"])) == (NAME, body):
            return message["uuid"]
    ref = session.xenapi.message.create(NAME, PRIORITY, kind, uuid, body)
    return session.xenapi.message.get_record(ref)["uuid"]


def _object(host, session, record):
    """Return (class, uuid) of what an alarm is about: the SR on the array, else this host."""
    sr = objects.sr_of_array(host, session, record.uuid)
    if sr is not None:
        return "SR", session.xenapi.SR.get_uuid(sr)
    return "Host", session.xenapi.host.get_uuid(objects.this_host(host, session))


def _destroy(session, uuid):
    """Destroy a message; somebody may have been first."""
    try:
        session.xenapi.message.destroy(session.xenapi.message.get_by_uuid(uuid))
    except XenAPI.Failure as error:
        if error.details[0] not in ("UUID_INVALID", "HANDLE_INVALID"):
            raise

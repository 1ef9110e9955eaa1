"""What the units of the RPM do: at each boot have the arrays assembled before xapi starts, and see to their SRs once it has; each hour their care."""

from __future__ import absolute_import

import syslog
import time

import XenAPI

from xsraid import alerts, arrays, assembly, care, delivery, initrd, md, notes, recovery, sense, settings, spool, xapi
from xsraid.errors import Busy, XsraidError
from xsraid.host import Host

XAPI_WAIT_S = 60
LOOK_S = 1


def main(arguments):
    """Do what a unit asks for, one of the words below; return the exit status."""
    host = Host()
    try:
        {"assemble": assembly.assemble, "attach": attach_locally, "initrd": initrd.make, "monitor": delivery.prepare_monitor,
         "deliver": delivery.deliver, "settings": settings_locally, "care": look_after}[" ".join(arguments)](host)
    except (XsraidError, XenAPI.Failure, EnvironmentError) as error:
        host.log("at boot: %s" % error, syslog.LOG_ERR)
        return 1
    return 0


def look_after(host):
    """Do what is due this hour, and have what it found told."""
    care.look_after(host)
    if spool.events(host):
        delivery.start(host)


def attach_locally(host):
    """`attach` on a session of its own."""
    _locally(host, attach)


def settings_locally(host):
    """Apply the alert settings that XAPI keeps where they are not those that this host has, on a session of its own."""
    _locally(host, _apply_settings)


def _locally(host, act):
    """Call act(host, session), again while xapi is being restarted or another call changes this host."""
    deadline = time.time() + XAPI_WAIT_S
    while True:
        try:
            _once(host, act)
            return
        except (EnvironmentError, Busy) as error:  # no socket, or nobody behind it
            if time.time() > deadline:
                raise
            host.log("at boot: not yet: %s" % error)
        time.sleep(LOOK_S)


def _once(host, act):
    session = XenAPI.xapi_local()
    session.xenapi.login_with_password("root", "", "1.0", "xsraid")
    try:
        act(host, session)
    finally:
        session.xenapi.session.logout()


def _apply_settings(host, session):
    if not alerts.is_restorable(host, session):
        return  # without the lock, which a call may need right now
    with recovery.changing(host, "applying the alert settings", settings.load_or_default(host).mdadm_timeout_s):
        for sentence in alerts.restore(host, session):
            host.log(sentence, syslog.LOG_WARNING)


def attach(host, session):
    """Plug the SRs that xapi could not plug, take in late members, apply alert settings that an upgrade of dom0 dropped, tell what is wrong.

    Raises Busy and what XAPI raises.
    """
    limit_s = settings.load_or_default(host).mdadm_timeout_s
    with recovery.changing(host, "attaching storage repositories", limit_s):
        facts = notes.read(host, "boot")
        did = []
        for uuid, events in (facts or {}).get("started_without", []):
            did += assembly.tried("taking in late members", assembly.take_in, host, uuid, events, limit_s)
        did += assembly.tried("plugging", _plug, host, session)
        did += assembly.tried("applying the alert settings", alerts.restore, host, session)
        for sentence in did:
            host.log("at boot: " + sentence, syslog.LOG_WARNING)
        if facts is not None:
            _tell(host, facts)
            notes.remove(host, "boot")
    delivery.start(host)


def _plug(host, session):
    """Plug the PBDs of this host whose SRs are on arrays and which xapi could not plug; return what was done."""
    did = []
    records = {record["uuid"]: record for record in md.read_arrays(host) if record["health"] not in md.NOT_THERE}
    for pbd in xapi.local_pbds(host, session):
        record = records.get(session.xenapi.SR.get_other_config(pbd["SR"]).get(xapi.ARRAY_TAG))
        if record is not None:
            did += assembly.tried("keeping its node", arrays.adopt_line, host, record)
        if record is not None and not pbd["currently_attached"]:
            name = xapi.sr_summary(session, pbd["SR"])["name_label"]
            did += assembly.tried("plugging the storage repository " + name, _plug_one, session, pbd, name)
    return did


def _plug_one(session, pbd, name):
    session.xenapi.PBD.plug(pbd["ref"])
    return ["plugged the storage repository " + name]


def _tell(host, facts):
    """Have arrays told of that are not as they should be: delivery sees by itself which are not whole, of other nodes it hears here."""
    left = dict(facts.get("left", []))
    for record in md.read_arrays(host):
        if record["configured"] and record["uuid"] in left:
            spool.add_event(host, sense.MISPLACED, record["device"], left[record["uuid"]] + ".", time.time())

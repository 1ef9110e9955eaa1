"""The answers of hosts as metrics, pure: names, help, labels and values. `prometheus` brings them
into Prometheus' form.

All are gauges: md and the plugin tell how things are now. What is one of several words has a sample
for each, of which one is 1.
"""

from __future__ import absolute_import, unicode_literals

import collections

from xsraid.states import Health, MemberState
from xsraid_cli import formats
from xsraid_cli.show import health

QUESTIONS = (("list_arrays", {}), ("get_alerts", {}))
HEALTHS = health.WELL + (
    Health.REBUILDING,
    Health.DEGRADED,
    Health.FAILED,
    Health.INACTIVE,
    Health.MISSING,
    Health.READ_ONLY,
    Health.FROZEN,
    Health.UNKNOWN,
)
STATES = health.MEMBERS_WELL + (
    MemberState.REBUILDING,
    MemberState.FAULTY,
    MemberState.MISSING,
)
SMART_COUNTS = (
    "pending_sectors",
    "reallocated_sectors",
    "offline_uncorrectable_sectors",
    "reported_uncorrectable_errors",
    "media_errors",
)
HOST = ("pool", "host", "host_uuid")  # several hosts may have one name
ARRAY = HOST + ("array", "uuid")
MEMBER = ARRAY + ("disk", "serial")
# labels: their names; help: one sentence.
Family = collections.namedtuple("Family", "name labels help")
FAMILIES = (
    Family("xsraid_pool_up", ("pool",), "Whether the pool could be asked, 1 or 0."),
    Family("xsraid_up", HOST, "Whether xsraid on the host answered in time, 1 or 0."),
    Family(
        "xsraid_array_degraded",
        ARRAY,
        "1 for an array that lacks something it could have: its health is none of %s."
        % ", ".join(health.WELL),
    ),
    Family(
        "xsraid_array_redundancy_left",
        ARRAY,
        "How many more disks may fail, in the worst case, without loss of data.",
    ),
    Family("xsraid_array_size_bytes", ARRAY, "The capacity of the array."),
    Family(
        "xsraid_array_health",
        ARRAY + ("health",),
        "The health of the array: 1 for the word that holds, 0 for all others.",
    ),
    Family(
        "xsraid_array_mismatches",
        ARRAY,
        "Sectors on which the members differed when the array was last checked.",
    ),
    Family(
        "xsraid_sync_ratio",
        ARRAY + ("action",),
        "How far a resync, recovery, check or reshape that is under way has come, from 0 to 1.",
    ),
    Family(
        "xsraid_member_state",
        MEMBER + ("state",),
        "The state of a member: 1 for the word that holds, 0 for all others.",
    ),
    Family(
        "xsraid_member_errors", MEMBER, "Errors of reading that md has corrected on the member."
    ),
    Family(
        "xsraid_member_pending_sectors",
        MEMBER,
        "Sectors that the disk cannot read now, as SMART told when it was last asked.",
    ),
    Family(
        "xsraid_member_reallocated_sectors",
        MEMBER,
        "Sectors that the disk has replaced, as SMART told when it was last asked.",
    ),
    Family(
        "xsraid_member_offline_uncorrectable_sectors",
        MEMBER,
        "Sectors that the disk's own scan could not read, as SMART told last.",
    ),
    Family(
        "xsraid_member_reported_uncorrectable_errors",
        MEMBER,
        "Errors that the disk could not correct, as SMART told when it was last asked.",
    ),
    Family(
        "xsraid_member_media_errors",
        MEMBER,
        "Data that an NVMe disk could not give back, as SMART told when it was last asked.",
    ),
    Family("xsraid_alert_spool_entries", HOST, "Alerts that have not been delivered yet."),
)


def of_answers(answers, names):
    """Return {family name: [(label values, value)]} of everywhere.Answers to QUESTIONS. names: of
    the pools asked, in their order.
    """
    samples = collections.OrderedDict((family.name, []) for family in FAMILIES)
    dead = [each.pool for each in answers if each.host is None]
    for name in names:
        samples["xsraid_pool_up"].append(((name or "",), 0 if name in dead else 1))
    for each in answers:
        if each.host is not None:
            _add_host(samples, (each.pool or "", each.host.name, each.host.uuid or ""), each)
    return samples


def _add_host(samples, labels, answer):
    samples["xsraid_up"].append((labels, 0 if answer.problem else 1))
    if answer.problem is None:
        listed, alerts = answer.replies
        for record in listed.get("arrays", ()):
            _add_array(
                samples,
                labels + (formats.plain(record.get("device")), _text(record.get("uuid"))),
                record,
            )
        _add(samples, "xsraid_alert_spool_entries", labels, alerts.get("waiting"))


def _add_array(samples, labels, record):
    _add(samples, "xsraid_array_degraded", labels, 0 if health.is_well(record) else 1)
    for name, key in (
        ("redundancy_left", "redundancy_left"),
        ("size_bytes", "size_bytes"),
        ("mismatches", "mismatch_count"),
    ):
        _add(samples, "xsraid_array_" + name, labels, record.get(key))
    _add_words(samples, "xsraid_array_health", labels, record.get("health"), HEALTHS)
    sync = record.get("sync") or {}
    _add(
        samples, "xsraid_sync_ratio", labels + (_text(sync.get("action")),), sync.get("done_ratio")
    )
    for member in record.get("members", ()):
        _add_member(samples, labels, member)


def _add_member(samples, labels, member):
    """Add the samples of a member; one that is missing has its slot in the place of the disk."""
    disk = (
        formats.plain(member["device"]) if member.get("device") else "slot %s" % member.get("slot")
    )
    labels, smart = labels + (disk, _text(member.get("serial"))), member.get("smart") or {}
    _add_words(samples, "xsraid_member_state", labels, member.get("state"), STATES)
    _add(samples, "xsraid_member_errors", labels, member.get("errors"))
    for name in SMART_COUNTS:
        _add(samples, "xsraid_member_" + name, labels, smart.get(name))


def _add(samples, name, labels, value):
    """Add a sample, none where the value is not known: a gap says so, a 0 would not."""
    if value is not None:
        samples[name].append((labels, value))


def _add_words(samples, name, labels, word, known):
    """Add a sample for each word, also for one that only a newer plugin says."""
    for each in known + (() if word is None or word in known else (formats.plain(word),)):
        samples[name].append((labels + (each,), 1 if each == word else 0))


def _text(value):
    return "" if value is None else formats.plain(value)

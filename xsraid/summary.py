"""Pure: the sentence that says of an array what its health word means, for the person who asked."""

from __future__ import absolute_import

from xsraid.levels import lacks_journal

DOING = {"resync": "its redundancy is being made", "recover": "%s is being filled", "check": "its members are being compared",
         "repair": "its members are being made equal", "reshape": "it is being reshaped"}
BY_WORD = {
    "missing": "It has a line in /etc/mdadm.conf, but it is not running.",
    "inactive": "It does not run: it waits for members.",
    "no_redundancy": "All its members serve; the failure of any one of them loses data."}


def sentence(record):
    """Return the sentence of an array record. record: of `md`, with health, redundancy_left, consistency_policy, members and sync."""
    health = record["health"]
    if health in BY_WORD:
        return BY_WORD[health]
    gone = [member["device"] or "that of slot %d" % member["slot"] for member in record["members"] if member["state"] in ("faulty", "missing")]
    if health == "failed":
        is_unwritable = lacks_journal(record["consistency_policy"], record["members"])
        why = "its journal is gone" if is_unwritable else "too many members are gone (%s)" % ", ".join(gone)
        return "It cannot serve: %s." % why
    parts = []
    if health == "degraded":
        parts.append("members are gone: %s" % ", ".join(gone) if gone else "it lacks a member")
    if record["sync"]:
        parts.append(_under_way(record))
    left = record["redundancy_left"]
    count = "no further failure is" if left < 1 else "one more failure is" if left == 1 else "%d more failures are" % left
    text = "; ".join((parts or ["all its members serve"]) + [count + " survived"])
    return text[0].upper() + text[1:] + "."


def _under_way(record):
    sync = record["sync"]
    doing = DOING[sync["action"]]
    if sync["action"] == "recover":
        doing %= ", ".join(member["device"] for member in record["members"] if member["state"] == "rebuilding" and member["device"]) or "a member"
    if sync["done_ratio"] is not None:
        doing += ", %d %% done" % int(sync["done_ratio"] * 100)
    if sync["remaining_s"] is not None:
        doing += ", %s left" % duration(sync["remaining_s"])
    return doing


def duration(seconds):
    """Return a time in the two largest units that matter, such as `3 h 20 min`."""
    if seconds < 60:
        return "%d s" % seconds
    minutes = (seconds + 30) // 60
    return "%d min" % minutes if minutes < 60 else "%d h %d min" % divmod(minutes, 60)

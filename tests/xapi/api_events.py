"""event.from: what has changed since a token, and waiting for it (xapi_event.ml)."""

import re
import time

from xapi import values
from xapi.failure import Failure
from xapi.wire import DateTime

# A generation of the database and one of the messages, which are one here.
TOKEN = re.compile(r"(\d+),(\d+)")
GATHER_S = 0.05  # after the first change, so that many at once make one batch


def event_from(call, classes, token, timeout_s):
    """Return a batch of the events after token, waiting up to timeout_s for the first; with an
    empty token every object counts as added.

    classes: "*", names of classes in any case, or "class/ref" for one object. The wait ends with
    the session.
    """
    since = _generation(token)
    subscriptions = [
        tuple(text.lower().partition("/")[:1]) + (text.partition("/")[2],) for text in classes
    ]
    database, deadline = call.database, time.monotonic() + timeout_s
    while True:
        with database.lock:
            if call.session not in database.tables["session"]:
                raise Failure("SESSION_INVALID", call.session)
            events = _events_after(database, subscriptions, since)
            left_s = deadline - time.monotonic()
            if events or left_s <= 0:
                counts = {cls.lower(): str(len(rows)) for cls, rows in database.tables.items()}
                return {
                    "events": events,
                    "valid_ref_counts": counts,
                    "token": "%020d,%020d" % (database.generation, database.generation),
                }
            database.changed.wait(left_s)
        time.sleep(min(GATHER_S, max(0.0, deadline - time.monotonic())))


def _generation(token):
    match = TOKEN.fullmatch(token)
    if token and not match:
        raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    return int(match.group(1)) if match else 0


def _events_after(database, subscriptions, since):
    def is_wanted(cls, ref):
        return any(
            name in ("*", cls.lower()) and wanted in ("", ref) for name, wanted in subscriptions
        )

    if not since:
        changes = {
            (cls, ref): (database.generation, "add")
            for cls, rows in database.tables.items()
            for ref in rows
            if is_wanted(cls, ref)
        }
    else:
        changes = {}
        for generation, cls, operation, ref in database.events:
            if generation > since and is_wanted(cls, ref):
                first = changes.get((cls, ref), (0, operation))[1]
                changes[cls, ref] = (
                    generation,
                    "del" if operation == "del" and first != "add" else first,
                )
    return [
        _event(database, cls, ref, *change)
        for (cls, ref), change in changes.items()
        if change[1] == "del" or ref in database.tables[cls]
    ]


def _event(database, cls, ref, generation, operation):
    event = {
        "id": str(generation),
        "timestamp": DateTime(values.now()),
        "class": cls.lower(),
        "operation": operation,
        "ref": ref,
    }
    if operation != "del":
        event["snapshot"] = database.record(cls, ref)
        event["obj_uuid"] = database.get(cls, ref)["uuid"]
    return event


def current_event(call):
    return call.database.generation


METHODS = {"event.from": event_from, "event.get_current_id": current_event}

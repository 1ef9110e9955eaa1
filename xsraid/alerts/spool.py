"""The spool: what mdadm's monitor has told and what is still to be delivered, each a file, on disk
before anybody goes on.

    spool/<time>-<pid>.event    what the hook wrote: key=value lines
    spool/<id>.alert            an alert: JSON, with the channels that it waits on
    spool/<id>.<channel>.state  what has become of it there, written by that channel alone
    spool/batch                 what is about to be made of events: finished by the next delivery if
                                it was cut off
    spool/memory                what is remembered of each array, see `rules`
    history/<id>.json           an alert that is done with, with the state of each channel
    spool/*.bad                 what could not be understood

An id begins with microseconds since 1970, so names sort by time.
"""

from __future__ import absolute_import

import collections
import contextlib
import json
import os
import syslog

from xsraid.errors import CommandFailed
from xsraid.host.files import take_lock
from xsraid.text import natively, random_hex

FOLDER = "/var/lib/xsraid/spool"
IN_MEMORY = "/run/xsraid/spool"  # where the hook writes when there is no room in FOLDER
HISTORY = "/var/lib/xsraid/history"
HISTORY_COUNT = 500
BATCH, MEMORY = "batch", "memory"
BAD = ".bad"
# In memory: names of events that alerts were made of, but that cannot be removed from the disk.
FORGOTTEN = "forgotten"
# component: the node of a member, None if it is about none; meaning: sentences, of events of our
# own that carry some.
Event = collections.namedtuple("Event", "path event device component time meaning")
Event.__new__.__defaults__ = (None,)
# What a channel did with an alert. state: "waiting", "accepted" or "off", None if it was not
# tried; answer: a mail.Answer; is_outage: the way is out of order for all alerts; is_news: somebody
# has to do something about it, which other channels may tell.
Sent = collections.namedtuple("Sent", "state answer is_outage is_news")


@contextlib.contextmanager
def lock(host, who="lock"):
    """Give the open file that makes a part of the work ours, until the end of the context or of the
    process; None while another has it.

    who: the name of a channel, or "lock" for making alerts of events.
    """
    descriptor = os.open(host.path(IN_MEMORY + "/" + who), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor if take_lock(descriptor) else None
    finally:
        os.close(descriptor)


def events(host):
    """Return the Events that no alert was made of yet, oldest first. A file that is no event, such
    as one the disk cut short, is one of name "".
    """
    found, forgotten = [], _forgotten(host)
    for folder in (FOLDER, IN_MEMORY):
        for name in host.names(folder):
            if name.endswith(".event") and name not in forgotten:
                path = folder + "/" + name
                found.append((name, _event(path, host.read_if_there(path) or "")))
    return [event for _, event in sorted(found)]


def _event(path, text):
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        seconds = float(values["time"])
    except (KeyError, ValueError):
        seconds = 0
    return Event(
        path,
        values.get("event", ""),
        values.get("device", ""),
        values.get("component") or None,
        seconds,
        values.get("meaning") or None,
    )


def add_event(host, event, device, now, component=None, meaning=None):
    """Put an event of our own beside those of mdadm's monitor. component, meaning: of Event. Raises
    CommandFailed.
    """
    make_folders(host)
    parts = [("event", event), ("device", device), ("time", "%.3f" % now)]
    parts += [("component", component), ("meaning", meaning)]
    lines = ["%s=%s\n" % (key, part.replace("\n", " ")) for key, part in parts if part]
    host.replace("%s/%s.event" % (FOLDER, new_id(now)), "".join(lines), 0o600)


def new_id(now):
    """Return an id for an alert that is made now, in seconds since 1970."""
    return "%017d-%s" % (now * 1e6, random_hex(4))


def waiting(host):
    """Return the alerts that are still to be delivered or finished, oldest first."""
    alerts = [_load(host, name) for name in _waiting_names(host)]
    return [_with_states(host, alert) for alert in alerts if is_alert(alert)]


def is_alert(value):
    """Return whether what was read is an alert that can be delivered."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("channels"), dict)
        and all(
            isinstance(value.get(key), str)
            for key in ("id", "name", "device", "subject", "body", "short")
        )
    )


def keep(host, alert):
    """Have an alert, as it is now, on disk. Raises CommandFailed."""
    _store(host, alert["id"] + ".alert", alert)


def keep_state(host, identity, channel, state):
    """Have on disk what has become of an alert on one channel. Raises CommandFailed."""
    _store(host, _state_name(identity, channel), state)


def _state_name(identity, channel):
    return "%s.%s.state" % (identity, channel)


def _with_states(host, alert):
    """Return an alert with what each channel has noted of it since it was made."""
    states = {
        name: _load(host, _state_name(alert["id"], name)) or state
        for name, state in alert["channels"].items()
    }
    return dict(alert, channels=states)


def finish(host, alert):
    """Move an alert that needs nothing any more to the history; the oldest ones there go. Raises
    CommandFailed.
    """
    host.replace("%s/%s.json" % (HISTORY, alert["id"]), json.dumps(alert) + "\n", 0o600)
    for folder in (FOLDER, IN_MEMORY):
        host.remove("%s/%s.alert" % (folder, alert["id"]))
    _remove_states(host, [alert["id"]])
    for name in host.names(HISTORY)[:-HISTORY_COUNT]:
        host.remove(HISTORY + "/" + name)


def amend(host, alert):
    """Replace an alert that `history` gave, delivered or not. Raises CommandFailed."""
    if alert["id"] + ".alert" in _waiting_names(host):
        keep(host, alert)
    else:
        host.replace("%s/%s.json" % (HISTORY, alert["id"]), json.dumps(alert) + "\n", 0o600)


def forget(host, uuid):
    """Have nothing more delivered of an array: what still waits goes to the history as it is.
    Raises CommandFailed.
    """
    for alert in waiting(host):
        if alert["uuid"] == uuid:
            for channel in alert["channels"].values():
                if channel["state"] == "waiting":
                    channel.update(
                        state="off",
                        response=channel["response"] or "the array was deleted",
                        advice="",
                    )
            finish(host, alert)


def commit(host, alerts, memory, done):
    """Put new alerts and the memory of the arrays in place and forget the Events they came of: all
    of it or, after a power cut, again. Raises CommandFailed.
    """
    _store(
        host, BATCH, {"alerts": alerts, "memory": memory, "done": [event.path for event in done]}
    )
    recover(host)


def recover(host):
    """Finish a `commit` that was cut off, and set aside what cannot be understood. Raises
    CommandFailed.
    """
    _set_aside(host)
    batch = _load(host, BATCH)
    if batch:
        for alert in batch["alerts"]:
            keep(host, alert)
        _store(host, MEMORY, batch["memory"])
        _forget_events(host, batch["done"])
    for folder in (IN_MEMORY, FOLDER):
        _removed(host, folder + "/" + BATCH)


def _forget_events(host, paths):
    """Remove events; what a disk that cannot be written to keeps is remembered in memory as done
    with.
    """
    kept = [path.rsplit("/", 1)[-1] for path in paths if not _removed(host, path)]
    if kept:
        host.replace(
            IN_MEMORY + "/" + FORGOTTEN,
            json.dumps(sorted(set(kept + _forgotten(host)))) + "\n",
            0o600,
        )


def _forgotten(host):
    return _read(host, IN_MEMORY + "/" + FORGOTTEN) or []


def _removed(host, path):
    """Remove a file; return whether it is gone."""
    try:
        host.remove(path)
    except EnvironmentError:
        return False
    return True


def _set_aside(host):
    """Set alerts aside that cannot be understood, and remove the states of alerts that have
    gone.
    """
    for folder in (FOLDER, IN_MEMORY):
        for name in host.names(folder):
            path = folder + "/" + name
            if name.endswith(".alert") and not is_alert(_read(host, path)):
                host.log(
                    "%s cannot be understood: it is %s%s now" % (path, name, BAD), syslog.LOG_ERR
                )
                try:
                    host.move(path, path + BAD)
                except EnvironmentError as error:
                    host.log(str(error), syslog.LOG_ERR)
    names = _waiting_names(host)
    _remove_states(
        host,
        [
            name.split(".")[0]
            for folder in (FOLDER, IN_MEMORY)
            for name in host.names(folder)
            if name.endswith(".state") and name.split(".")[0] + ".alert" not in names
        ],
    )


def _remove_states(host, identities):
    for folder in (FOLDER, IN_MEMORY):
        for name in host.names(folder):
            if name.endswith(".state") and name.split(".")[0] in identities:
                _removed(host, folder + "/" + name)


def memory(host):
    """Return the memory that the last `commit` left, {} if there is none."""
    return _load(host, MEMORY) or {}


def history(host, count):
    """Return the last alerts, the newest first, delivered or not."""
    names = _waiting_names(host)
    ended = [
        name
        for name in host.names(HISTORY)
        if name.endswith(".json") and name[:-5] + ".alert" not in names
    ]
    alerts = []
    for name in sorted(names + ended, reverse=True)[:count]:
        if name.endswith(".json"):
            alert = _read(host, HISTORY + "/" + name)
        else:
            alert = _load(host, name)
        if not is_alert(alert):
            continue
        if alert["id"] + ".alert" in names:
            alert = _with_states(host, alert)
        alerts.append(alert)
    return alerts


def waiting_count(host):
    """Return how many alerts are still to be delivered, events of which none was made yet
    included.
    """
    return len(events(host)) + len(_waiting_names(host))


def is_empty(host):
    """Return whether nothing waits."""
    return waiting_count(host) == 0


def make_folders(host):
    """Make the folders of the spool, for root alone, where they are not there. Raises CommandFailed
    where not even memory has room.
    """
    for folder in (FOLDER, HISTORY, IN_MEMORY):
        if not os.path.isdir(host.path(folder)):
            try:
                os.makedirs(host.path(folder), 0o700)
            except EnvironmentError as error:
                if folder == IN_MEMORY:
                    raise CommandFailed("mkdir " + folder, error.errno, os.strerror(error.errno))
                host.log("mkdir %s: %s" % (folder, os.strerror(error.errno)), syslog.LOG_ERR)


def _waiting_names(host):
    return sorted(
        {
            name
            for folder in (FOLDER, IN_MEMORY)
            for name in host.names(folder)
            if name.endswith(".alert")
        }
    )


def _store(host, name, value):
    """Write a file of the spool: in memory while there is no room on the disk."""
    text = json.dumps(value) + "\n"
    make_folders(host)
    try:
        host.replace(FOLDER + "/" + name, text, 0o600)
    except CommandFailed:
        host.replace(IN_MEMORY + "/" + name, text, 0o600)
    else:
        _removed(host, IN_MEMORY + "/" + name)


def _load(host, name):
    """Return what `_store` wrote last; what is in memory is newer."""
    return _read(host, IN_MEMORY + "/" + name) or _read(host, FOLDER + "/" + name)


def _read(host, path):
    """Return what a file of the spool holds, None for one that has just gone or that cannot be
    understood.
    """
    text = host.read_if_there(path)
    try:
        return natively(json.loads(text)) if text else None
    except ValueError:
        return None

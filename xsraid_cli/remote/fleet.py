"""Many pools at once: each is logged in to and asked in a thread of its own. One that is dead
delays nobody; what it failed with is its answer.
"""

from __future__ import absolute_import

import threading
import time

from xsraid.host import clock
from xsraid_cli.remote import advice, all_hosts, connecting, pool, threads

GRACE_S = 2  # how long the end waits for a login that is under way


class Fleet(object):
    """The pools of Entries. passwords_by_entry: {Entry: text or None}; trusts: {Entry: Trust}.
    Sessions are kept from one question to the next.
    """

    def __init__(self, entries, passwords_by_entry, trusts):
        self._entries, self._passwords, self._trusts = entries, passwords_by_entry, trusts
        self._lock, self._idle, self._open, self._coming, self._is_closed = (
            threading.Lock(),
            {},
            [],
            0,
            False,
        )

    def ask(self, questions, limit_s, typed):
        """Return everywhere.Answers of all hosts of all pools: each pool may take limit_s to log in
        and list its hosts, each host as long again.
        """
        calls = [self._call(entry, questions, limit_s, typed) for entry in self._entries]
        answers = []
        for entry, ended in zip(self._entries, threads.ask(calls, 2 * limit_s + all_hosts.GRACE_S)):
            answers += _answers(entry, ended, limit_s, typed)
        return answers

    def close(self):
        """Log out everywhere, also of what is still being logged in to."""
        with self._lock:
            self._is_closed = True
            opened, self._open = self._open, []
        threads.ask([one.close for one in opened], pool.LOGOUT_S)
        deadline = clock.monotonic_s() + GRACE_S
        while self._coming and clock.monotonic_s() < deadline:
            time.sleep(0.01)

    def _call(self, entry, questions, limit_s, typed):
        def call():
            connected = self._take(entry, limit_s)
            try:
                connected.session.transport.limit_s = limit_s
                answers = all_hosts.ask(
                    connected, _hosts(connected, entry), questions, limit_s, typed, entry.name
                )
            except Exception:
                self._drop(connected)
                raise
            with self._lock:
                self._idle[entry] = connected
            return answers

        return call

    def _take(self, entry, limit_s):
        """Return a Pool that nobody else uses now."""
        with self._lock:
            if entry in self._idle:
                return self._idle.pop(entry)
            self._coming += 1
        connected = None
        try:
            connected = connecting.log_in(
                entry, self._passwords[entry], self._trusts[entry], min(limit_s, pool.LOGIN_S)
            )
        finally:
            with self._lock:
                is_wanted = not self._is_closed
                self._open += [connected] if connected is not None and is_wanted else []
            if connected is not None and not is_wanted:
                connected.close()
            with self._lock:
                self._coming -= 1
        return connected

    def _drop(self, connected):
        connected.close()
        with self._lock:
            self._open = [one for one in self._open if one is not connected]


def of_entries(entries, options, err):
    """Return the Fleet of Entries, once each password is known: asked for once for each pool and
    user, from the descriptor once for all.
    """
    known, found, trusts = {}, {}, {}
    for entry in entries:
        trusts[entry] = connecting.trusted(entry, options, err)
        key = None if hasattr(options, "password_fd") else (entry.address, entry.user)
        if key not in known:
            known[key] = connecting.password(entry, options)
        found[entry] = known[key]
    return Fleet(entries, found, trusts)


def _hosts(connected, entry):
    """Return the pool.Hosts that an Entry means. Raises Problem for one that the pool lacks."""
    if entry.hosts == (None,):
        return [connected.host()]
    hosts = connected.hosts()
    return [pool.choose(hosts, name) for name in entry.hosts] or hosts


def _answers(entry, ended, limit_s, typed):
    """Return the Answers of a pool, one that says why where there is none of its hosts. Raises what
    nobody foresaw.
    """
    if ended.value is not None:
        return ended.value
    where = advice.Where(entry.address, entry.user, None, typed)
    failure, problem = all_hosts.explained(
        ended, entry.name or entry.address or "xapi of this host", limit_s, where
    )
    return [all_hosts.Answer(entry.name, None, [], failure, problem)]

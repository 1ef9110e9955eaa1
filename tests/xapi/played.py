"""Members that the master's own process plays: each with its own plugins, its own sockets, and a
fate that a test gives it.

What a fate does to a call that the master forwards there:

    ""            it is carried out, delay_s after it came
    "offline"     the master has heard nothing of the host for ten minutes and holds it for dead:
                  HOST_OFFLINE at once
    "unreachable" nobody can connect to it: CANNOT_CONTACT_HOST, once the master has tried for
      delay_s
    "dies"        it is carried out, but the host dies before it has answered: CANNOT_CONTACT_HOST
                  after delay_s
    "mute"        its network is cut with the call under way, which no end of the connection
                  notices: no answer, until it has another fate

A new fate ends the delay of a call under way, which goes on by it. A host that cannot be reached
does not answer on its own address either.
"""

import json
import re
import threading

from xapi import wire
from xapi.failure import Failure

FATES = ("", "offline", "unreachable", "dies", "mute")
UNREACHABLE = ("offline", "unreachable")
BEFALL_PATH = "/befall"  # where a test tells the master's process what befalls a host


def read_members(path):
    """Return the members to play: JSON [{"uuid", "name", "plugins": folder, "socket": path or
    null}].
    """
    with open(path) as members_file:
        return json.load(members_file)


class PlayedHost:
    """One of them as the master reaches it, in the place of a RemoteHost. local: the LocalHost that
    has its plugins; ref: its host ref.
    """

    def __init__(self, local, ref):
        self.local, self.ref = local, ref
        self.fate, self.delay_s, self.turns = "", 0.0, 0
        self.changed = threading.Condition()

    def befall(self, fate, delay_s):
        """Give it another fate."""
        if fate not in FATES:
            raise ValueError(fate)
        with self.changed:
            self.fate, self.delay_s, self.turns = fate, delay_s, self.turns + 1
            self.changed.notify_all()

    def call_plugin(self, session, plugin, function, arguments):
        return self._carry_out(lambda: self.local.call_plugin(session, plugin, function, arguments))

    def storage(self, operation, arguments):
        return self._carry_out(lambda: self.local.storage(operation, arguments))

    def reach(self):
        """Raise CANNOT_CONTACT_HOST, as late as a call would, unless it can be connected to."""
        if self.fate in UNREACHABLE:
            self._wait()
            raise Failure("CANNOT_CONTACT_HOST", self.ref)

    def _wait(self):
        """Wait for the delay or, if that is sooner, for another fate; return the fate then."""
        with self.changed:
            turn = self.turns
            self.changed.wait_for(lambda: self.turns > turn, self.delay_s)
            return self.fate

    def _carry_out(self, step):
        self.reach()
        fate = self._wait()
        result = step() if fate in ("", "dies") else None
        if fate == "mute":  # once the network is back the connection is not
            with self.changed:
                self.changed.wait_for(lambda: self.fate != "mute")
        if fate:
            raise Failure("CANNOT_CONTACT_HOST", self.ref)
        return result


class Frontend:
    """What listens on its unix socket and on its own address, in the place of a Member: it hands
    nearly every call on to the master.
    """

    def __init__(self, master, uuid, host):
        self.master, self.uuid, self.host = master, uuid, host

    def reply(self, body, origin):
        if origin == "unix":
            return self.master.reply(body, self.uuid)
        if self.host.fate in UNREACHABLE:
            raise ConnectionResetError
        method, _ = wire.parse_call(body)
        if method == "session.login_with_password":
            return is_slave(self.master.address)
        return self.master.reply(body, origin)


def is_slave(master_address):
    """Return what a member answers to a login over TCP; the address of a master at the usual port
    stands there without it.
    """
    return wire.render_failure(["HOST_IS_SLAVE", re.sub(":80$", "", master_address)])

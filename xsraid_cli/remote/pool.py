"""A session on a pool: logging in, finding a host, calling the plugin there, and logging out
whatever happens.
"""

from __future__ import absolute_import

import collections
import json
import os
import re

import XenAPI

from xsraid.errors import NotConfigured
from xsraid.host.files import Host as Machine
from xsraid.xapi import objects
from xsraid_cli import formats
from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import transport
from xsraid_cli.remote.certificates import AUTHORITIES

PLUGIN = "xsraid"
VERSION = "1.0"  # of the API that the login asks for; xapi's own clients say so, too
ROOT = "root"
ADDRESS = r"[A-Za-z0-9.:\[\]-]{1,260}\Z"  # of a host: a name, IPv4 or IPv6, maybe with a port
LOGIN_S, LOGOUT_S = 60, 10  # a login may ask a directory server somewhere

# ref: reference; name, uuid: text; release: product version, such as 8.3.0.
Host = collections.namedtuple("Host", "ref name uuid release")


class Pool(object):
    """session: logged in; address: where, None for the xapi of this host; user: who."""

    def __init__(self, session, address, user):
        self.session, self.address, self.user = session, address, user

    @property
    def name(self):
        return self.address or "this host"

    def hosts(self):
        """Return all Hosts of the pool in the order of their names."""
        records = self.session.xenapi.host.get_all_records()
        return sorted(
            (_host(ref, record) for ref, record in records.items()),
            key=lambda host: (host.name, host.uuid),
        )

    def host(self, name=None):
        """Return the Host of that name or uuid; None for the only one, or the one that this machine
        is. Raises Problem.
        """
        if name is None and self.address is None:
            ref = self._this_host()
            return _host(ref, self.session.xenapi.host.get_record(ref))
        return choose(self.hosts(), name)

    def call(self, host, function, given):
        """Call a function of the plugin on a Host and return its reply as JSON text. Raises
        XenAPI.Failure.
        """
        return formats.unicode_text(
            self.session.xenapi.host.call_plugin(host.ref, PLUGIN, function, given)
        )

    def ask(self, host, function, given):
        """Like call, but return the reply parsed. Raises Problem for what is no reply of xsraid."""
        return parsed(self.call(host, function, given))

    def twin(self, limit_s):
        """Return a Pool of the same login for another thread, in which each answer may take
        limit_s. It is closed with this one.
        """
        session = transport.twin(self.session)
        session.transport.limit_s = limit_s
        return Pool(session, self.address, self.user)

    def close(self):
        """Log out. A connection that is gone, or a session that has ended, needs no more; nor does
        one that hangs keep anybody waiting.

        On a connection of its own: another thread, or what a signal broke off, may be in the middle
        of a call.
        """
        session = transport.twin(self.session)
        session.transport.limit_s = LOGOUT_S
        try:
            session.session.logout(session.handle)
        except Exception:  # noqa: BLE001 - what led here matters more
            pass

    def _this_host(self):
        try:
            return objects.this_host(Machine(), self.session)
        except NotConfigured as error:
            raise Problem(error.sentence, "Name the host: --host NAME.", USAGE)


def log_in_here(limit_s=LOGIN_S):
    """Return the Pool of the host that this machine is, as root. Raises Problem where it is
    none.
    """
    refuse_elsewhere()
    return Pool(_logged_in(transport.to_this_host(), ROOT, "", limit_s), None, ROOT)


def refuse_elsewhere():
    """Raise Problem where this machine is no host of a pool."""
    if not os.path.exists(transport.SOCKET):
        raise Problem(
            "This machine is no XenServer or XCP-ng host: there is no %s." % transport.SOCKET,
            "Name a pool: xsraid --pool https://master ...",
            USAGE,
        )


def log_in(address, user, password, trust=AUTHORITIES, limit_s=LOGIN_S):
    """Return the Pool at an address; a member says who its master is, and that is asked then, once.
    limit_s: how long the answer may take.
    """
    try:
        session = _logged_in(transport.to_address(address, trust), user, password, limit_s)
    except XenAPI.Failure as failure:
        if failure.details[0] != "HOST_IS_SLAVE":
            raise
        if not re.match(ADDRESS, failure.details[1]):
            raise Problem(
                "The host at %s names its master by what is no address: %s."
                % (address, formats.plain(failure.details[1])),
                "Give the master's own address.",
            )
        address = "%s://%s" % (transport.url(address)[0], failure.details[1])
        session = _logged_in_at_master(address, user, password, trust, limit_s)
    return Pool(session, address, user)


def _logged_in_at_master(address, user, password, trust, limit_s):
    """Return a session on the host that a member has named as its master. An error there is of that
    address.
    """
    try:
        return _logged_in(transport.to_address(address, trust), user, password, limit_s)
    except Exception as error:
        error.address = address
        raise


def _logged_in(session, user, password, limit_s):
    session.transport.limit_s = limit_s
    session.login_with_password(user, password, VERSION, PLUGIN)
    session.transport.limit_s = None
    return session


def choose(hosts, name):
    """Return the Host of that name or uuid among Hosts; None for the only one. Raises Problem."""
    found = [host for host in hosts if name in (None, host.name, host.uuid)]
    if len(found) == 1:
        return found[0]
    names = [host.name for host in hosts]
    if found and name:
        names = ["%s (%s)" % (host.name, host.uuid) for host in hosts]
    there = "This pool has %s." % ", ".join(names)
    if name is None:
        raise Problem(
            "The pool has %d hosts, and none is named." % len(hosts),
            "Name one: --host NAME. %s" % there,
            USAGE,
        )
    if found:
        raise Problem(
            "The pool has %d hosts named %s." % (len(found), name),
            "Give the uuid: --host UUID. %s" % there,
            USAGE,
        )
    raise Problem("The pool has no host %s." % name, there, USAGE)


def parsed(text):
    """Return a reply of the plugin, parsed, its keys in their order. Raises Problem for what is
    none.
    """
    try:
        return json.loads(text, object_pairs_hook=collections.OrderedDict)
    except ValueError:
        raise Problem(
            "The plugin's reply is none of xsraid's: %s" % formats.plain(text)[:80],
            "Which plugin is it? `xsraid version` compares.",
        )


def _host(ref, record):
    return Host(
        ref,
        formats.plain(record["name_label"]),
        record["uuid"],
        record["software_version"].get("product_version", ""),
    )

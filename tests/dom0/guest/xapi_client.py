#!/usr/bin/python3.11
"""Makes one XenAPI call for the host, through the unmodified XenAPI client and the unix socket, as
root in dom0 does.
"""

import XenAPI


def this_host(session):
    """Return the reference of the host whose uuid is in /etc/xensource-inventory."""
    with open("/etc/xensource-inventory") as inventory:
        values = dict(line.strip().split("=", 1) for line in inventory if "=" in line)
    return session.xenapi.host.get_by_uuid(values["INSTALLATION_UUID"].strip("'"))


def call(method, arguments):
    """Return {"value": …} or {"failure": [code, …]}; the argument "@host" stands for the reference
    of this host.
    """
    session = XenAPI.xapi_local()
    try:
        session.xenapi.login_with_password("root", "", "1.0", "miniature dom0")
        arguments = tuple(
            this_host(session) if argument == "@host" else argument for argument in arguments
        )
        reply = {"value": session.xenapi_request(method, tuple(arguments))}
        session.xenapi.session.logout()
    except XenAPI.Failure as failure:
        reply = {"failure": failure.details}
    return reply

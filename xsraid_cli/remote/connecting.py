"""From the options that say where to a session there: the host this runs on, one pool, or the pools
of an inventory one by one.
"""

from __future__ import absolute_import

from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import certificates, passwords, pool, transport
from xsraid_cli.remote.inventory import Entry
from xsraid_cli.show.screen import warn

FOR_POOLS = ("user", "password_fd", "ca_file", "fingerprint", "insecure")


def connect(options, err):
    """Return the Pool that the options name, logged in. Raises Problem and what comes of
    connections.
    """
    entry = of_options(options)
    trust = trusted(entry, options, err)
    return log_in(entry, password(entry, options), trust)


def of_options(options):
    """Return the inventory.Entry that the options describe; its address is None for the host this
    runs on. Raises Problem.
    """
    address = getattr(options, "pool", None)
    if address is None:
        _refuse_alone(options)
        return Entry(None, None, pool.ROOT, None, (), ())
    return Entry(
        None,
        "%s://%s" % transport.url(address),
        getattr(options, "user", pool.ROOT),
        getattr(options, "ca_file", None),
        tuple(certificates.normal(each) for each in getattr(options, "fingerprint", [])),
        (),
    )


def trusted(entry, options, err):
    """Return the Trust for an Entry, None for the host this runs on. Raises Problem for what sends
    the password in clear unasked.
    """
    if entry.address is None:
        return None
    scheme, name = transport.url(entry.address)
    is_insecure = getattr(options, "insecure", False)
    if scheme == transport.HTTP and not is_insecure:
        raise Problem(
            "http:// sends the password in clear.", "Use https://, or say --insecure.", USAGE
        )
    if is_insecure:
        warn(
            err, ["--insecure: nobody knows whether this is %s, and who reads the password." % name]
        )
    return certificates.Trust(entry.ca_file, entry.fingerprints, is_insecure)


def password(entry, options):
    """Return the password for an Entry, None for the host this runs on. Raises Problem where nobody
    can be asked.
    """
    return (
        None
        if entry.address is None
        else passwords.of_pool(entry.address, entry.user, getattr(options, "password_fd", None))
    )


def log_in(entry, password, trust, limit_s=pool.LOGIN_S):
    """Return the Pool of an Entry. Raises Problem and what comes of connections."""
    return (
        pool.log_in_here(limit_s)
        if entry.address is None
        else pool.log_in(entry.address, entry.user, password, trust, limit_s)
    )


def _refuse_alone(options):
    """Raise Problem for options that say nothing without --pool."""
    for name in FOR_POOLS:
        if hasattr(options, name):
            raise Problem(
                "--%s is for a pool, and none is named." % name.replace("_", "-"),
                "Add --pool ADDRESS.",
                USAGE,
            )

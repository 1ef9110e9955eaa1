"""XAPI's door: from its call to a verb of the table and back; parsing, JSON, errors into
replies.
"""

from __future__ import absolute_import

import collections
import errno
import importlib
import io
import json
import os
import re
import socket
import sys
import syslog
from xml.parsers import expat

import XenAPI

from xsraid.errors import BadArgument, Busy, XapiGone, XsraidError
from xsraid.functions import FUNCTIONS, REFUSED, REQUIRED
from xsraid.host.files import Host
from xsraid.records import Record
from xsraid.text import PYTHON_2, UNICODE, native, printable

if PYTHON_2:
    import httplib
    import xmlrpclib
else:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib

CONNECTION_ERRORS = (
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EPIPE,
    errno.ENOENT,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
)


def serve(plugin):
    """Answer the one call that this process was started for. plugin: the module XenAPIPlugin."""
    host = Host()
    plugin.dispatch(handlers(plugin.Failure, host))
    # Where xapi has gone this raises, and the host is not told that the reply is out.
    sys.stdout.flush()
    host.replied()


def handlers(failure, host):
    """Return {function name: handler(session, args)} for XenAPIPlugin.dispatch. failure:
    XenAPIPlugin.Failure; host: this machine.
    """
    _use_utf8()
    return {name: _handler(function, failure, host) for name, function in FUNCTIONS.items()}


def call(host, session, function, given):
    """Call a function of the table with the arguments {name: text} as given; return its reply as
    JSON text. Raises XsraidError, XenAPI.Failure.
    """
    values = {
        argument.name: argument.absent()
        for argument in function.arguments
        if argument.default is not REQUIRED
    }
    values.update(parse(function, given))
    module, _, verb = function.verb.rpartition(".")
    try:
        act = getattr(importlib.import_module("xsraid." + module), verb)
    except ImportError:
        raise Busy("an upgrade of xsraid, which has just replaced its modules")
    reply = act(host, session, **values)
    return json.dumps(_clean(reply), separators=(", ", ": "))


def parse(function, given):
    """Return {name: value} of the arguments. Raises BadArgument for one that is missing, unknown,
    empty or malformed.
    """
    known = {argument.name: argument for argument in function.arguments}
    values = {}
    for name, text in sorted((native(name), native(text)) for name, text in given.items()):
        kind = known[name].kind if name in known else REFUSED.get(name)
        if kind is None:
            names = ", ".join(argument.name for argument in function.arguments) or "no arguments"
            raise BadArgument(
                printable(name, 80), "is no argument of %s, which takes %s" % (function.name, names)
            )
        if not text:
            raise BadArgument(name, "is empty; give a value, or leave it out for the default")
        if name in known and known[name].is_default(text):
            continue
        try:
            values[name] = kind(text)
        except ValueError as error:
            raise BadArgument(name, str(error))
    for argument in function.arguments:
        if argument.default is REQUIRED and argument.name not in values:
            raise BadArgument(
                argument.name,
                "is missing; it takes %s, such as %s=%s"
                % (argument.kind.shape, argument.name, argument.example),
            )
    return values


def _handler(function, failure, host):
    def handle(session, given):
        try:
            _refuse_repeated(sys.argv[1:])
            return call(host, session, function, given)
        except XsraidError as error:
            host.log("%s refused or failed: %s" % (function.name, error), syslog.LOG_WARNING)
            raise failure(error.code, error.parameters)
        except XenAPI.Failure as error:
            host.log(
                "%s: XAPI's failure %s"
                % (function.name, " ".join(native(detail) for detail in error.details)),
                syslog.LOG_WARNING,
            )
            raise failure(
                native(error.details[0]),
                [printable(native(detail)) for detail in error.details[1:]],
            )
        except (xmlrpclib.Error, httplib.HTTPException, expat.ExpatError) as error:
            raise _gone(failure, function, host, error)
        except EnvironmentError as error:
            raise (_gone if _is_connection(error) else _internal)(failure, function, host, error)
        except Exception as error:  # noqa: BLE001
            # Whatever it is, the caller gets it in the reply and the log its origin.
            raise _internal(failure, function, host, error)

    return handle


def _gone(failure, function, host, error):
    gone = XapiGone(" ".join(str(error).split()))
    host.log("%s: %s" % (function.name, gone), syslog.LOG_WARNING)
    return failure(gone.code, gone.parameters)


def _internal(failure, function, host, error):
    """Log where an error that nobody foresaw came from; return the failure that says so without
    giving away what it may hold.
    """
    kind = error.__class__.__name__
    host.log("%s: %s: %s" % (function.name, kind, error), syslog.LOG_WARNING)
    step = sys.exc_info()[2]
    # By hand: loading traceback would cost every call, and this is for the rarest.
    while step is not None:
        host.log(
            "  at %s:%d in %s"
            % (step.tb_frame.f_code.co_filename, step.tb_lineno, step.tb_frame.f_code.co_name),
            syslog.LOG_WARNING,
        )
        step = step.tb_next
    sentence = (
        "%s met an unexpected error (%s): please report it with what `journalctl -t "
        "xsraid` says." % (function.name, kind)
    )
    return failure("XSRAID_INTERNAL", [function.name, kind, sentence])


def _is_connection(error):
    """Return whether an OS error comes from the connection to xapi: file errors name a file, and
    these numbers are not theirs.
    """
    return (
        isinstance(error, socket.timeout)
        or getattr(error, "filename", None) is None
        and error.errno in CONNECTION_ERRORS
    )


def _refuse_repeated(argv):
    """Refuse an argument that was given twice: the XML-RPC library would quietly take the last
    one.
    """
    names = re.findall(r"<name>(.*?)</name>", argv[0], re.DOTALL) if argv else []
    for name in names:
        if names.count(name) > 1:
            raise BadArgument(printable(native(name), 80), "is given %d times" % names.count(name))


def _clean(value):
    """Return a reply with all its text fit for JSON."""
    if isinstance(value, Record):
        value = value.shown()
    if isinstance(value, dict):
        return collections.OrderedDict((key, _clean(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return [_clean(part) for part in value]
    return printable(native(value)) if isinstance(value, (bytes, UNICODE)) else value


def _use_utf8():
    """Take the call and let the reply leave as UTF-8 whatever the locale: xapi gives a plugin none,
    and Python 3.6 then takes both for ASCII.
    """
    if not PYTHON_2:
        words = [os.fsencode(word) for word in sys.argv[1:]]  # novermin
        sys.argv[1:] = [word.decode("utf-8", "replace") for word in words]
        sys.stdout = io.open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)

"""Running a host plugin by xapi's protocol (xapi_plugins.ml, forkhelpers.ml): one argument, an
XML-RPC methodCall; the reply on standard output.
"""

import os
import signal
import subprocess
import tempfile

from xapi import wire
from xapi.failure import Failure

ENVIRONMENT = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"}  # all that forkexecd gives a child


def run(folder, name, session, function, arguments, log):
    """Return the text that function of the plugin answers.

    arguments: a Struct of texts, whose duplicate keys reach the plugin; log: called with the lines
    that xapi writes to its log.
    Raises what the plugin's own Failure says, XENAPI_MISSING_PLUGIN, or XENAPI_PLUGIN_FAILURE in
    xapi's forms.
    """
    if name not in (os.listdir(folder) if os.path.isdir(folder) else []):
        raise Failure("XENAPI_MISSING_PLUGIN", name)
    status, output, errors = _execute(
        [os.path.join(folder, name), wire.render_call(function, [session, arguments])], log
    )
    if status < 0:
        raise Failure(
            "XENAPI_PLUGIN_FAILURE", "signal: %s" % signal.Signals(-status).name, output, errors
        )
    if status > 0:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", output, errors)
    return _result(output)


def _execute(command, log):
    """Return (status, stdout, stderr). Both go to files as in xapi: a child that the plugin leaves
    behind keeps nobody waiting.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            ).returncode
        # Not executable, no such interpreter, an argument of more than 128 KiB.
        except OSError as error:
            errors.write(str(error).encode())
            status = 1
        output.seek(0)
        errors.seek(0)
        texts = [stream.read().decode("utf-8", "replace") for stream in (output, errors)]
    if status:
        # The whole command line, as in dom0.
        log(
            "forkexecd: %s exited with %d (%s): %s"
            % (command[0], status, texts[1].strip(), command[1])
        )
    return [status] + texts


def _result(output):
    try:
        kind, value = wire.parse_response(output)
    except wire.ParseError as error:
        raise Failure(
            "XENAPI_PLUGIN_FAILURE", "failed to parse plugin output", output, error
        ) from None
    if not isinstance(value, wire.Struct):
        raise Failure("XENAPI_PLUGIN_FAILURE", "unexpected XMLRPC result", output)
    if kind == "fault":
        raise Failure(
            "XENAPI_PLUGIN_FAILURE", "fault", value.get("faultCode"), value.get("faultString")
        )
    if value.get("Status") == "Success" and isinstance(value.get("Value"), str):
        return value.get("Value")
    description = value.get("ErrorDescription")
    if value.get("Status") == "Failure" and description:
        raise Failure(*description)
    raise Failure("XENAPI_PLUGIN_FAILURE", "unexpected XMLRPC result", output)

"""From a method name and its parameters to a result: the checks every call goes through, in xapi's
order (gen_server.ml), and asynchronous calls.
"""

import threading

from xapi import (
    api_events,
    api_fields,
    api_objects,
    api_storage,
    api_tasks,
    model,
    releases,
    values,
    wire,
)
from xapi.failure import Failure

ASYNC = "Async."
HANDLERS = {**api_objects.METHODS, **api_storage.METHODS, **api_tasks.METHODS, **api_events.METHODS}


class Call:
    """One call under way. origin: "unix", "tcp", or the uuid of the member whose unix socket it
    came from; task: its task's ref, if asynchronous.
    """

    task = None

    def __init__(self, xapi, message, session, origin):
        self.xapi, self.message, self.session, self.origin = xapi, message, session, origin
        self.database = xapi.database


class Dispatcher:
    """Carries out the calls of clients on the database of xapi."""

    def __init__(self, xapi):
        self.xapi = xapi
        self.messages = model.messages()
        self.by_name = dict(
            {name.replace(".", "_", 1): name for name in self.messages},
            **{name: name for name in self.messages},
        )

    def dispatch(self, method, params, origin):
        """Return the result of a call in its wire form; raises Failure."""
        asynchronous = method.startswith(ASYNC)
        name = method[len(ASYNC) :] if asynchronous else method
        message = self._message(name, method)
        session, arguments = self._arguments(message, name, params)
        call = Call(self.xapi, message, session, origin)
        if session is not None and name != "session.local_logout":
            self.xapi.sessions.check(session)
        self.xapi.log_call(method, message, arguments)
        if asynchronous:
            return self._start(call, method, arguments)
        return self._run(call, arguments)

    def _message(self, name, method):
        message = self.messages.get(self.by_name.get(name))
        if (
            message is None
            or releases.rank(message.release) > releases.rank(self.xapi.release)
            or (name != method and message.kind != "custom")
        ):
            raise Failure("MESSAGE_METHOD_UNKNOWN", name)
        return message

    def _arguments(self, message, name, params):
        has_session = message.name not in (
            "session.login_with_password",
            "session.slave_local_login_with_password",
        )
        given = params[1:] if has_session else params
        mandatory = len([param for param in message.params if not param.optional])
        if (has_session and not params) or not mandatory <= len(given) <= len(message.params):
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", name, mandatory, len(given))
        session = values.parse("session_id", "session ref", params[0]) if has_session else None
        arguments = [
            values.parse(param.name, param.type, value)
            for param, value in zip(message.params, given)
        ]
        for param in message.params[len(given) :]:
            arguments.append(wire.Struct() if param.type.endswith(" map") else "")
        return session, arguments

    def _run(self, call, arguments):
        if call.session is not None and call.message.name != "session.local_logout":
            self.xapi.sessions.authorise(call.session, call.message)
        self.xapi.faults.before(call.message.name)
        handler = HANDLERS.get(call.message.name)
        result = handler(call, *arguments) if handler else api_fields.carry_out(call, *arguments)
        self.xapi.faults.after(call.message.name)
        return result

    def _start(self, call, method, arguments):
        """Only now is the caller's role looked at, the object, and whether its host is there: what
        is wrong with them fails the task.
        """
        call.task = api_tasks.add(self.xapi, call.session, method)
        threading.Thread(target=self._finish, args=(call, arguments), daemon=True).start()
        return call.task

    def _finish(self, call, arguments):
        try:
            outcome = {"status": "success", "result": wire.render(self._run(call, arguments))}
        except Failure as failure:
            outcome = {"status": "failure", "error_info": failure.description}
        except Exception as error:  # noqa: BLE001 a bug of the simulation must not leave the task pending for ever
            self.xapi.log("internal error in %s: %r" % (call.message.name, error))
            outcome = {"status": "failure", "error_info": ["INTERNAL_ERROR", repr(error)]}
        api_tasks.complete(self.xapi.database, call.task, **outcome)

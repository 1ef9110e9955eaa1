#!/usr/bin/python3.11
"""Runs commands in the guest for the host.

The host writes CONTROL/<id>.req (JSON: argv, timeout_s, stdin, env, cwd; or ask, given, timeout_s),
then the doorbell "<id>\\n" on the serial line; the answer is one JSON line on the serial line.
(Lines of 8 KB and more from host to guest wedge a UML tty, hence the file.) A command that leaves a
daemon behind must redirect the daemon's three descriptors, or it never returns. What is asked most
often, XAPI and which disks there are, is
answered by this process: to start a Python costs more than the answer.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import traceback
import tty


class Agent:
    """line: the serial line's device; control: the folder of requests."""

    def __init__(self, line, control):
        self._control = control
        self._line_fd = os.open(line, os.O_RDWR | os.O_NOCTTY)
        self._lock = threading.Lock()
        tty.setraw(self._line_fd, termios.TCSANOW)

    def serve(self):
        """Answer doorbells until the line is closed; the first answer, to number 0, says that the
        guest is up.
        """
        self._answer(0, 0)
        for line in os.fdopen(os.dup(self._line_fd), "rb", 65536):
            if line.strip().isdigit():
                threading.Thread(target=self._work, args=(int(line),), daemon=True).start()

    def _work(self, number):
        try:
            with open(f"{self._control}/{number}.req") as request_file:
                request = json.load(request_file)
            self._answer(number, *(ask(request) if "ask" in request else run(request)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it
            self._answer(number, "error", b"", repr(error).encode())

    def _answer(self, number, status, out=b"", err=b""):
        answer = {
            "id": number,
            "status": status,
            "out": base64.b64encode(out).decode(),
            "err": base64.b64encode(err).decode(),
        }
        data = (json.dumps(answer) + "\n").encode()
        with self._lock:
            while data:
                data = data[os.write(self._line_fd, data[:65536]) :]


def run(request):
    """Return (exit status or "timeout", stdout, stderr) of one request."""
    process = subprocess.Popen(
        request["argv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=request.get("cwd") or "/",
        env=dict(os.environ, **request.get("env") or {}),
    )
    try:
        out, err = process.communicate(
            base64.b64decode(request["stdin"]), timeout=request["timeout_s"]
        )
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return "timeout", out, err


def ask(request):
    """Return (0 or "timeout", the answer as JSON, b"") of one of ASKED."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(_answered(request)), daemon=True)
    thread.start()
    thread.join(request["timeout_s"])
    return answers[0] if answers else ("timeout", b"", b"")


def _answered(request):
    try:
        return 0, json.dumps(ASKED[request["ask"]](request["given"]), default=str).encode(), b""
    except Exception:  # noqa: BLE001 - as above
        return 1, b"", traceback.format_exc().encode()


def ask_xapi(given):
    """Return {"value": …} or {"failure": [code, …]} of a call, see xapi_client."""
    import xapi_client  # noqa: PLC0415 - as late as it is needed: the guest is up the sooner

    return xapi_client.call(*given)


def ask_disks(_given):
    """Return a list for each disk, see scsi_disks."""
    import scsi_disks  # noqa: PLC0415

    return list(scsi_disks.list_disks())


ASKED = {"xapi": ask_xapi, "disks": ask_disks}

if __name__ == "__main__":
    Agent(sys.argv[1], sys.argv[2]).serve()

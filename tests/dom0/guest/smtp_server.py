#!/usr/bin/python3.11
"""The SMTP server of the miniature dom0: smtp.example.com at 587 (STARTTLS and AUTH), 465 (TLS and
AUTH) and 25 (plain), on 127.0.0.1.

smtp_server.py MAILBOX: each mail becomes MAILBOX/<queue id>.eml and, complete once it is there,
<queue id>.json.
What the server does is set while it runs: write a JSON object with any of mode, user, password to
/run/smtp/wish and send SIGUSR1; when it is in force, /run/smtp/now has all of the settings. Without
a wish the defaults are.

Modes: accept; what REFUSALS has, each at its stage; refuse (554 instead of a greeting); no_starttls
(454 to STARTTLS); no_auth (offers no login); bad_auth (535 to any login); close (hangs up at RCPT);
stall (takes connections and says nothing); stall_after_data (never answers to a mail); vanish (no
port is open); reject_nobody (550 to the recipient nobody@…).
"""

import asyncio
import email
import itertools
import json
import logging
import os
import re
import signal
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

HOST = "smtp.example.com"
CERTIFICATE, KEY = "/usr/share/smtp-server/server.pem", "/usr/share/smtp-server/server.key"
WISH, NOW = "/run/smtp/wish", "/run/smtp/now"
REFUSALS = {  # mode: the command that is refused, and how
    "reject_sender": ("MAIL", "550 5.7.1 Sender refused"),
    "greylist": ("RCPT", "451 4.7.1 Greylisted, please try again later"),
    "relay_denied": ("RCPT", "550 5.7.1 Relaying denied"),
    "reject": ("DATA", "554 5.7.1 Message refused"),
    "later": ("DATA", "451 4.3.0 Out of order, please try again later"),
}
MODES = {
    "accept",
    "refuse",
    "no_starttls",
    "no_auth",
    "bad_auth",
    "close",
    "stall",
    "stall_after_data",
    "vanish",
    "reject_nobody",
    *REFUSALS,
}
DEFAULTS = {"mode": "accept", "user": "alerts@example.com", "password": "S3cret-of-the-mail-server"}


class Mute(asyncio.Protocol):
    """A connection on which nothing is ever said."""


class Refuse(asyncio.Protocol):
    """A connection on which nothing but a refusal is said."""

    def connection_made(self, transport):
        transport.write(b"554 5.3.2 No mail here today\r\n")
        transport.close()


class NoStarttls(SMTP):
    """A server that offers STARTTLS and then has none."""

    async def smtp_STARTTLS(self, _argument):
        await self.push("454 4.7.0 TLS not available")


class Server:
    """What all ports share: the settings, the mailbox, and the handler that aiosmtpd asks."""

    def __init__(self, mailbox):
        self.settings = dict(DEFAULTS)
        self._mailbox = mailbox
        self._numbers = itertools.count(1)
        self._listeners = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(CERTIFICATE, KEY)

    async def apply(self):
        """Bring what was wished for into force and say so."""
        try:
            with open(WISH) as wish_file:
                self.settings = dict(DEFAULTS, **json.load(wish_file))
        except FileNotFoundError:
            self.settings = dict(DEFAULTS)
        if self.settings["mode"] not in MODES:
            raise ValueError(self.settings["mode"])
        for listener in self._listeners:
            listener.close()
        self._listeners = [] if self.settings["mode"] == "vanish" else await self._listen()
        write_whole(NOW, json.dumps(self.settings).encode())

    async def _listen(self):
        loop = asyncio.get_running_loop()
        return [
            await loop.create_server(self._starttls, "127.0.0.1", 587, reuse_address=True),
            await loop.create_server(
                self._after_tls,
                "127.0.0.1",
                465,
                reuse_address=True,
                ssl=None if self.settings["mode"] in ("stall", "refuse") else self._tls,
            ),
            await loop.create_server(self._plain, "127.0.0.1", 25, reuse_address=True),
        ]

    def _starttls(self):
        return self._speaker(tls_context=self._tls, auth_required=True)

    def _after_tls(self):
        return self._speaker(auth_required=True, auth_require_tls=False)

    def _plain(self):
        return self._speaker()

    def _speaker(self, **options):
        mode = self.settings["mode"]
        if mode in ("stall", "refuse"):
            return Mute() if mode == "stall" else Refuse()
        if mode == "no_auth":
            options["auth_exclude_mechanism"] = ["LOGIN", "PLAIN"]
        return (NoStarttls if mode == "no_starttls" else SMTP)(
            self, hostname=HOST, authenticator=self._authenticate, **options
        )

    def _authenticate(self, _server, _session, _envelope, _mechanism, data):
        """handled=False makes aiosmtpd give the answer itself, 235 or 535; otherwise a wrong login
        is never answered.
        """
        good = (
            self.settings["mode"] != "bad_auth"
            and isinstance(data, LoginPassword)
            and (data.login.decode(), data.password.decode())
            == (self.settings["user"], self.settings["password"])
        )
        return AuthResult(
            success=good, handled=False, auth_data=data.login.decode() if good else None
        )

    async def handle_MAIL(self, _server, _session, envelope, address, _options):
        envelope.mail_from = address
        return self._refusal("MAIL") or "250 2.1.0 OK"

    async def handle_RCPT(self, server, _session, envelope, address, _options):
        if self.settings["mode"] == "close":
            server.transport.close()
        if self.settings["mode"] == "reject_nobody" and address.startswith("nobody@"):
            return "550 5.1.1 nobody: user unknown"
        envelope.rcpt_tos.append(address)
        return self._refusal("RCPT") or "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.settings["mode"] == "stall_after_data":
            await asyncio.Event().wait()
        return self._refusal("DATA") or "250 2.0.0 OK: queued as " + self._keep(
            server, session, envelope
        )

    def _refusal(self, command):
        refused, answer = REFUSALS.get(self.settings["mode"], (None, None))
        return answer if refused == command else None

    def _keep(self, server, session, envelope):
        """Put a mail into the mailbox and return its queue id."""
        queue_id = f"{int(time.time()):08X}{next(self._numbers):04X}"
        message = email.message_from_bytes(envelope.content)
        facts = {
            "queue_id": queue_id,
            "arrived": time.time(),
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "user": session.auth_data,
            "port": server.transport.get_extra_info("sockname")[1],
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "headers": [
                (name, re.sub(r"\r?\n(?=[ \t])", "", str(value))) for name, value in message.items()
            ],
        }
        write_whole(f"{self._mailbox}/{queue_id}.eml", envelope.content)
        write_whole(f"{self._mailbox}/{queue_id}.json", json.dumps(facts).encode())
        return queue_id


def write_whole(path, content):
    """Write a file so that it is seen whole or not at all."""
    with open(path + ".new", "wb") as new:
        new.write(content)
    os.rename(path + ".new", path)


async def serve(mailbox):
    os.makedirs(mailbox, exist_ok=True)
    server = Server(mailbox)
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR1, lambda: asyncio.ensure_future(server.apply())
    )
    await server.apply()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(sys.argv[1]))

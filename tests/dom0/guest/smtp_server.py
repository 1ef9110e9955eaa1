#!/usr/bin/python3.11
"""The SMTP server of the miniature dom0: smtp.example.com at 587 (STARTTLS and AUTH), 465 (TLS and AUTH) and 25 (plain), on 127.0.0.1.

smtp_server.py MAILBOX: each mail becomes MAILBOX/<queue id>.eml and, complete once it is there, <queue id>.json.
What the server does is set while it runs: write a JSON object with any of mode, user, password to /run/smtp/wish and send SIGUSR1;
when it is in force, /run/smtp/now has all of the settings. Without a wish the defaults are.

Modes: accept; reject (554 after DATA); greylist (451 at RCPT); bad_auth (535 to any login); stall (takes connections and says nothing);
stall_after_data (never answers to a mail); vanish (no port is open).
"""
import asyncio
import email
import itertools
import json
import logging
import os
import signal
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

HOST = "smtp.example.com"
CERTIFICATE, KEY = "/usr/share/smtp-server/server.pem", "/usr/share/smtp-server/server.key"
WISH, NOW = "/run/smtp/wish", "/run/smtp/now"
MODES = {"accept", "reject", "greylist", "bad_auth", "stall", "stall_after_data", "vanish"}
DEFAULTS = {"mode": "accept", "user": "alerts@example.com", "password": "S3cret-of-the-mail-server"}


class Mute(asyncio.Protocol):
    """A connection on which nothing is ever said."""


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
        return [await loop.create_server(self._starttls, "127.0.0.1", 587, reuse_address=True),
                await loop.create_server(self._after_tls, "127.0.0.1", 465, reuse_address=True, ssl=None if self._mute else self._tls),
                await loop.create_server(self._plain, "127.0.0.1", 25, reuse_address=True)]

    @property
    def _mute(self):
        return self.settings["mode"] == "stall"

    def _starttls(self):
        if self._mute:
            return Mute()
        return SMTP(self, hostname=HOST, tls_context=self._tls, auth_required=True, authenticator=self._authenticate)

    def _after_tls(self):
        if self._mute:
            return Mute()
        return SMTP(self, hostname=HOST, auth_required=True, auth_require_tls=False, authenticator=self._authenticate)

    def _plain(self):
        return Mute() if self._mute else SMTP(self, hostname=HOST)

    def _authenticate(self, _server, _session, _envelope, _mechanism, data):
        """handled=False makes aiosmtpd give the answer itself, 235 or 535; otherwise a wrong login is never answered."""
        good = self.settings["mode"] != "bad_auth" and isinstance(data, LoginPassword) and \
            (data.login.decode(), data.password.decode()) == (self.settings["user"], self.settings["password"])
        return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if self.settings["mode"] == "greylist":
            return "451 4.7.1 Greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.settings["mode"] == "reject":
            return "554 5.7.1 Message refused"
        if self.settings["mode"] == "stall_after_data":
            await asyncio.Event().wait()
        return "250 2.0.0 OK: queued as " + self._keep(server, session, envelope)

    def _keep(self, server, session, envelope):
        """Put a mail into the mailbox and return its queue id."""
        queue_id = f"{int(time.time()):08X}{next(self._numbers):04X}"
        message = email.message_from_bytes(envelope.content)
        facts = {"queue_id": queue_id, "arrived": time.time(), "sender": envelope.mail_from, "recipients": envelope.rcpt_tos,
                 "user": session.auth_data, "port": server.transport.get_extra_info("sockname")[1],
                 "tls": server.transport.get_extra_info("sslcontext") is not None, "headers": [(name, str(value)) for name, value in message.items()]}
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
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(server.apply()))
    await server.apply()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(sys.argv[1]))

# -*- coding: utf-8 -*-
import email
import email.header
import os
import socket
import ssl
import threading

import pytest

from xsraid import mail
from xsraid.errors import BadArgument
from xsraid.host import Host

CENTOS = """\
#
# /etc/ssmtp.conf -- a config file for sSMTP sendmail.
#
# The person who gets all mail for userids < 1000
root=postmaster
mailhub=mail
#rewriteDomain=localhost
Hostname = dom0.example.com
UseTLS=YES # old
AuthUser=old
authpass=one
AuthPass=two
"""

SECURITY = {"none": {}, "tls": {"usetls": "YES"}, "starttls": {"usetls": "YES", "usestarttls": "YES"}}
CERTIFICATE = os.path.join(os.path.dirname(__file__), "unknown.pem")  # and its key, made for this test


def test_directives_as_ssmtp_reads_them():
    found = mail.directives(CENTOS)
    assert found["root"] == "postmaster" and found["hostname"] == "dom0.example.com" and found["usetls"] == "YES" and "rewritedomain" not in found


def test_only_what_is_asked_for_changes():
    text = mail.with_directives(CENTOS, [("mailhub", "smtp.example.com:587"), ("UseTLS", "YES"), ("AuthUser", None), ("AuthPass", "new"),
        ("UseSTARTTLS", "YES")])
    assert text == CENTOS.replace("mailhub=mail\n", "mailhub=smtp.example.com:587\n").replace("AuthUser=old\n", "").replace(
        "authpass=one\nAuthPass=two\n", "AuthPass=new\n") + "UseSTARTTLS=YES\n"
    assert mail.with_directives(text, [("AuthPass", "new"), ("UseSTARTTLS", "YES")]) == text


def test_aliases_keep_other_accounts():
    text = "# sSMTP aliases\nroot:old@example.com:mail\nwww:web@example.com:mail:25"
    once = mail.with_alias(text, "root", "dom0@example.com", "smtp.example.com:587")
    assert once == "# sSMTP aliases\nwww:web@example.com:mail:25\nroot:dom0@example.com:smtp.example.com:587\n"
    assert mail.with_alias(once, "root", "dom0@example.com", "smtp.example.com:587") == once


@pytest.mark.parametrize("password", ["se'cr\"et", "a\\b$c%d:e", "x" * 200, "p\xc3\xa4ss"])
def test_passwords_that_pass(password):
    assert mail.carried_password(password) == (password, [])


def test_app_password_loses_its_typography_and_equals_sign_warns():
    assert mail.carried_password("abcd efgh ijkl mnop")[0] == "abcdefghijklmnop"
    assert "test_alert" in mail.carried_password("a=b")[1][0]


@pytest.mark.parametrize("password,reason", [("", "empty"), ("a#secret", "#"), ("a secret", "blank"), ("a\tsecret", "blank"),
    ("secret\nroot=x", "line break"), ("sec\x00ret", "control")])
def test_passwords_that_ssmtp_cannot_carry(password, reason):
    with pytest.raises(BadArgument) as caught:
        mail.carried_password(password)
    assert caught.value.parameters[0] == "smtp_password_secret" and reason in caught.value.sentence
    assert "secret" not in caught.value.sentence.replace("smtp_password_secret", "").replace("the secret", "")


def ssmtp(folder, script):
    """Return a host whose sendmail says what ssmtp 2.64 said in trials (-v -t)."""
    tool = folder.join("sendmail")
    tool.write("#!/bin/sh\ncat >/dev/null\n" + script)
    tool.chmod(0o755)
    return Host("/", str(folder) + ":/usr/bin:/bin")


@pytest.mark.parametrize("script,accepted,response,advice", [
    ("printf '[->] DATA\\n[<-] 354 go\\n[->] .\\n[<-] 250 2.0.0 OK: queued as ABC\\n[->] QUIT\\n[<-] 221 bye\\n' >&2",
     True, "250 2.0.0 OK: queued as ABC", ""),
    ("echo '[<-] 535 5.7.8 no' >&2; echo 'sendmail: Authorization failed (535 5.7.8 no)' >&2; exit 1", False,
    "Authorization failed (535 5.7.8 no)", "app password"),
    ("echo 'sendmail: RCPT TO:<a@b> (550 5.7.1 relaying denied)' >&2; exit 1", False, "RCPT TO:<a@b> (550 5.7.1 relaying denied)", "relay"),
    ("echo 'sendmail: 530 5.7.0 Must issue a STARTTLS command first' >&2; exit 1", False, "530 5.7.0 Must issue a STARTTLS command first",
     "smtp_security=starttls"),
    ("echo 'sendmail: RCPT TO:<a@b> (550 5.1.1 no such user)' >&2; exit 1", False, "RCPT TO:<a@b> (550 5.1.1 no such user)", "mail_to"),
    ("echo 'sendmail: 554 5.7.1 no spam' >&2; exit 1", False, "554 5.7.1 no spam", "operator"),
    ("echo 'sendmail: 451 4.7.1 later' >&2; exit 1", False, "451 4.7.1 later", "tried again"),
    ("sleep 30", False, "no answer within 1 s", "said nothing"),
    ("exit 1", False, "sendmail ended with 1", "ended before")])
def test_what_became_of_a_message(tmpdir, script, accepted, response, advice):
    answer = mail.send(ssmtp(tmpdir, script), "To: a@b\n\nhi\n", 1 if "sleep" in script else 20)
    assert (answer.accepted, answer.response) == (accepted, response)
    assert advice in answer.advice


def test_a_message_is_right_whatever_the_host_is_called():
    text = mail.compose("dom0@example.com", ["a@example.com", "b@example.com"],
        "Test alert: md0 on Z\xc3\xbcrich" if str is bytes else u"Test alert: md0 on Z\xfcrich", "body\n", 0, "7", None)
    message = email.message_from_string(text)
    (subject, charset), = email.header.decode_header(message["Subject"])
    assert subject.decode(charset) == u"Test alert: md0 on Z\xfcrich"
    assert message["To"] == "a@example.com, b@example.com" and message["Auto-Submitted"] == "auto-generated" and message.get_payload() == "body\n"
    assert message["Message-ID"].endswith("@example.com>") and message["Date"]


@pytest.mark.parametrize("response,is_so", [
    ("RCPT TO:<a@b> (550 5.1.1 no such user)", True), ("554 5.7.1 no spam", True), ("451 4.7.1 later", False),
    ("Authorization failed (535 5.7.8 no)", False),
    ("530 5.7.0 authenticate", False), ("Cannot open smtp.example.com:587", False), ("no answer within 30 s", False)])
def test_whether_another_mail_may_fare_better(response, is_so):
    assert mail.is_about_this_mail(mail.Answer(False, response, "")) is is_so


class Speaker(object):
    """A mail server on this machine that says a line for each one it hears, then starts TLS with a certificate that nobody knows, or ends."""

    def __init__(self, lines, starts_tls):
        self.lines, self.starts_tls = lines, starts_tls
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        connection = self.listener.accept()[0]
        try:
            for at, line in enumerate(self.lines):
                if at > 0:
                    connection.recv(1000)
                connection.sendall(line.encode() + b"\r\n")
            if self.starts_tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if hasattr(ssl, "PROTOCOL_TLS_SERVER") else ssl.PROTOCOL_SSLv23)
                context.load_cert_chain(CERTIFICATE)
                context.wrap_socket(connection, server_side=True)
        except EnvironmentError:
            pass  # it went away, as it does from a certificate that it does not know
        finally:
            connection.close()
            self.listener.close()



@pytest.mark.parametrize("security,lines,starts_tls,advice", [
    ("starttls", ["220 hi", "250 hi", "220 go"], True, "certificate is not trusted"),
    ("tls", [], True, "certificate is not trusted"),
    ("tls", ["220 hi"], False, "TLS fails"),
    ("starttls", ["220 hi", "250 hi", "502 what?"], False, "offers no STARTTLS"),
    ("none", ["554 not you"], False, "operator"),
    ("none", [], False, "not speak as expected"),
    ("none", ["220 hi"], False, "next try")])
def test_why_there_is_no_connection(security, lines, starts_tls, advice):
    speaker = Speaker(lines, starts_tls)
    assert advice in mail.why_no_connection(dict(SECURITY[security], mailhub="127.0.0.1:%d" % speaker.port))
    speaker.thread.join()


def test_no_connection_for_want_of_a_name_or_a_listener():
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    assert "Nobody answers at port %d" % closed.getsockname()[1] in mail.why_no_connection({"mailhub": "127.0.0.1:%d" % closed.getsockname()[1]})
    closed.close()
    assert "smtp.invalid cannot be resolved" in mail.why_no_connection({"mailhub": "smtp.invalid:25"})

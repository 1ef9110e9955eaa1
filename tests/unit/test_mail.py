# -*- coding: utf-8 -*-
import email
import email.header

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
    ("echo 'sendmail: Cannot open smtp.example.com:587' >&2; exit 1", False, "Cannot open smtp.example.com:587", "Nobody answers"),
    ("echo '[<-] 220 hi' >&2; echo 'sendmail: Cannot open smtp.example.com:587' >&2; exit 1", False, "Cannot open smtp.example.com:587", "TLS fails"),
    ("echo 'sendmail: RCPT TO:<a@b> (550 5.1.1 no such user)' >&2; exit 1", False, "RCPT TO:<a@b> (550 5.1.1 no such user)", "mail_to"),
    ("echo 'sendmail: 554 5.7.1 no spam' >&2; exit 1", False, "554 5.7.1 no spam", "operator"),
    ("echo 'sendmail: 451 4.7.1 later' >&2; exit 1", False, "451 4.7.1 later", "later"),
    ("sleep 30", False, "no answer within 1 s", "said nothing"),
    ("exit 1", False, "sendmail ended with 1", "operator")])
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

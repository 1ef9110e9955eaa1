# -*- coding: utf-8 -*-

import email
import email.header
import email.utils
import os
import socket
import ssl
import threading

import pytest

from xsraid.alerts import mail
from xsraid.errors import BadArgument
from xsraid.host.files import Host

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

SECURITY = {
    "none": {},
    "tls": {"usetls": "YES"},
    "starttls": {"usetls": "YES", "usestarttls": "YES"},
}
# And its key, made for this test.
CERTIFICATE = os.path.join(os.path.dirname(__file__), "unknown.pem")


def test_directives_as_ssmtp_reads_them():
    found = mail.directives(CENTOS)
    assert found["root"] == "postmaster"
    assert found["hostname"] == "dom0.example.com"
    assert found["usetls"] == "YES"
    assert "rewritedomain" not in found


def test_only_what_is_asked_for_changes():
    text = mail.with_directives(
        CENTOS,
        [
            ("mailhub", "smtp.example.com:587"),
            ("UseTLS", "YES"),
            ("AuthUser", None),
            ("AuthPass", "new"),
            ("UseSTARTTLS", "YES"),
        ],
    )
    assert (
        text
        == CENTOS.replace("mailhub=mail\n", "mailhub=smtp.example.com:587\n")
        .replace("AuthUser=old\n", "")
        .replace("authpass=one\nAuthPass=two\n", "AuthPass=new\n")
        + "UseSTARTTLS=YES\n"
    )
    assert mail.with_directives(text, [("AuthPass", "new"), ("UseSTARTTLS", "YES")]) == text


SETTINGS = {
    "mail_to": "admin@example.com,b@example.com",
    "mail_from": "alerts@example.com",
    "smtp_host": "smtp.example.com",
    "smtp_port": 587,
    "smtp_security": "starttls",
    "smtp_user": "u",
}


def test_the_directives_for_some_settings(tmpdir):
    tmpdir.join("etc/ssmtp/ssmtp.conf").write(
        "AuthMethod=cram-md5\nhostname=localhost\nroot=postmaster\n", ensure=True
    )
    tmpdir.join("proc/sys/kernel/hostname").write("xcp-ng-7\n", ensure=True)
    host = Host(str(tmpdir))
    text = mail.with_directives(
        host.read(mail.CONFIGURATION), mail.wanted_directives(host, SETTINGS, "p")
    )
    assert text == (
        "Hostname=xcp-ng-7.example.com\nroot=admin@example.com\nmailhub=smtp.example.com:587\nFromLineOverride=YES\nUseTLS=YES\n"
        "UseSTARTTLS=YES\nAuthUser=u\nAuthPass=p\n"
    )
    tmpdir.join("etc/ssmtp/ssmtp.conf").write(text)
    tmpdir.join("proc/sys/kernel/hostname").write("renamed\n")
    assert mail.with_directives(text, mail.wanted_directives(host, SETTINGS, "p")) == text


def test_a_name_to_greet_with_is_found_without_proc(tmpdir, mocker):
    mocker.patch("os.uname", return_value=("Linux", "node3.example.net", "", "", ""))
    assert ("Hostname", "node3.example.net") in mail.wanted_directives(
        Host(str(tmpdir)), SETTINGS, None
    )


@pytest.mark.parametrize(
    "known,own,sender,name",
    [
        ("mx.example.net", "dom0.example.org", "a@example.com", "mx.example.net"),
        ("mx", "dom0.example.org", "a@example.com", "dom0.example.org"),
        (None, "dom0.example.org.", "a@example.com", "dom0.example.org"),
        (None, "dom0", "a@example.com", "dom0.example.com"),
        ("localhost.localdomain", "localhost.localdomain", "a@example.com", "dom0.example.com"),
        (None, "localhost", "a@example.com", "dom0.example.com"),
        (None, "DOM0.Example.COM", "a@example.com", "DOM0.Example.COM"),
        ("Localhost.LocalDomain", "h", "a@example.com", "h.example.com"),
        (None, "xcp.localdomain", "a@example.com", "xcp.example.com"),
        (None, "my_host", "a@example.com", "my-host.example.com"),
        ("my_host.example.com", "d", "a@example.com", "d.example.com"),
        (None, "-_-", "a@example.com", "dom0.example.com"),
        ("10.0.0.1", "10.0.0.2", "a@example.com", "10.example.com"),
        ("a b.example.com", "dom0", "a@example.com", "dom0.example.com"),
        ("dom0.example.com:25", "h", "a@example.com", "h.example.com"),
        (None, "h" * 60, "a@example.com", "h" * 51 + ".example.com"),
        (None, "h" * 50 + "-" * 9 + "i", "a@example.com", "h" * 50 + ".example.com"),
        ("n" * 60 + ".com", "dom0", "a@example.com", "dom0.example.com"),
        (None, "dom0", "a@" + "d" * 61 + ".com", None),
        (None, "dom0", "a@" + "d" * 58 + ".com", None),
        (None, "dom0", "a@" + "d" * 57 + ".com", "d." + "d" * 57 + ".com"),
        (None, "dom0", "a@localhost", None),
        ("old", "dom0", "a@localhost", "old"),
        (None, "dom0", "a@10.0.0.1", None),
        (None, "dom0", "a@example..com", None),
    ],
)
def test_names_to_greet_with(known, own, sender, name):
    assert mail.greeting_name(known, own, sender) == name


def test_aliases_keep_other_accounts():
    text = "# sSMTP aliases\nroot:old@example.com:mail\nwww:web@example.com:mail:25"
    once = mail.with_alias(text, "root", "dom0@example.com", "smtp.example.com:587")
    assert (
        once
        == "# sSMTP aliases\nwww:web@example.com:mail:25\nroot:dom0@example.com:smtp.example.com:587\n"  # noqa: E501
    )
    assert mail.with_alias(once, "root", "dom0@example.com", "smtp.example.com:587") == once


@pytest.mark.parametrize("password", ["se'cr\"et", "a\\b$c%d:e", "x" * 200, "p\xc3\xa4ss"])
def test_passwords_that_pass(password):
    assert mail.carried_password(password) == (password, [])


def test_app_password_loses_its_typography_and_equals_sign_warns():
    assert mail.carried_password("abcd efgh ijkl mnop")[0] == "abcdefghijklmnop"
    assert "test_alert" in mail.carried_password("a=b")[1][0]


@pytest.mark.parametrize(
    "password,reason",
    [
        ("", "empty"),
        ("a#secret", "#"),
        ("a secret", "blank"),
        ("a\tsecret", "blank"),
        ("secret\nroot=x", "line break"),
        ("sec\x00ret", "control"),
    ],
)
def test_passwords_that_ssmtp_cannot_carry(password, reason):
    with pytest.raises(BadArgument) as caught:
        mail.carried_password(password)
    assert caught.value.parameters[0] == "smtp_password_secret"
    assert reason in caught.value.sentence
    assert "secret" not in caught.value.sentence.replace("smtp_password_secret", "").replace(
        "the secret", ""
    )


def ssmtp(folder, script):
    """Return a host whose sendmail says what ssmtp 2.64 said in trials (-v -t)."""
    tool = folder.join("sendmail")
    tool.write("#!/bin/sh\ncat >/dev/null\n" + script)
    tool.chmod(0o755)
    return Host("/", str(folder) + ":/usr/bin:/bin")


@pytest.mark.parametrize(
    "script,accepted,response,advice",
    [
        (
            "printf '[->] DATA\\n[<-] 354 go\\n[->] .\\n[<-] 250 2.0.0 OK: queued as ABC\\n[->] "
            "QUIT\\n[<-] 221 bye\\n' >&2",
            True,
            "250 2.0.0 OK: queued as ABC",
            "",
        ),
        (
            "echo '[<-] 535 5.7.8 no' >&2; echo 'sendmail: Authorization failed (535 5.7.8 no)' "
            ">&2; exit 1",
            False,
            "Authorization failed (535 5.7.8 no)",
            "app password",
        ),
        (
            "echo 'sendmail: RCPT TO:<a@b> (550 5.7.1 relaying denied)' >&2; exit 1",
            False,
            "RCPT TO:<a@b> (550 5.7.1 relaying denied)",
            "relay",
        ),
        (
            "echo 'sendmail: 530 5.7.0 Must issue a STARTTLS command first' >&2; exit 1",
            False,
            "530 5.7.0 Must issue a STARTTLS command first",
            "smtp_security=starttls",
        ),
        (
            "echo 'sendmail: RCPT TO:<a@b> (550 5.1.1 no such user)' >&2; exit 1",
            False,
            "RCPT TO:<a@b> (550 5.1.1 no such user)",
            "mail_to",
        ),
        ("echo 'sendmail: 554 5.7.1 no spam' >&2; exit 1", False, "554 5.7.1 no spam", "operator"),
        ("echo 'sendmail: 451 4.7.1 later' >&2; exit 1", False, "451 4.7.1 later", "tried again"),
        ("sleep 30", False, "no answer within 1 s", "said nothing"),
        ("exit 1", False, "sendmail ended with 1", "ended before"),
        ("echo 'sendmail: ' >&2; exit 1", False, "sendmail ended with 1", "ended before"),
    ],
)
def test_what_became_of_a_message(tmpdir, script, accepted, response, advice):
    answer = mail.send(ssmtp(tmpdir, script), "To: a@b\n\nhi\n", 1 if "sleep" in script else 20)
    assert (answer.accepted, answer.response) == (accepted, response)
    assert advice in answer.advice


def test_a_message_is_right_whatever_the_host_is_called():
    text = mail.compose(
        "dom0@example.com",
        ["a@example.com", "b@example.com"],
        "Test alert: md0 on Z\xc3\xbcrich" if str is bytes else "Test alert: md0 on Z\xfcrich",
        "body\n",
        0,
        "7",
        None,
    )
    message = email.message_from_string(text)
    ((subject, charset),) = email.header.decode_header(message["Subject"])
    assert subject.decode(charset).encode("utf-8") == b"Test alert: md0 on Z\xc3\xbcrich"
    assert message["To"] == "a@example.com, b@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_payload() == "body\n"
    assert message["Message-ID"].endswith("@example.com>")
    assert message["Date"]


def test_recipients_go_to_sendmail_one_by_one_or_as_the_headers_say(tmpdir):
    host = ssmtp(tmpdir, "printf '[<-] 250 '; printf '<%s>' \"$@\"")
    assert (
        mail.send(host, "To: a@b, c@d\n\nhi\n", 20, ["c@d", "e-@f"]).response
        == "250 <-v><c@d><e-@f>"
    )
    assert mail.send(host, "To: a@b, c@d\n\nhi\n", 20).response == "250 <-v><-t>"


# The formatter would take from these what makes them Unicode on Python 2.
WORDS = [u"x", u"\xfc", u"\u20ac", u"\U0001f4be", u"a \xfc", u"md0[1] "]  # fmt: skip
CJK = u"\u65e5\u672c\u8a9e"  # fmt: skip
SUBJECTS = [u"[xsraid] Z\xfcrich " * 12, u"a" + CJK * 90, u"\U0001f600 disk" * 20]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("more", range(8))
def test_no_line_of_a_body_is_longer_than_servers_take(word, more):
    """Such as that of an SR with a long name, or of /proc/mdstat with a hundred members."""
    line = word[:0] + "x" * more + word * 1500
    body = line if str is not bytes else line.encode("utf-8")
    text = mail.compose(
        "dom0@example.com", ["a@example.com"], "s", "one\n\n" + body + "\n.\n", 0, "7", None
    )
    sent = text if isinstance(text, bytes) else text.encode("utf-8")
    lines = sent.split(b"\n\n", 1)[1].split(b"\n")
    assert max(len(one) for one in lines) <= 990
    assert [one.decode("utf-8") for one in lines]
    assert lines[0] == b"one"
    assert b"".join(lines[2:-2]).decode("utf-8") == line
    assert lines[-2:] == [b".", b""]


@pytest.mark.parametrize(
    "recipients",
    [
        [],
        ["-t"],
        ["a@b", "-Cx@y"],
        ["a@b,c@d"],
        ["a@b c@d"],
        ["a@b\n"],
        ["a@b\tc"],
        ["a\x00@b"],
        ["a@b\x7f"],
        [""],
        [" a@b"],
    ],
)
def test_what_is_no_recipient_never_reaches_sendmail(tmpdir, recipients):
    host = ssmtp(tmpdir, "touch %s" % tmpdir.join("ran"))
    with pytest.raises(ValueError):
        mail.send(host, "To: a@b\n\nhi\n", 20, recipients)
    assert not tmpdir.join("ran").check()


def header_lines(text):
    return text.split("\n\n")[0].split("\n")


def subject_of(text):
    ((subject, charset),) = email.header.decode_header(
        email.message_from_string(text)["Subject"].replace("\n", "")
    )
    return subject.decode(charset) if charset else subject


def test_headers_are_folded():
    many = ["recipient-%02d-of-forty@mail.example.com" % number for number in range(40)]
    text = mail.compose("dom0@example.com", many, "word " * 60, "body\n", 0, "7", "1:2")
    message = email.message_from_string(text)
    assert max(len(line) for line in header_lines(text)) <= 78
    assert [address for _, address in email.utils.getaddresses(message.get_all("To"))] == many
    assert message["Cc"] is None
    assert message["Subject"].replace("\n", "") == ("word " * 60).strip()
    assert message["References"] == "<xsraid.12@example.com>"


@pytest.mark.parametrize(
    "subject", SUBJECTS + ["=?utf-8?q?no_encoded_word?=", "x" * 68, "x" * 1200]
)
def test_subjects_that_are_encoded(subject):
    text = mail.compose(
        "dom0@example.com",
        ["a@example.com"],
        subject.encode("utf-8") if str is bytes else subject,
        "body\n",
        0,
        "7",
        None,
    )
    assert max(len(line) for line in header_lines(text)) <= 76
    assert subject_of(text) == subject.strip()
    words = email.message_from_string(text)["Subject"].split()
    # No character is parted.
    parts = [email.header.decode_header(word)[0][0].decode("utf-8") for word in words]
    assert "".join(parts) == subject.strip()


def test_no_line_of_a_header_is_only_blank_and_what_cannot_be_folded_stays_whole():
    long = "l" * 200 + "@example.com"
    text = mail.compose(
        long, [long, "b@example.com"], "  a" + " " * 100 + "b" * 67, "body\n", 0, "7", None
    )
    assert header_lines(text)[:5] == [
        "From: " + long,
        "To: %s," % long,
        " b@example.com",
        "Subject: a",
        " " + "b" * 67,
    ]


def test_a_sender_with_a_name_makes_no_odd_message_id():
    message = email.message_from_string(
        mail.compose("dom0 <dom0@example.com>", ["a@example.com"], "hi", "body\n", 0, "7", None)
    )
    assert (message["From"], message["Message-ID"]) == (
        "dom0 <dom0@example.com>",
        "<xsraid.7@example.com>",
    )


def test_more_recipients_than_a_header_of_ssmtp_holds_are_in_two():
    many = ["recipient-%03d-%s@example.com" % (number, "x" * 30) for number in range(60)]
    message = email.message_from_string(
        mail.compose("dom0@example.com", many, "hi", "body\n", 0, "7", None)
    )
    to, cc = message["To"], message["Cc"]
    assert [address for _, address in email.utils.getaddresses([to, cc])] == many
    assert 1800 < len(to.replace("\n", "\r\n")) < 2040
    assert len(cc.replace("\n", "\r\n")) < 2040


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\x00\n", "\n\t\n"])
@pytest.mark.parametrize("more", ["", "\xc3\xa4"])
def test_no_value_carries_another_header(place, end, more):
    values = ["dom0@example.com", "a@example.com", "subject", "7", "1:2"]
    values[place] += more + end + "Bcc: x@example.com" + end + "body"
    message = email.message_from_string(
        mail.compose(values[0], [values[1]], values[2], "body\n", 0, values[3], values[4])
    )
    assert message.keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "References",
    ]
    assert message.get_payload() == "body\n"
    assert "\n" not in subject_of(message.as_string())


PASSWORD, USER, RCPT = (
    "Authorization failed (%s)",
    "Server didn't like our AUTH LOGIN (%s)",
    "RCPT TO:<admin@example.com> (%s)",
)
# Provider, the last line of its answer, at what ssmtp got it, verdict, what is distinctive of the
# advice.
ANSWERS = [
    (
        "Gmail",
        "535 5.7.8  https://support.google.com/mail/?p=BadCredentials 37sm10841002wrc.96 - gsmtp",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Gmail",
        "535-5.7.8 Username and Password not accepted. Learn more at",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Gmail",
        "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor 5sm1.9 - gsmtp",
        PASSWORD,
        mail.LOGIN,
        "security settings",
    ),
    (
        "Gmail",
        "534-5.7.9 Application-specific password required. Learn more at",
        PASSWORD,
        mail.LOGIN,
        "security settings",
    ),
    (
        "Gmail",
        "534 5.7.14  https://support.google.com/mail/answer/78754 q3sm2236.41 - gsmtp",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Gmail",
        "454 4.7.0 Too many login attempts, please try again later. b23sm1.2 - gsmtp",
        PASSWORD,
        mail.LOGIN,
        "seldom",
    ),
    (
        "Gmail",
        "454 4.7.0 Cannot authenticate due to temporary system problem. Try again later. - gsmtp",
        PASSWORD,
        mail.LATER,
        "for now",
    ),
    (
        "Gmail",
        "530 5.7.0 Must issue a STARTTLS command first. b23sm1.2 - gsmtp",
        "%s",
        mail.LOGIN,
        "smtp_security=starttls",
    ),
    ("Gmail", "530-5.7.0 Authentication Required. Learn more at", "%s", mail.LOGIN, "smtp_user"),
    (
        "Gmail",
        "421 4.7.0 Try again later, closing connection. (EHLO) b23sm1.2 - gsmtp",
        "%s (dom0)",
        mail.LATER,
        "Hostname",
    ),
    (
        "Gmail",
        "421 4.7.0 Try again later, closing connection. b23sm1.2 - gsmtp",
        "%s",
        mail.LATER,
        "for now",
    ),
    (
        "Gmail",
        "550 5.7.26  https://support.google.com/mail/answer/81126#authentication b2si1.2 - gsmtp",
        "%s",
        mail.REFUSED,
        "SPF",
    ),
    (
        "Gmail",
        "421-4.7.26 This mail has been rate limited because it is unauthenticated.",
        "%s",
        mail.LATER,
        "SPF",
    ),
    (
        "Gmail",
        "550-5.7.26 This mail is unauthenticated, which poses a security risk",
        "%s",
        mail.REFUSED,
        "SPF",
    ),
    (
        "Gmail",
        "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser b2si1.2 - gsmtp",
        RCPT,
        mail.REFUSED,
        "mail_to",
    ),
    (
        "Gmail",
        "452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp b2si1.2 - gsmtp",
        RCPT,
        mail.LATER,
        "full",
    ),
    (
        "Gmail",
        "552 5.2.2  https://support.google.com/mail/?p=OverQuotaPerm b2si1.2 - gsmtp",
        RCPT,
        mail.LATER,
        "full",
    ),
    (
        "Gmail",
        "550 5.4.5  https://support.google.com/a/answer/166852 b23sm1.2 - gsmtp",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Gmail",
        "550 5.7.1  relay. For more information, visit "
        "https://support.google.com/a/answer/6140680 - gsmtp",
        RCPT,
        mail.REFUSED,
        "relay",
    ),
    (
        "Gmail",
        "552 5.3.4 Your message exceeded Google's message size limits. - gsmtp",
        "%s",
        mail.REFUSED,
        "operator",
    ),
    (
        "Microsoft 365",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the "
        "Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. "
        "[FR0P281CA0001.DEUP281.PROD.OUTLOOK.COM]",
        PASSWORD,
        mail.LOGIN,
        "Authenticated SMTP",
    ),
    (
        "Microsoft 365",
        "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security "
        "defaults policy.",
        PASSWORD,
        mail.LOGIN,
        "Authenticated SMTP",
    ),
    (
        "Microsoft 365",
        "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Microsoft 365",
        "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be "
        "authenticated successfully.",
        PASSWORD,
        mail.LOGIN,
        "Authenticated SMTP",
    ),
    (
        "Microsoft 365",
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
        PASSWORD,
        mail.LOGIN,
        "takes a password",
    ),
    (
        "Microsoft 365",
        "535 5.7.3 Authentication unsuccessful [AM0PR02CA0001]",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Microsoft 365",
        "530 5.7.57 Client not authenticated to send mail. [AM0PR02CA0001]",
        "%s",
        mail.LOGIN,
        "wants a login",
    ),
    (
        "Microsoft 365",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        "%s",
        mail.REFUSED,
        "as mail_from",
    ),
    (
        "Microsoft 365",
        "554 5.2.252 SendAsDenied; alerts@example.com not allowed to send as other@example.com",
        "%s",
        mail.REFUSED,
        "as mail_from",
    ),
    (
        "Microsoft 365",
        "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; "
        "Failed to process message",
        "%s",
        mail.REFUSED,
        "as mail_from",
    ),
    (
        "Microsoft 365",
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Microsoft 365",
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to "
        "process message",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Microsoft 365",
        "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for "
        "sending",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Microsoft 365",
        "550 5.7.1 Unfortunately, messages from [203.0.113.7] weren't sent. Part of their network "
        "is on our block list (S3140).",
        "%s",
        mail.LATER,
        "network address",
    ),
    (
        "Microsoft 365",
        "550 5.7.3 Requested action aborted; user not authenticated",
        "%s",
        mail.LOGIN,
        "wants a login",
    ),
    (
        "Microsoft 365",
        "550 5.1.90 Your message can't be sent because you've reached your daily limit for message "
        "recipients",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Microsoft 365",
        "451 4.7.500 Server busy. Please try again later from [203.0.113.7]. (AS77713200)",
        RCPT,
        mail.LATER,
        "for now",
    ),
    (
        "Microsoft 365",
        "550 5.7.606 Access denied, banned sending IP [203.0.113.7].",
        RCPT,
        mail.LATER,
        "network address",
    ),
    (
        "Microsoft 365",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        RCPT,
        mail.REFUSED,
        "relay",
    ),
    ("Exchange", "530 5.7.1 Client was not authenticated", "%s", mail.LOGIN, "wants a login"),
    ("Exchange", "550 5.7.1 Unable to relay", RCPT, mail.REFUSED, "relay"),
    (
        "Exchange",
        "550 5.7.1 Client does not have permissions to send as this sender",
        "%s",
        mail.REFUSED,
        "as mail_from",
    ),
    (
        "Exchange",
        "504 5.7.4 Unrecognized authentication type",
        USER,
        mail.LOGIN,
        "no login this way",
    ),
    (
        "Exchange",
        "504 5.7.4 Unrecognized authentication type",
        "Server rejected AUTH CRAM-MD5 (%s)",
        mail.LOGIN,
        "no login this way",
    ),
    (
        "Exchange",
        "451 5.7.3 STARTTLS is required to send mail",
        "%s",
        mail.LATER,
        "smtp_security=starttls",
    ),
    ("Exchange", "501 5.5.4 Invalid domain name", "%s (dom_0)", mail.LATER, "Hostname"),
    ("Exchange", "452 4.3.1 Insufficient system resources", "%s", mail.LATER, "for now"),
    (
        "Postfix",
        "504 5.5.2 <dom0>: Helo command rejected: need fully-qualified hostname",
        "%s (dom0)",
        mail.LATER,
        "Hostname",
    ),
    (
        "Postfix",
        "504 5.5.2 <dom0>: Helo command rejected: need fully-qualified hostname",
        RCPT,
        mail.LATER,
        "Hostname",
    ),
    (
        "Postfix",
        "450 4.7.1 <dom0.example.com>: Helo command rejected: Host not found",
        RCPT,
        mail.LATER,
        "Hostname",
    ),
    ("Postfix", "554 5.7.1 <admin@example.com>: Relay access denied", RCPT, mail.REFUSED, "relay"),
    (
        "Postfix",
        "553 5.7.1 <a@example.com>: Sender address rejected: not owned by user alerts@example.com",
        RCPT,
        mail.REFUSED,
        "as mail_from",
    ),
    (
        "Postfix",
        "553 5.7.1 <a@example.com>: Sender address rejected: not logged in",
        RCPT,
        mail.LOGIN,
        "wants a login",
    ),
    (
        "Postfix",
        "450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found",
        RCPT,
        mail.LATER,
        "no domain of mail_from",
    ),
    (
        "Postfix",
        "550 5.1.1 <admin@example.com>: Recipient address rejected: User unknown in local "
        "recipient table",
        RCPT,
        mail.REFUSED,
        "mail_to",
    ),
    (
        "Postfix",
        "554 5.7.1 <admin@example.com>: Recipient address rejected: Access denied",
        RCPT,
        mail.REFUSED,
        "refuses an address",
    ),
    (
        "Postfix",
        "554 5.7.1 <admin@example.com>: Recipient address rejected: Message rejected due to: SPF "
        "fail - not authorized",
        RCPT,
        mail.REFUSED,
        "SPF",
    ),
    (
        "Postfix",
        "450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.7]",
        RCPT,
        mail.LATER,
        "network address",
    ),
    (
        "Postfix",
        "450 4.2.0 <admin@example.com>: Recipient address rejected: Greylisted, see "
        "http://postgrey.schweikert.ch/help/example.com.html",
        RCPT,
        mail.LATER,
        "greylisting",
    ),
    ("Postfix", "452 4.3.1 Insufficient system storage", "%s", mail.LATER, "for now"),
    ("Postfix", "552 5.3.4 Error: message file too big", "%s", mail.REFUSED, "operator"),
    ("Postfix", "552 5.3.4 Message size exceeds fixed limit", "%s", mail.REFUSED, "operator"),
    (
        "Postfix",
        "503 5.5.1 Error: authentication not enabled",
        USER,
        mail.LOGIN,
        "no login this way",
    ),
    (
        "Postfix",
        "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    (
        "Postfix",
        "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
        PASSWORD,
        mail.LATER,
        "for now",
    ),
    (
        "Postfix",
        "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
        USER,
        mail.LATER,
        "for now",
    ),
    (
        "Postfix",
        "538 5.7.11 Encryption required for requested authentication mechanism",
        USER,
        mail.LOGIN,
        "no login this way",
    ),
    (
        "Postfix",
        "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org",
        RCPT,
        mail.LATER,
        "network address",
    ),
    (
        "Dovecot",
        "552 5.2.2 <admin@example.com> Quota exceeded (mailbox for user is full)",
        "%s",
        mail.LATER,
        "full",
    ),
    ("Dovecot", "552 5.2.2 <admin@example.com> Quota exceeded", "%s", mail.LATER, "full"),
    ("Exim", "550 203.0.113.7 is listed in dnsbl.example.com", RCPT, mail.LATER, "network address"),
    ("Exim", "552 Mailbox size limit exceeded", RCPT, mail.LATER, "full"),
    ("Exim", "550 Mailbox is full", RCPT, mail.LATER, "full"),
    ("Exim", "550 relay not permitted", RCPT, mail.REFUSED, "relay"),
    ("Exim", "550 relay not permitted, authentication required", RCPT, mail.REFUSED, "relay"),
    ("Exim", "550 authentication required", RCPT, mail.LOGIN, "wants a login"),
    ("Exim", "535 Incorrect authentication data", PASSWORD, mail.LOGIN, "user or password"),
    ("Exim", "503 AUTH command used when not advertised", USER, mail.LOGIN, "no login this way"),
    ("Exim", "550 Unrouteable address", RCPT, mail.REFUSED, "mail_to"),
    ("Exim", "501 Syntactically invalid HELO argument(s)", "%s (dom_0)", mail.LATER, "Hostname"),
    (
        "Exim",
        "550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)",
        RCPT,
        mail.LATER,
        "Hostname",
    ),
    ("Exim", "550 Mailbox quota exceeded / Mailbox voll.", RCPT, mail.LATER, "full"),
    ("Exim", "451 Temporary local problem - please try later", RCPT, mail.LATER, "for now"),
    ("Exim", "550 Administrative prohibition", "%s", mail.REFUSED, "refuses an address"),
    ("Sendmail", "550 5.7.1 <admin@example.com>... Relaying denied", RCPT, mail.REFUSED, "relay"),
    (
        "Sendmail",
        "553 5.1.8 <a@nowhere.example>... Domain of sender address a@nowhere.example does not "
        "exist",
        "%s",
        mail.REFUSED,
        "no domain of mail_from",
    ),
    (
        "Sendmail",
        "451 4.1.8 Domain of sender address a@nowhere.example does not resolve",
        "%s",
        mail.LATER,
        "no domain of mail_from",
    ),
    (
        "Sendmail",
        "550 5.7.1 Rejected: 203.0.113.7 listed at zen.spamhaus.org",
        RCPT,
        mail.LATER,
        "network address",
    ),
    ("Sendmail", "550 5.7.1 rejected by DMARC policy for example.com", "%s", mail.REFUSED, "SPF"),
    ("Sendmail", "501 5.0.0 Invalid domain name", "%s (dom_0)", mail.LATER, "Hostname"),
    (
        "Sendmail",
        "451 4.7.1 Greylisting in action, please come back in 00:04:59",
        RCPT,
        mail.LATER,
        "greylisting",
    ),
    (
        "Amazon SES",
        "535 Authentication Credentials Invalid",
        PASSWORD,
        mail.LOGIN,
        "user or password",
    ),
    ("Amazon SES", "530 Authentication required", "%s", mail.LOGIN, "wants a login"),
    (
        "Amazon SES",
        "554 Message rejected: Email address is not verified. The following identities failed the "
        "check in region EU-WEST-1: a@b.c",
        "%s",
        mail.REFUSED,
        "verified",
    ),
    (
        "Amazon SES",
        "454 Throttling failure: Maximum sending rate exceeded.",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    (
        "Amazon SES",
        "454 Throttling failure: Daily message quota exceeded.",
        "%s",
        mail.LATER,
        "no more mails",
    ),
    ("Amazon SES", "451 Temporary service failure", "%s", mail.LATER, "for now"),
    (
        "Fastmail",
        "535 5.7.1 Sorry, you need to create an app password to use this service",
        PASSWORD,
        mail.LOGIN,
        "security settings",
    ),
    ("GMX", "554 Bad DNS PTR resource record.", "%s", mail.LATER, "network address"),
    ("GMX", "550 Sender address is not allowed.", "%s", mail.REFUSED, "as mail_from"),
    ("Yahoo", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", PASSWORD, mail.LOGIN, "seldom"),
    (
        "Hetzner",
        "550 5.7.25 [203.0.113.7] has no reverse name",
        RCPT,
        mail.LATER,
        "network address",
    ),
    (
        "Domino",
        "550 admin@example.com... User not listed in Domino Directory",
        RCPT,
        mail.REFUSED,
        "mail_to",
    ),
    ("any", "530 5.7.0 Say who you are", "%s", mail.LOGIN, "wants a login"),
    ("any", "554 5.7.3 STARTTLS is required", "%s", mail.LOGIN, "smtp_security=starttls"),
    ("any", "554 user is over quota", RCPT, mail.LATER, "full"),
    ("any", "550 5.7.1 Greylisted for five minutes", RCPT, mail.LATER, "greylisting"),
    ("any", "550 5.7.1 temporarily rejected, try again later", "%s", mail.LATER, "for now"),
    (
        "any",
        "550 5.7.1 a <helo@greylist.example> is not for us (451 4.2.2)",
        RCPT,
        mail.REFUSED,
        "mail_to",
    ),
]


@pytest.mark.parametrize("provider,words,got_at,meaning,advice", ANSWERS)
def test_what_servers_answer(tmpdir, provider, words, got_at, meaning, advice):
    tmpdir.join("said").write("sendmail: " + got_at % words + "\n")
    answer = mail.send(
        ssmtp(tmpdir, "cat %s >&2; exit 1" % tmpdir.join("said")), "To: a@b\n\nhi\n", 20
    )
    assert (mail.verdict(answer), answer.response) == (meaning, got_at % words)
    assert advice in answer.advice
    assert mail.is_about_this_mail(answer) is (meaning == mail.REFUSED)


@pytest.mark.parametrize(
    "response,meaning",
    [
        ("Cannot open smtp.example.com:587", mail.LATER),
        ("Cannot open 550.example.com:587", mail.LATER),
        ("no answer within 500 s", mail.LATER),
        ("sendmail ended with 1", mail.LATER),
        ("Invalid response SMTP server", mail.LATER),
        ("RCPT TO:<a@b> ()", mail.LATER),
        ("Connection lost in middle of processing", mail.LATER),
        ("Server didn't like our AUTH LOGIN ()", mail.LATER),
        ("Authorization failed ()", mail.LOGIN),
        ("RCPT TO:<535-550@b> (450 4.2.0 later)", mail.LATER),
        ("RCPT TO:<450@b> (550 5.1.1 no)", mail.REFUSED),
        ("RCPT TO:<relay@b> (554 5.6.0 no)", mail.REFUSED),
        ("451 4.3.0 a server behind said (535 5.7.8 no)", mail.LATER),
        ("5500 is no code", mail.LATER),
        ("250 2.0.0 taken", mail.LATER),
        ("", mail.LATER),
    ],
)
def test_what_is_not_clear_is_tried_again(response, meaning):
    assert mail.verdict(mail.Answer(False, response, "")) == meaning


def test_what_is_accepted_is_whatever_it_says():
    assert mail.verdict(mail.Answer(True, "550 odd", "")) == mail.ACCEPTED
    assert not mail.is_about_this_mail(mail.Answer(True, "550 odd", ""))


@pytest.mark.parametrize(
    "response,is_so",
    [
        ("RCPT TO:<a@b> (550 5.1.1 no such user)", True),
        ("554 5.7.1 no spam", True),
        ("451 4.7.1 later", False),
        ("Authorization failed (535 5.7.8 no)", False),
        ("530 5.7.0 authenticate", False),
        ("Cannot open smtp.example.com:587", False),
        ("no answer within 30 s", False),
    ],
)
def test_whether_another_mail_may_fare_better(response, is_so):
    assert mail.is_about_this_mail(mail.Answer(False, response, "")) is is_so


class Speaker(object):
    """A mail server on this machine that says a line for each one it hears, then starts TLS with a
    certificate that nobody knows, or ends.
    """

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
                context = ssl.SSLContext(
                    ssl.PROTOCOL_TLS_SERVER
                    if hasattr(ssl, "PROTOCOL_TLS_SERVER")
                    else ssl.PROTOCOL_SSLv23
                )
                context.load_cert_chain(CERTIFICATE)
                context.wrap_socket(connection, server_side=True)
        except EnvironmentError:
            pass  # it went away, as it does from a certificate that it does not know
        finally:
            connection.close()
            self.listener.close()


@pytest.mark.parametrize(
    "security,lines,starts_tls,advice",
    [
        ("starttls", ["220 hi", "250 hi", "220 go"], True, "certificate is not trusted"),
        ("tls", [], True, "certificate is not trusted"),
        ("tls", ["220 hi"], False, "TLS fails"),
        ("starttls", ["220 hi", "250 hi", "502 what?"], False, "offers no STARTTLS"),
        ("none", ["554 not you"], False, "operator"),
        ("none", [], False, "not speak as expected"),
        ("none", ["220 hi"], False, "next try"),
    ],
)
def test_why_there_is_no_connection(security, lines, starts_tls, advice):
    speaker = Speaker(lines, starts_tls)
    assert advice in mail.why_no_connection(
        dict(SECURITY[security], mailhub="127.0.0.1:%d" % speaker.port)
    )
    speaker.thread.join()


def test_no_connection_for_want_of_a_name_or_a_listener():
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    assert "Nobody answers at port %d" % closed.getsockname()[1] in mail.why_no_connection(
        {"mailhub": "127.0.0.1:%d" % closed.getsockname()[1]}
    )
    closed.close()
    assert "smtp.invalid cannot be resolved" in mail.why_no_connection(
        {"mailhub": "smtp.invalid:25"}
    )

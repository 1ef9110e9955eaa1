"""ssmtp: its two files in /etc/ssmtp, and handing one message over and learning what became of it.

Facts about ssmtp 2.64 (ssmtp.conf(5) and trials): a `#` ends a value wherever it stands, so do blanks and, but for CentOS's build, `=`; it has no
queue; with -v it prints the dialogue with the server, the password left out.
"""

from __future__ import absolute_import

import collections
import email.header
import email.utils
import re

from xsraid.commands import run
from xsraid.errors import BadArgument, CommandFailed, Timeout
from xsraid.text import native, to_bytes

CONFIGURATION = "/etc/ssmtp/ssmtp.conf"
REVALIASES = "/etc/ssmtp/revaliases"
CA_BUNDLES = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt")  # CentOS, Debian
YES_NO = {"starttls": ("YES", "YES"), "tls": ("YES", None), "none": (None, None)}  # smtp_security: UseTLS, UseSTARTTLS
APP_PASSWORD = r"[a-z]{4}( [a-z]{4}){3}\Z"
UNCARRIED = (
    (r"[\r\n]", "a line break"), (r"#", "a #, where ssmtp takes the rest for a comment"), (r"[ \t]", "a blank, where ssmtp ends the password"),
    (r"[\x00-\x1f\x7f]", "a control character"))
Answer = collections.namedtuple("Answer", "accepted response advice")


def directives(text):
    """Return {lower case key: value} of an ssmtp.conf."""
    found = {}
    for line in text.splitlines():
        key, value = _directive(line)
        if key:
            found[key] = value
    return found


def with_directives(text, wanted):
    """Return an ssmtp.conf's text in which each key of `wanted` [(key, value)] stands once with its value, or not at all where that is None.

    Comments, foreign keys and the order of lines stay.
    """
    lines = text.splitlines(True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key, value in wanted:
        places = [at for at, line in enumerate(lines) if _directive(line)[0] == key.lower()]
        if value is not None and not places:
            lines.append("%s=%s\n" % (key, value))
        elif value is not None and _directive(lines[places[0]])[1] != value:
            lines[places[0]] = "%s=%s\n" % (key, value)
        for at in reversed(places if value is None else places[1:]):
            del lines[at]
    return "".join(lines)


def with_alias(text, account, address, mailhub):
    """Return a revaliases' text in which mail of a local account leaves under `address` through `mailhub` (host:port)."""
    lines = [line for line in text.splitlines(True) if line.split(":")[0].strip() != account or line.startswith("#")]
    alias = "%s:%s:%s\n" % (account, address, mailhub)
    if alias in text.splitlines(True):
        return text
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + alias


def wanted_directives(host, settings, password):
    """Return [(key, value)] of ssmtp.conf for the settings of `alerts`; password: None for a server that asks for none."""
    use_tls, use_starttls = YES_NO[settings["smtp_security"]]
    bundle = next((path for path in CA_BUNDLES if host.read_if_there(path) is not None), None) if use_tls else None
    return [
        ("root", settings["mail_to"]), ("mailhub", "%s:%d" % (settings["smtp_host"], settings["smtp_port"])), ("FromLineOverride", "YES"),
        ("UseTLS", use_tls), ("UseSTARTTLS", use_starttls), ("TLS_CA_File", bundle),
        ("AuthUser", settings["smtp_user"]), ("AuthPass", password)]


def carried_password(password):
    """Return (password as ssmtp.conf can carry it, warnings). Raises BadArgument with the reason why it cannot; the password is in no error."""
    if re.match(APP_PASSWORD, password):
        password = password.replace(" ", "")
    if not password:
        raise BadArgument("smtp_password_secret", "the secret is empty")
    for pattern, what in UNCARRIED:
        if re.search(pattern, password):
            raise BadArgument("smtp_password_secret", "the password holds %s: ssmtp.conf cannot carry it; set another at the mail server" % what)
    return password, ["the password holds a =, which some builds of ssmtp cut off: let test_alert prove it"] if "=" in password else []


def compose(sender, recipients, subject, body, seconds, identity, thread):
    """Return a message, headers and body, as text.

    sender, recipients: addresses; subject: one line; body: lines, both in UTF-8 as they are; seconds: its date, since 1970; identity: of the
    alert, the same each time it is sent; thread: what mails that belong together share, or None.
    """
    domain = sender.split("@", 1)[-1]
    headers = [
        ("From", sender), ("To", ", ".join(recipients)), ("Subject", _header_text(subject)), ("Date", email.utils.formatdate(seconds)),
        ("Message-ID", "<xsraid.%s@%s>" % (identity, domain)),
        ("Auto-Submitted", "auto-generated"), ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit")]
    if thread:
        headers.append(("References", "<xsraid.%s@%s>" % (thread.replace(":", ""), domain)))
    return "".join("%s: %s\n" % header for header in headers) + "\n" + body


def send(host, message, timeout_s):
    """Hand one message (headers and body as text) over to /usr/sbin/sendmail and return its Answer."""
    try:
        result = run(host, ["sendmail", "-v", "-t"], timeout_s, message, accept=None)
    except Timeout:
        return Answer(False, "no answer within %g s" % timeout_s,
                      "The server took the connection and then said nothing: is it a mail server, and the port right for this smtp_security?")
    except CommandFailed as error:
        return Answer(False, error.sentence, "Install ssmtp with yum.")
    dialogue = (result.out + "\n" + result.err).splitlines()
    answers = [line[len("[<-] "):] for line in dialogue if line.startswith("[<-] ")]
    if result.status == 0:
        return Answer(True, _answer_to_message(dialogue) or (answers or ["accepted"])[-1], "")
    words = [line.split(": ", 1)[-1] for line in dialogue if line and not line.startswith("[")]
    response = words[-1] if words else "sendmail ended with %s" % result.status
    return Answer(False, response, _advice(response, bool(answers)))


def _header_text(text):
    """Return text as a header may carry it: encoded words (RFC 2047) where it is not plain ASCII."""
    if all(ord(character) < 128 for character in text):
        return text
    return native(email.header.Header(to_bytes(text).decode("utf-8", "replace"), "utf-8", maxlinelen=900).encode())


def _directive(line):
    """Return (lower case key, value) of a line, (None, None) for a comment or blank line."""
    words = re.split(r"[=\s]+", line.split("#", 1)[0].strip(), maxsplit=1)
    return (words[0].lower(), words[1] if len(words) > 1 else "") if words[0] else (None, None)


def _answer_to_message(dialogue):
    """Return what the server answered to the lone dot that ends a message."""
    for line, following in zip(dialogue, dialogue[1:]):
        if line == "[->] ." and following.startswith("[<-] "):
            return following[len("[<-] "):]
    return None


def _advice(response, server_spoke):
    code = re.search(r"\b([45]\d\d)\b", response)
    if "Authorization failed" in response or code and code.group(1) in ("534", "535"):
        return "The server refuses user or password: check smtp_user and the secret; with two-factor accounts it must be an app password."
    if "Cannot open" in response and server_spoke:
        return ("The server answers, but TLS fails: check smtp_security and the port (587 starttls, 465 tls, 25 none), "
                "and that this host trusts its certificate.")
    if "Cannot open" in response:
        return "Nobody answers there: check smtp_host, smtp_port, DNS and the firewall."
    if code and code.group(1) == "530":
        return "The server wants a login or TLS first: give smtp_user and smtp_password_secret, and smtp_security=starttls."
    if code and code.group(1)[0] == "4":
        return "The server refuses for now; try again later."
    if "RCPT" in response or code and code.group(1) in ("550", "553"):
        return "The server refuses an address: check mail_to and mail_from."
    return "This is the mail server's own answer: its operator can tell why."

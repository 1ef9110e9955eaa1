"""ssmtp: its two files in /etc/ssmtp, and handing one message over and learning what became of it.

Facts about ssmtp 2.64 (ssmtp.conf(5) and trials): a `#` ends a value wherever it stands, so do blanks and, but for CentOS's build, `=`; it has no
queue; with -v it prints the dialogue with the server, the password left out.
"""

from __future__ import absolute_import

import collections
import email.header
import email.utils
import re
import smtplib
import socket
import ssl

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
NO_CONNECTION = "Cannot open"  # ssmtp's words, whatever the reason
LOGIN = "AUTH LOGIN"  # ssmtp's words for a server that does not know this way, or none, to log in
LOOK_S = 5  # for each step of finding that out


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
    if NO_CONNECTION in response:
        return Answer(False, response, why_no_connection(directives(host.read_if_there(CONFIGURATION) or "")))
    return Answer(False, response, _advice(response))


def is_about_this_mail(answer):
    """Return whether a server that took no mail refused this one for good, so that another may fare better."""
    code = _code(answer.response)
    return code is not None and code[0] == "5" and code not in ("530", "534", "535") and LOGIN not in answer.response


def why_no_connection(known):
    """Return advice on why there is no connection to the mail server of these `directives`, found by trying: name, port, TLS, certificate."""
    server, _, port = known.get("mailhub", "").partition(":")
    port = int(port) if port.isdigit() else 25
    try:
        socket.getaddrinfo(server, port, 0, socket.SOCK_STREAM)
    except EnvironmentError as error:
        return "The name %s cannot be resolved (%s): check smtp_host and this host's DNS." % (server, error.args[-1])
    try:
        connection = socket.create_connection((server, port), LOOK_S)
    except socket.timeout:
        return "%s does not answer at port %d: check smtp_port and the firewalls between." % (server, port)
    except EnvironmentError as error:
        return "Nobody answers at port %d of %s (%s): check smtp_host and smtp_port." % (port, server, error.args[-1])
    try:
        return _why_no_tls(connection, server, known)
    finally:
        connection.close()


def _why_no_tls(connection, server, known):
    """Return advice on a server that takes connections."""
    wants_tls, starts_tls = [known.get(key, "").upper() == "YES" for key in ("usetls", "usestarttls")]
    ports = "587 goes with starttls, 465 with tls, 25 with none"
    try:
        if starts_tls or not wants_tls:
            speaker = smtplib.SMTP(local_hostname="localhost", timeout=LOOK_S)
            speaker.sock = connection
            code, words = speaker.getreply()
            if code != 220:
                return "The server greets with %d %s: its operator can tell why." % (code, native(words))
        if starts_tls:
            speaker.ehlo()
            code, words = speaker.docmd("STARTTLS")
            if code != 220:
                return "The server offers no STARTTLS (%d %s): check smtp_security and smtp_port (%s)." % (code, native(words), ports)
        if wants_tls and hasattr(ssl, "create_default_context"):  # 2.7.5 has it only as CentOS patches it
            ssl.create_default_context(cafile=known.get("tls_ca_file")).wrap_socket(connection, server_hostname=server).close()
    except ssl.SSLError as error:
        if "CERTIFICATE" in str(error).upper():
            return ("The server's certificate is not trusted (%s): smtp_host must be the name in it, and who signed it must be in %s."
                    % (error.args[-1], known.get("tls_ca_file") or "this host's bundle"))
        return "TLS fails (%s): check smtp_security and smtp_port (%s)." % (error.args[-1], ports)
    except (EnvironmentError, ValueError, smtplib.SMTPException) as error:
        return "The server takes the connection, but does not speak as expected (%s): check smtp_security and smtp_port (%s)." % (error, ports)
    return "The server answers by now: the next try may do."


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


def _code(response):
    """Return the server's three digits, None where it gave none."""
    if NO_CONNECTION in response:
        return None
    code = re.search(r"\b([45]\d\d)\b", response)
    return code.group(1) if code else None


def _advice(response):
    """Return what to do about a server that answered, but took no mail."""
    code = _code(response)
    if "Authorization failed" in response or code in ("534", "535"):
        return "The server refuses user or password: check smtp_user and the secret; with two-factor accounts it must be an app password."
    if LOGIN in response:
        return "The server takes no login this way: leave smtp_user and smtp_password_secret out, or give the smtp_port where it does (587, 465)."
    if code == "530":
        return "The server wants a login or TLS first: give smtp_user and smtp_password_secret, and smtp_security=starttls."
    if code is None:
        return "The connection ended before the server had taken the mail; it is tried again. Check smtp_port and smtp_security if that goes on."
    if code[0] == "4":
        return "The server refuses for now; it is tried again."
    if "RCPT" in response or code in ("550", "551", "553") or code == "554" and "elay" in response:
        return ("The server refuses an address or will not relay: check mail_to, let mail_from be an address of the server's, "
                "and give smtp_user and smtp_password_secret where it relays for its users only.")
    return "This is the mail server's own answer: its operator can tell why."

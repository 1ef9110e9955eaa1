"""A mail password on its way to a host: kept by XAPI as a secret, whose uuid is all that travels
with the call.
"""

from __future__ import absolute_import

import json

import XenAPI

from xsraid_cli.remote import passwords
from xsraid_cli.table import commands, parser

USER_SUFFIX = "user"
MADE_HERE = "xsraid"  # in a secret's other_config: made by this command, for settings
# The key of alert settings in other_config, as `alerts` of the plugin has it.
SETTINGS = "xsraid-alerts"


def password_of(argument, given, options):
    """Return the password behind a secret that this call needs, None if it needs none or brings the
    secret's uuid.
    """
    descriptor = vars(options).get(parser.password_option(argument)[0][0][2:].replace("-", "_"))
    if descriptor is not None:
        return passwords.from_descriptor(descriptor)
    user = given.get(commands.password_name(argument).replace("password", USER_SUFFIX))
    if argument.name in given or not user:
        return None
    return passwords.asked(
        "Password of %s at the mail server: " % user, parser.password_option(argument)[0][0]
    )


def with_secrets(pool, command, given, options, call):
    """Return call(arguments), with secrets made of the passwords that come with the options. A
    secret made here lives as long as settings name it.

    One that a refused call has not put into any settings goes, and so does one that the settings
    named before and name no more. A call whose outcome
    nobody knows, as that of a broken connection, keeps its secret: it may be in use.
    """
    wanted = [argument for argument in command.options if commands.is_secret(argument)]
    passwords_by_name = {
        argument.name: password_of(argument, given, options) for argument in wanted
    }
    secrets, made = pool.session.xenapi.secret, []
    before = _named(pool.session) if wanted else set()
    try:
        for name, password in passwords_by_name.items():
            if password:
                made.append(
                    secrets.create({"value": password, "other_config": {MADE_HERE: "true"}})
                )
                given = dict(given, **{name: secrets.get_uuid(made[-1])})
        reply = call(given)
    except XenAPI.Failure:
        named = _named(pool.session) if made else set()
        for secret in made:
            if secrets.get_uuid(secret) not in named:
                secrets.destroy(secret)
        raise
    for uuid in sorted(before - _named(pool.session)) if before else []:
        _destroy(secrets, uuid)
    return reply


def _named(session):
    """Return the uuids of the secrets that alert settings name, those of any host and of the
    pool.
    """
    records = list(session.xenapi.pool.get_all_records().values()) + list(
        session.xenapi.host.get_all_records().values()
    )
    found = set()
    for record in records:
        try:
            settings = json.loads(record["other_config"].get(SETTINGS, "{}"))
            found.update(
                value
                for name, value in settings.items()
                if name.endswith(commands.SECRET_SUFFIX) and value
            )
        except (AttributeError, ValueError):
            pass  # what somebody else has put there names none
    return found


def _destroy(secrets, uuid):
    """Destroy a secret, if it was made here and is still there."""
    try:
        secret = secrets.get_by_uuid(uuid)
        if MADE_HERE in secrets.get_other_config(secret):
            secrets.destroy(secret)
    except XenAPI.Failure as error:
        if error.details[0] not in ("UUID_INVALID", "HANDLE_INVALID"):
            raise

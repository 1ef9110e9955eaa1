"""A mail password on its way to a host: kept by XAPI as a secret, whose uuid is all that travels with the call."""

from __future__ import absolute_import

import XenAPI

from xsraid_cli import commands, parser, passwords

USER_SUFFIX = "user"


def password_of(argument, given, options):
    """Return the password behind a secret that this call needs, None where it needs none or brings the secret's uuid."""
    descriptor = vars(options).get(parser.password_option(argument)[0][0][2:].replace("-", "_"))
    if descriptor is not None:
        return passwords.from_descriptor(descriptor)
    user = given.get(commands.password_name(argument).replace("password", USER_SUFFIX))
    if argument.name in given or not user:
        return None
    return passwords.asked("Password of %s at the mail server: " % user, parser.password_option(argument)[0][0])


def with_secrets(pool, command, given, options, call):
    """Return call(arguments), with secrets made of the passwords that come with the options; what XAPI or the plugin refuses leaves none behind.

    A call whose outcome nobody knows, as that of a broken connection, keeps its secret: it may be in use.
    """
    made = []
    for argument in command.options:
        password = password_of(argument, given, options) if commands.is_secret(argument) else None
        if password:
            made.append(pool.session.xenapi.secret.create({"value": password, "other_config": {}}))
            given = dict(given, **{argument.name: pool.session.xenapi.secret.get_uuid(made[-1])})
    try:
        return call(given)
    except XenAPI.Failure:
        for secret in made:
            pool.session.xenapi.secret.destroy(secret)
        raise

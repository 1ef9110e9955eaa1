"""What several recipients of one alert have answered, each with a state of its own: one that
refuses keeps the alert from no other.

A channel's state of an alert holds `recipients`, {recipient: {"state", "response", "advice",
"time"}}; where all refuse, also `not_before` and `settings`: until then, or until the settings are
others, the alert is not tried again.
"""

from __future__ import absolute_import

import time

from xsraid.alerts import mail, spool

PAUSE_S = 3600  # before the next try after a refusal for good: that may be the settings' fault
DONE = (mail.ACCEPTED, mail.REFUSED)
# The worst first: that is what is told.
ORDER = (mail.LOGIN, mail.LATER, mail.REFUSED, mail.ACCEPTED)


def waiting(state, recipients):
    """Return those of the recipients that have not answered for good."""
    states = state.setdefault("recipients", {})
    return [
        recipient for recipient in recipients if states.get(recipient, {}).get("state") not in DONE
    ]


def note(state, recipient, verdict, response, advice):
    """Note what a recipient has answered. verdict: a word of ORDER."""
    state["recipients"][recipient] = {
        "state": verdict,
        "response": response,
        "advice": advice,
        "time": time.time(),
    }


def answer(state, recipients):
    """Return (the Answer that tells most of what all recipients have answered, their verdicts)."""
    states = [(recipient, state["recipients"][recipient]) for recipient in recipients]
    name, worst = min(states, key=lambda item: ORDER.index(item[1]["state"]))
    response = worst["response"] if len(states) == 1 else "%s: %s" % (name, worst["response"])
    return mail.Answer(worst["state"] == mail.ACCEPTED, response, worst["advice"]), [
        one["state"] for _, one in states
    ]


def sent(state, recipients, settings, is_outage):
    """Return the Sent of what all recipients have answered; where all refuse for good, pause.

    settings: what is other whenever those of the channel are; is_outage(Answer): whether one that
    is not taken is every alert's.
    """
    worst, verdicts = answer(state, recipients)
    if all(verdict in DONE for verdict in verdicts) and mail.ACCEPTED in verdicts:
        return spool.Sent("accepted", worst, False, False)
    if all(verdict == mail.REFUSED for verdict in verdicts):
        for recipient in recipients:
            state["recipients"][recipient]["state"] = mail.LATER
        state.update(not_before=time.time() + PAUSE_S, settings=settings)
    return spool.Sent("waiting", worst, mail.ACCEPTED not in verdicts and is_outage(worst), False)


def paused(state, settings):
    """Return the Sent of an alert that is not tried now, as all its recipients refused it lately
    with these settings; None for any other.
    """
    if (
        state.get("settings") == settings
        and 0 < state.get("not_before", 0) - time.time() <= PAUSE_S
    ):
        return spool.Sent(
            None, mail.Answer(False, state["response"], state["advice"]), False, False
        )
    return None

"""Asking all hosts of a pool at the same time. One that is slow or dead delays nobody; what it
failed with is its answer.

By threads, one for each host (a pool has 64 at most), each with a connection of its own in the
session of the one login. `tests/cli/bench_pool.py` compares that with tasks
(`Async.host.call_plugin`, `event.from`): where the slowest of 64 hosts takes 2 s, threads take 1.02
times as long as that one, tasks 1.10 times. A task needs three requests where a call needs one, to
start it, to hear of it and to take it away, and what is given up for its time stays in XAPI's list
of tasks until it ends.
"""

from __future__ import absolute_import

import collections
import socket

from xsraid_cli.problems import Problem
from xsraid_cli.remote import advice, threads

LATE, NO_ANSWER, NO_REPLY = "LATE", "NO_ANSWER", "NO_REPLY"
GRACE_S = 1  # a connection is given up a little later than what waits for it

# pool: its name in the inventory, None for the only one; host: pool.Host, None if the pool
# itself did not answer; replies: parsed, one for each question; failure: XAPI's code and
# parameters, or one of the above and a sentence, None if all is well; problem: what to tell of
# it, or None.
Answer = collections.namedtuple("Answer", "pool host replies failure problem")


def ask(connected, hosts, questions, limit_s, typed, pool_name=None):
    """Return the Answers of Hosts, in their order. connected: pool.Pool; questions: [(function,
    arguments)]; typed: the command's name.
    """
    where = advice.Where(connected.address, connected.user, None, typed)
    calls = [
        _Call(
            connected.twin(limit_s + GRACE_S),
            where._replace(host=host),
            questions,
            pool_name,
            limit_s,
        )
        for host in hosts
    ]
    return [_answer(call, ended) for call, ended in zip(calls, threads.ask(calls, limit_s))]


class _Call(object):
    """The questions to one host, to be called in a thread of its own."""

    def __init__(self, twin, where, questions, pool_name, limit_s):
        self.twin, self.where, self.questions, self.pool_name, self.limit_s = (
            twin,
            where,
            questions,
            pool_name,
            limit_s,
        )

    def __call__(self):
        host = self.where.host
        try:
            return self.answer(
                [self.twin.ask(host, function, given) for function, given in self.questions]
            )
        except advice.FAILURE as failure:
            problem = advice.of_failure(
                failure, self.where, advice.version_there(failure, self.twin, host)
            )
            return self.answer([], list(failure.details), problem)
        except Problem as problem:
            return self.answer([], [NO_REPLY, problem.what], problem)

    def answer(self, replies, failure=None, problem=None):
        return Answer(self.pool_name, self.where.host, replies, failure, problem)


def _answer(call, ended):
    """Return the Answer of a call that has ended, or not. Raises what nobody foresaw."""
    if ended.value is not None:
        return ended.value
    return call.answer([], *explained(ended, call.where.host.name, call.limit_s, call.where))


def explained(ended, name, limit_s, where):
    """Return (failure, problem), see Answer, of a together.Ended without a value. name: of the host
    or pool. Raises what nobody foresaw.
    """
    error = ended.error
    if ended.is_late or isinstance(error, socket.timeout):
        problem = Problem(
            "%s has not answered within %g s." % (name, limit_s),
            "What it has begun goes on there; --timeout SECONDS waits longer.",
        )
        return [LATE, problem.what], problem
    if isinstance(error, advice.FAILURE):
        return list(error.details), advice.of_failure(error, where)
    if isinstance(error, Problem):
        return [NO_ANSWER, error.what], error
    if isinstance(error, advice.CONNECTION_ERRORS):
        problem = advice.of_connection(error, where)
        return [NO_ANSWER, problem.what], problem
    raise error

# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Make inner tests, and look at what they left on record."""

import contextlib
import functools
import sys

import testtools

from safe_fixtures import audit
from safe_fixtures.core import guard
from safe_fixtures import exceptions

__all__ = ['Watch', 'case_of', 'details_of', 'events_of', 'swallowed']


class Watch(guard.Guard):
    """A guard that reports the violations it is told of."""

    def violate(self, code, message, **kwargs):
        self._violate(exceptions.SafetyViolation(code, message), **kwargs)


def case_of(act, base=testtools.TestCase, **attributes):
    """Return a test class whose one test, ``test_it``, calls ``act(self)``.

    :param act: the body of the test; called with the test case.
    :param base: the class it inherits.
    :param attributes: more attributes of the class.
    """

    def test_it(self):
        act(self)

    # Of the module that asks, so that call sites are found there.
    module = sys._getframe(1).f_globals['__name__']
    return type(
        'Inner',
        (base,),
        {'test_it': test_it, '__module__': module, **attributes},
    )


def swallowed(act):
    """Return a function that does *act* and hides what it raises."""

    @functools.wraps(act)
    def quiet(*args, **kwargs):
        with contextlib.suppress(BaseException):
            act(*args, **kwargs)

    return quiet


def events_of(trail, action):
    """Return the events of a trail that have an action."""
    return [event for event in trail.events if event['action'] == action]


def details_of(trail, action):
    """Return the details of the events that have an action."""
    return [audit.details(event) for event in events_of(trail, action)]

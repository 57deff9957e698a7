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

"""Exceptions from a rule that a test states, with a reason."""

from collections.abc import Callable
import unittest
from typing import Any, TypeVar

from safe_fixtures import conf
from safe_fixtures.core import waivers_file
from safe_fixtures import rules

__all__ = ['Waivers', 'of', 'waive']

_T = TypeVar('_T', bound=Callable[..., Any] | type)
_ATTRIBUTE = '__safe_fixtures_waivers__'
_ON_TEST = '_safe_fixtures_waivers'


def waive(code: str, *, reason: str) -> Callable[[_T], _T]:
    """Except a test, or every test of a class, from a rule.

    The violation is then recorded with the reason, and fails nothing.

    Example::

        @safe_fixtures.waive('SF301', reason='the import is the subject')
        def test_import(self): ...

    :param code: the rule (str).
    :param reason: why (str, not empty).
    :raises: ValueError where the decorator stands, for an unknown code, a
        rule that nothing excepts from, or an empty reason.
    """
    if rules.get(code).always:
        raise ValueError(f'{code} cannot be waived: it is always enforced')
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(f'waive({code!r}) needs a reason, not {reason!r}')

    def decorate(subject: _T) -> _T:
        # Its own dictionary: a subclass or an override adds to what it
        # inherits without changing it.
        own = dict(vars(subject).get(_ATTRIBUTE, {}))
        own[code] = reason
        setattr(subject, _ATTRIBUTE, own)
        return subject

    return decorate


class Waivers:
    """The waivers of one test, and which of them applied.

    Those of its method go before those of its class, and these before those
    of the suite.

    :param test: the test case, or None.
    :raises: ConfigurationError for a suite's file that makes no sense.
    """

    def __init__(self, test: unittest.TestCase | None) -> None:
        self._class: dict[str, str] = {}
        self._method: dict[str, str] = {}
        self._suite: list[waivers_file.Entry] = []
        self._applied: set[str] = set()
        if test is None:
            return
        for cls in reversed(type(test).__mro__):
            self._class.update(vars(cls).get(_ATTRIBUTE, {}))
        method = getattr(test, test._testMethodName, None)
        self._method.update(getattr(method, _ATTRIBUTE, {}))
        self._suite.extend(
            entry for entry in conf.waivers() if entry.covers(test.id())
        )

    def apply(self, code: str) -> dict[str, str] | None:
        """Apply the waiver of a rule, if there is one.

        :param code: the rule.
        :returns: what its record says: the ``reason``, and the ``pattern``
            if it is the suite's; None where nothing waives the rule.
        """
        for stated in (self._method, self._class):
            if code in stated:
                self._applied.add(code)
                return {'reason': stated[code]}
        for entry in self._suite:
            if entry.rule == code:
                return {'reason': entry.reason, 'pattern': entry.pattern}
        return None

    def unused(self) -> dict[str, str]:
        """Return the method's waivers that never applied, with reasons."""
        return {
            code: reason
            for code, reason in self._method.items()
            if code not in self._applied
        }


def of(test: unittest.TestCase | None) -> Waivers:
    """Return the waivers of *test*, the same object for all its guards."""
    if test is None:
        return Waivers(None)
    # Kept on the test, as equal tests are not the same test; the leading
    # underscore keeps it past Nova's clean-up of attributes.
    waivers = vars(test).get(_ON_TEST)
    if waivers is None:
        waivers = vars(test)[_ON_TEST] = Waivers(test)
    return waivers

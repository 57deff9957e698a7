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

"""Waivers: rules that a test may break, each with a reason.

A test states its own with the decorator :func:`waive`. A suite has a file,
which ``[safe_fixtures] waivers_file`` names.
"""

from collections.abc import Callable
from typing import Any, TypeVar
import unittest

from safe_fixtures import conf
from safe_fixtures.core import debts
from safe_fixtures.core import waivers_file
from safe_fixtures import rules

__all__ = ['Waivers', 'of', 'of_suite', 'waive']

_T = TypeVar('_T', bound=Callable[..., Any] | type)
_ATTRIBUTE = '__safe_fixtures_waivers__'
_ON_TEST = '_safe_fixtures_waivers'
# The entries of each waivers file.
_read: dict[str, list[waivers_file.Entry]] = {}


def waive(code: str, *, reason: str) -> Callable[[_T], _T]:
    """Let a test, or every test of a class, break a rule.

    The violation is recorded with the reason, and does not fail the test.

    Example::

        @safe_fixtures.waive('SF301', reason='the import is the subject')
        def test_import(self): ...

    :param code: the rule (str).
    :param reason: why (str, not empty).
    :raises: ValueError at the decorator, for an unknown code, a rule that
        cannot be waived (SF202), or an empty reason.
    """
    rule = rules.get(code)
    if rule.always:
        raise ValueError(f'{code} cannot be waived: it is always enforced')
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(f'waive({code!r}) needs a reason, not {reason!r}')

    def decorate(subject: _T) -> _T:
        # A dictionary of its own: a subclass or an override must not change
        # what it inherits.
        own = {**vars(subject).get(_ATTRIBUTE, {}), rule.code: reason}
        setattr(subject, _ATTRIBUTE, own)
        return subject

    return decorate


def of_suite() -> list[waivers_file.Entry]:
    """Return the entries of the waivers file, in its order.

    A file is read once in a process.

    :raises: ConfigurationError if the file, or another setting, is invalid.
    """
    path = conf.load().waivers_file
    if path is None:
        return []
    # A test may have replaced the file, or open().
    entries = _read.get(path)
    if entries is None:
        entries = _read[path] = waivers_file.read(path)
    return entries


class Waivers:
    """The waivers of one test, and which of them applied.

    A waiver of the method goes before one of the class, and that before one
    of the file. In the file, the first entry that matches applies.

    :param test: the test case, or None.
    :ivar unused: the method's waivers that never applied so far, with their
        reasons (dict of str to str).
    :ivar debts: what the test may do without a reason (Debts).
    :raises: ConfigurationError if the waivers file or the baseline is
        invalid.
    """

    def __init__(self, test: unittest.TestCase | None) -> None:
        self._stated: dict[str, str] = {}
        self.unused: dict[str, str] = {}
        # Read without a test too, so that a bad file is refused.
        self._suite = of_suite()
        self.debts = debts.Debts(None if test is None else test.id())
        if test is None:
            self._suite = []
            return
        self._suite = [e for e in self._suite if e.covers(test.id())]
        for cls in reversed(type(test).__mro__):
            self._stated.update(vars(cls).get(_ATTRIBUTE, {}))
        method = getattr(test, test._testMethodName, None)
        self.unused.update(getattr(method, _ATTRIBUTE, {}))
        self._stated.update(self.unused)

    def apply(self, code: str) -> dict[str, str] | None:
        """Apply the waiver of a rule, if there is one.

        :param code: the rule.
        :returns: the content of the waiver's event: the ``reason``, and the
            ``pattern`` if it is from the file. None without a waiver.
        """
        if code in self._stated:
            self.unused.pop(code, None)
            return {'reason': self._stated[code]}
        for entry in self._suite:
            if entry.rule == code:
                return {'reason': entry.reason, 'pattern': entry.pattern}
        return None


def of(test: unittest.TestCase | None) -> Waivers:
    """Return the waivers of *test*, one object for all its guards."""
    if test is None:
        return Waivers(None)
    # Kept on the test, since equal tests are not the same test. Nova's
    # clean-up of attributes spares names with a leading underscore.
    waivers: Waivers | None = vars(test).get(_ON_TEST)
    if waivers is None:
        waivers = vars(test)[_ON_TEST] = Waivers(test)
    return waivers

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

"""Hardened drop-in replacements for the test bases of any project."""

import sys
from typing import Any
import unittest

from safe_fixtures import exceptions
from safe_fixtures.hardening import life
from safe_fixtures.hardening import suite

__all__ = ['SafeTest', 'hardened', 'subclass_of']


class SafeTest:
    """Runs the tests of a base guarded; inherit it before that base.

    :ivar audit_trail: the record of what the guards did
        (:class:`~safe_fixtures.AuditTrail`).
    :ivar redacted_output: masks secrets in the output
        (:class:`~safe_fixtures.RedactedOutput`).
    :ivar isolation_guard: refuses what leaves the test
        (:class:`~safe_fixtures.IsolationGuard`).
    :ivar posture_guard: compares the process before and after
        (:class:`~safe_fixtures.PostureGuard`).
    :ivar payload_guard: checks the bodies of requests
        (:class:`~safe_fixtures.PayloadGuard`).
    """

    def run(self, result: Any = None) -> Any:
        """Run the test; see ``unittest.TestCase``."""
        run: Any = super().run  # type: ignore[misc]
        return life.run(self, run, result, exposed=True)

    # A subclass may call the run of a base by its name.

    def _run_setup(self, result: Any) -> Any:
        returned = super()._run_setup(result)  # type: ignore[misc]
        life.require_guards(self)
        return returned

    def _callSetUp(self) -> None:
        super()._callSetUp()  # type: ignore[misc]
        life.require_guards(self)


_made: dict[type, Any] = {}


def hardened(base: type) -> Any:
    """Return a drop-in replacement for a test base or test class.

    Its tests have the guards that need no Nova, which cover their own set-up
    and cleanup, too: an audit trail, masked output, isolation, posture and
    payload. A test finds them as ``self.audit_trail``,
    ``self.redacted_output``, ``self.isolation_guard``,
    ``self.posture_guard`` and ``self.payload_guard``. They are set up before
    its own set-up, whatever that calls, and cleaned up after its last
    cleanup. The same base gives the same class each time.

    A base of Nova gets what :func:`safe_fixtures.nova.hardened` gives it,
    once ``nova.tests`` is imported.

    Example::

        class TestVolumes(hardened(testtools.TestCase)):
            def test_create(self):
                self.assertEqual(self.id(), self.audit_trail.test_id)

    :param base: a subclass of ``unittest.TestCase``, such as any
        ``testtools.TestCase``.
    :raises: ConfigurationError for anything else.
    """
    if not (isinstance(base, type) and issubclass(base, unittest.TestCase)):
        raise exceptions.ConfigurationError(
            'hardened base', base, 'it must be a unittest.TestCase'
        )
    harden = suite.own_hardening_of(base)
    if harden is not None:
        return harden(base)
    if issubclass(base, SafeTest):
        return base
    if base not in _made:
        _made[base] = subclass_of(base, SafeTest, base)
    return _made[base]


def subclass_of(base: type, *bases: type) -> type:
    """Return the hardened class of a base; only ``hardened()`` calls this.

    :param base: the test base.
    :param bases: what the class inherits.
    """
    caller = sys._getframe(1)
    while caller.f_code.co_name == 'hardened' and caller.f_back is not None:
        caller = caller.f_back
    return type(
        f'Safe{base.__name__.lstrip("_")}',
        bases,
        {
            '__doc__': f'{base.__name__}, hardened.',
            # For pickle, which finds it there under its own name.
            '__module__': caller.f_globals['__name__'],
        },
    )

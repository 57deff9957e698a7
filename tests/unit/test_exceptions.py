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

import copy
import pickle

from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import rules
from tests.support import base

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def violation():
    return exceptions.SafetyViolation(
        'SF301', 'the image is real', where='test_x.py:12'
    )


def restore_failed():
    return exceptions.RestoreFailed(
        'nova-compute on host1 should be enabled again',
        service='nova-compute on host1',
        wanted=services.ServiceState(),
        actual=services.ServiceState(disabled=True, disabled_reason='x'),
        where='test_x.py:12',
    )


class TestSafetyViolation(base.TestCase):
    def test_fails_a_test(self):
        self.assertIsInstance(violation(), AssertionError)

    def test_attributes(self):
        error = violation()
        self.assertEqual('SF301', error.code)
        self.assertEqual('the image is real', error.message)
        self.assertEqual(rules.get('SF301').remedy, error.remedy)
        self.assertEqual('CWE-531', error.cwe)
        self.assertEqual('test_x.py:12', error.where)

    def test_names_offender_rule_and_remedy(self):
        self.assertEqual(
            'SF301 (CWE-531): the image is real at test_x.py:12. '
            + rules.get('SF301').remedy,
            str(violation()),
        )

    def test_without_cwe_and_where(self):
        error = exceptions.SafetyViolation('SF102', 'too new', remedy='Stop.')
        self.assertIsNone(error.cwe)
        self.assertIsNone(error.where)
        self.assertEqual('SF102: too new. Stop.', str(error))

    def test_unknown_code(self):
        self.assertRaises(
            ValueError, exceptions.SafetyViolation, 'SF999', 'what'
        )

    def test_pickles(self):
        error = violation()
        error.where = 'changed.py:1'
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                other = pickle.loads(pickle.dumps(error, protocol))
                self.assertIs(exceptions.SafetyViolation, type(other))
                self.assertEqual(vars(error), vars(other))
                self.assertEqual(error.args, other.args)
                self.assertEqual(str(error), str(other))

    def test_copies(self):
        for duplicate in (copy.copy, copy.deepcopy):
            with self.subTest(duplicate=duplicate):
                self.assertEqual(str(violation()), str(duplicate(violation())))


class TestRestoreFailed(base.TestCase):
    def test_is_a_violation_of_its_rule(self):
        error = restore_failed()
        self.assertIsInstance(error, exceptions.SafetyViolation)
        self.assertEqual('SF201', error.code)
        self.assertEqual('CWE-459', error.cwe)
        self.assertIn('host1 should be enabled again', str(error))

    def test_attributes(self):
        error = restore_failed()
        self.assertEqual('nova-compute on host1', error.service)
        self.assertEqual('enabled', error.wanted.status)
        self.assertEqual('x', error.actual.disabled_reason)

    def test_pickles(self):
        error = restore_failed()
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                other = pickle.loads(pickle.dumps(error, protocol))
                self.assertIs(exceptions.RestoreFailed, type(other))
                self.assertEqual(vars(error), vars(other))
                self.assertEqual(str(error), str(other))


class TestServiceHeld(base.TestCase):
    def test_is_a_violation_of_its_rule_and_pickles(self):
        error = exceptions.ServiceHeld(
            'nova-compute on host1 is held by run 1',
            service='nova-compute on host1',
            holder=('run 1', 7),
        )
        self.assertIsInstance(error, exceptions.SafetyViolation)
        self.assertEqual('SF206', error.code)
        self.assertIn('host1 is held by run 1. Wait', str(error))
        for protocol in PROTOCOLS:
            other = pickle.loads(pickle.dumps(error, protocol))
            self.assertIs(exceptions.ServiceHeld, type(other))
            self.assertEqual(vars(error), vars(other))


class TestConfigurationError(base.TestCase):
    def test_names_option_value_and_what_is_allowed(self):
        error = exceptions.ConfigurationError('[x] y', 'z', 'give a number')
        self.assertIsInstance(error, ValueError)
        self.assertEqual('[x] y', error.option)
        self.assertEqual('z', error.value)
        self.assertEqual('give a number', error.allowed)
        self.assertEqual("[x] y = 'z' is refused: give a number", str(error))

    def test_pickles(self):
        error = exceptions.ConfigurationError('[x] y', 2.53, 'a string')
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                other = pickle.loads(pickle.dumps(error, protocol))
                self.assertIs(exceptions.ConfigurationError, type(other))
                self.assertEqual(vars(error), vars(other))
                self.assertEqual(str(error), str(other))


class TestWaitCutShort(base.TestCase):
    def test_what_and_what_to_do(self):
        text = str(exceptions.WaitCutShort('an event'))
        self.assertIn('an event', text)
        self.assertIn('wait_for_change = false', text)

    def test_pickles(self):
        error = exceptions.WaitCutShort('an event')
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                other = pickle.loads(pickle.dumps(error, protocol))
                self.assertEqual('an event', other.awaited)
                self.assertEqual(str(error), str(other))

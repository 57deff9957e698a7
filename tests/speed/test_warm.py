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


"""All cures of slowness together, on real Nova."""

from safe_fixtures import nova as safe_nova  # isort: skip

import logging

import fixtures
from oslo_config import fixture as config_fixture
import testtools

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import warm
from safe_fixtures.runtime import patching
from tests.functional.nova import inner
from tests.speed import base


class Owner:
    """What the cures of these tests patch."""

    @staticmethod
    def slow(value):
        return value


def _install():
    cure.known(Owner, 'slow', 'value')
    return cure.replace(Owner, 'slow', staticmethod(lambda value: 'fast'))


class _Cured(cure.Cure):
    name = 'a test'

    @classmethod
    def install(cls):
        return _install()


class _Lost(cure.Cure):
    name = 'what is gone'

    @classmethod
    def install(cls):
        cure.known(Owner, 'gone')


class Api(inner.SafeApiTestCase):
    def list(self):
        self.assertEqual([], self.admin_api.get_servers())
        type(self).used = {each: each._patch.users for each in warm.CURES}

    def fail_here(self):
        self.list()
        self.fail('on purpose')


class FailsInSetUp(Api):
    def setUp(self):
        super().setUp()
        self.fail('on purpose')


class TestCure(base.TestCase):
    def setUp(self):
        super().setUp()
        self.stock = vars(Owner)['slow']
        self.addCleanup(lambda: self.assertIs(self.stock, vars(Owner)['slow']))

    def test_nested_and_reused(self):
        outer, within = _Cured(), _Cured()
        for _ in range(2):
            with outer:
                with within:
                    self.assertEqual('fast', Owner.slow(1))
                self.assertEqual('fast', Owner.slow(1))
            self.assertIs(self.stock, vars(Owner)['slow'])

    def test_what_a_test_replaces_is_the_tests(self):
        with _Cured():
            own = staticmethod(lambda value: 'own')
            undo = patching.patch_attribute(Owner, 'slow', own)
            self.assertEqual('own', Owner.slow(1))
        self.assertIs(own, vars(Owner)['slow'])
        undo()
        # What it restored is what the cure had put there.
        Owner.slow = self.stock

    def test_unknown(self):
        self.addCleanup(setattr, _Lost.counts, 'off', None)
        log = self.useFixture(fixtures.FakeLogger('safe_fixtures'))
        for _ in range(2):
            with _Lost():
                self.assertEqual(1, Owner.slow(1))
        self.assertEqual('there is no Owner.gone', _Lost.counts.off)
        self.assertEqual(1, log.output.count('Owner.gone'))

    def test_other_parameters(self):
        for parameters in (('value', 'more'), ('other',)):
            with self.subTest(parameters=parameters):
                error = self.assertRaises(
                    cure.Unknown, cure.known, Owner, 'slow', *parameters
                )
                self.assertIn('Owner.slow takes other', str(error))


class TestWarmNova(base.TestCase):
    def test_names_are_those_of_the_option(self):
        names = [each.name for each in warm.CURES]
        self.assertEqual(names, conf.check('speed_up_without', names))
        self.assertEqual(len(names), len(set(names)))

    def test_unknown_name(self):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_nova.WarmNova(without=['sleep']).setUp,
        )
        self.assertEqual('speed_up_without', error.option)

    def test_on_hardened_bases(self):
        for cls, method, problems in (
            (Api, 'list', 0),
            (Api, 'fail_here', 1),
            (FailsInSetUp, 'list', 1),
        ):
            with self.subTest(cls=cls.__name__, method=method):
                result = inner.run_inner(cls, method)
                self.assertEqual(
                    problems, len(base.problems(result)), base.problems(result)
                )
                for each in warm.CURES:
                    self.assertEqual((), each._patch.users, each.name)
                    self.assertIsNone(each._patch._restore, each.name)
        self.assertTrue(all(Api.used.values()), Api.used)

    def test_switched_off(self):
        options = self.useFixture(config_fixture.Config(conf.CONF))
        options.config(group='safe_fixtures', speed_up=False)
        self.assertEqual([], base.problems(inner.run_inner(Api, 'list')))
        self.assertFalse(any(Api.used.values()), Api.used)

    def test_one_switched_off(self):
        options = self.useFixture(config_fixture.Config(conf.CONF))
        options.config(group='safe_fixtures', speed_up_without=['policy'])
        self.assertEqual([], base.problems(inner.run_inner(Api, 'list')))
        off = [each.name for each, users in Api.used.items() if not users]
        self.assertEqual(['policy'], off)

    def test_recorded(self):
        trail = self.useFixture(audit.AuditTrail('t'))

        class Counting(_Cured):
            name = 'counting'

        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.nova.speed.warm.CURES', (Counting, _Lost)
            )
        )
        self.addCleanup(setattr, _Lost.counts, 'off', None)
        logging.getLogger('safe_fixtures').addHandler(logging.NullHandler())
        Counting.counts.hits = 5
        with safe_nova.WarmNova(without=[], trail=trail):
            Counting.counts.hits += 2
            Counting.counts.misses += 1
        (event,) = map(audit.Event, trail.events)
        self.assertEqual(events.SPEED_UP, event.action)
        self.assertEqual({'counting': [2, 1]}, event.details['cures'])
        self.assertThat(
            event.details['off'],
            testtools.matchers.Equals(
                {'what is gone': 'there is no Owner.gone'}
            ),
        )

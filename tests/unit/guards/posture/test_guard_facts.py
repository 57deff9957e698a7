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

"""The facts that ``assert_posture`` is given."""

import json

import fixtures
from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from tests.support import posture as support


class TestAssertPosture(support.WaysTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        # It is an assertion, whatever the rule does.
        self.configure(mode='off')
        self.trail = self.useFixture(audit.AuditTrail())
        self.guard = self.useFixture(posture.PostureGuard())

    def assert_refused(self, *messages, **facts):
        error = self.assertRaises(
            AssertionError, self.guard.assert_posture, **facts
        )
        for message in messages:
            self.assertIn(message, str(error))
        self.assertEqual('failure', self.trail.events[-1]['outcome'])

    def test_nothing(self):
        self.guard.assert_posture()
        self.assertEqual('success', self.trail.events[-1]['outcome'])

    def test_options(self):
        self.guard.assert_posture(
            options={
                f'{support.GROUP}.kind': 'soft',
                f'{support.GROUP}.alias': 'soft',
            }
        )
        self.assert_refused(
            f"option {support.GROUP}.kind is 'soft', not 'hard'",
            f'option {support.GROUP}.number is 1, not 2',
            options={
                f'{support.GROUP}.kind': 'hard',
                f'{support.GROUP}.number': 2,
            },
        )

    def test_option_of_no_group(self):
        opt = cfg.StrOpt('posture_test_host', default='here')
        cfg.CONF.register_opt(opt)
        self.addCleanup(support.unregister, opt, None)
        for name in ('posture_test_host', 'DEFAULT.posture_test_host'):
            with self.subTest(name=name):
                self.guard.assert_posture(options={name: 'here'})
                self.assert_refused(
                    "'here', not 'there'", options={name: 'there'}
                )

    def test_unknown_option(self):
        for name in (f'{support.GROUP}.knd', 'no_such_group.kind', 'knd'):
            with self.subTest(name=name):
                error = self.assertRaises(
                    exceptions.ConfigurationError,
                    self.guard.assert_posture,
                    options={name: 'soft'},
                )
                self.assertIn(name, str(error))

    def test_policy(self):
        plugins.provide(support.Backend())
        member = ('servers:delete', 'member')
        reader = ('servers:delete', 'reader')
        self.guard.assert_posture(allows=[member], denies=[reader])
        self.assert_refused(
            'policy allows servers:delete to member', denies=[member]
        )
        self.assert_refused(
            'policy denies servers:delete to reader', allows=[reader]
        )

    def test_policy_of_an_enforcer(self):
        """Without a project that the guard knows."""

        class Enforcer:
            registered_rules = {'servers:delete': object()}

            def authorize(self, rule, target, credentials, do_raise):
                return 'member' in credentials['roles'] and not do_raise

        enforcer = Enforcer()
        member = ('servers:delete', 'member')
        reader = ('servers:delete', 'reader')
        self.guard.assert_posture(
            allows=[member], denies=[reader], enforcer=enforcer
        )
        self.assert_refused(
            'policy allows servers:delete to member',
            denies=[member],
            enforcer=enforcer,
        )
        for fact in (('servers:no', 'member'), ('servers:delete', 'root')):
            with self.subTest(fact=fact):
                self.assertRaises(
                    exceptions.ConfigurationError,
                    self.guard.assert_posture,
                    allows=[fact],
                    enforcer=enforcer,
                )

    def test_all_faults_at_once(self):
        plugins.provide(support.Backend())
        self.assert_refused(
            'policy allows servers:delete to member',
            f'option {support.GROUP}.kind',
            denies=[('servers:delete', 'member')],
            options={f'{support.GROUP}.kind': 'hard'},
        )

    def test_unknown_rule(self):
        plugins.provide(support.Backend())
        error = self.assertRaises(
            exceptions.ConfigurationError,
            self.guard.assert_posture,
            denies=[('servers:dlete', 'member')],
        )
        self.assertIn('there is servers:delete', str(error))

    def test_no_policy(self):
        self.assertRaises(
            exceptions.ConfigurationError,
            self.guard.assert_posture,
            denies=[('servers:delete', 'member')],
        )

    def test_tls(self):
        self.guard.assert_posture(tls=True)
        for act, fault in (
            (
                support.unverified_context,
                '_create_default_https_context() does not',
            ),
            (
                support.default_context,
                'ssl.create_default_context() does not verify',
            ),
            (support.insecure_session, 'requests.Session() does not verify'),
            (support.silence_warnings, 'InsecureRequestWarning'),
        ):
            with self.subTest(act=act, fault=fault):
                undo = act(self)
                try:
                    self.assert_refused(fault, tls=True)
                finally:
                    undo()
        self.guard.assert_posture(tls=True)

    def test_not_set_up(self):
        self.assertRaises(RuntimeError, posture.PostureGuard().assert_posture)

    def test_secret_option(self):
        cfg.CONF.set_override('admin_password', support.SECRET, support.GROUP)
        with audit.AuditTrail() as trail, posture.PostureGuard() as guard:
            error = self.assertRaises(
                AssertionError,
                guard.assert_posture,
                options={f'{support.GROUP}.admin_password': 'another'},
            )
        self.assertIn('admin_password', str(error))
        self.assertNotIn(support.SECRET, str(error) + json.dumps(trail.events))

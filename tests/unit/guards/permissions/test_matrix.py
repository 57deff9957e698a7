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

"""The matrix of personas and operations, and deviations from it."""

import dataclasses
import pickle

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import permissions
from safe_fixtures import ServerPermissions
from safe_fixtures import testing
from tests.unit.guards.permissions import cases


class TestMatrix(cases.PermissionsTestCase):
    def test_all_is_well(self):
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(
            self.api, source=self.source, trail=trail
        ) as check:
            check.assert_permissions({'id': cases.SERVER, 'name': 'any'})
        (event,) = trail.events
        self.assertEqual('evaluate/permissions', event['action'])
        self.assertEqual('success', event['outcome'])
        said = event['attachments'][0]['content']
        self.assertEqual(7, said['requests'])
        self.assertEqual('2.100', said['microversion'])
        self.assertEqual(['opened'], said['rules_set_aside'])
        self.assertEqual([], said['findings'])
        self.assertEqual(
            [
                'requester, admin password, security groups: its creation '
                'was not seen'
            ],
            said['not_checked'],
        )

    def test_outcomes_are_recorded(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        trail = self.useFixture(audit.AuditTrail())
        with (
            ServerPermissions(
                self.api, source=self.source, trail=trail
            ) as check,
            testing.expect_violation('SF502'),
        ):
            check.assert_permissions(cases.SERVER)
        said = trail.events[0]['attachments'][0]['content']['outcomes']
        self.assertEqual(['admin', 'owner', 'other'], list(said))
        # By its name, the value of "see secrets" is a secret.
        self.assertEqual(
            {'show': 'allowed', 'see secrets': '***', 'tags': 'forbidden'},
            said['other'],
        )

    def test_weaker(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        finding = self.assert_finds(
            'other: show: expected hidden, got allowed (HTTP) [show: '
            'somebody weakened it]'
        )
        self.assertEqual(
            permissions.Finding(
                'other',
                'show',
                'hidden',
                'allowed',
                'HTTP',
                'show',
                'somebody weakened it',
            ),
            finding,
        )

    def test_stricter(self):
        self.source.outcomes['owner', 'tags'] = 'forbidden'
        self.assert_finds(
            'owner: tags: expected allowed, got forbidden (HTTP) [tags: '
            'somebody weakened it]'
        )

    def test_existence_disclosed(self):
        self.source.outcomes['other', 'show'] = 'forbidden'
        self.assert_finds(
            'other: show: expected hidden, got forbidden (HTTP) [show: '
            'somebody weakened it]'
        )

    def test_all_of_them(self):
        self.source.outcomes = dict.fromkeys(cases.DEFAULTS, 'error')
        self.assertEqual(
            [
                (persona, operation)
                for persona in ('admin', 'owner', 'other')
                for operation in ('show', 'see secrets', 'tags')
                if cases.DEFAULTS[persona, operation] != 'hidden'
                or operation != 'see secrets'
            ],
            [(each.persona, each.operation) for each in self.found()],
        )

    def test_attribute(self):
        self.source.outcomes['owner', 'see secrets'] = 'allowed'
        self.assert_finds(
            'owner: see secrets: expected hidden, got allowed (secret is '
            'shown) [secrets: somebody weakened it]'
        )

    def test_early_attribute(self):
        self.source.also['owner'] = {'early': 'x'}
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)
        self.configure(pinned_microversion='2.89')
        self.assert_finds(
            'owner: see secrets: expected hidden, got allowed (early is '
            'shown) [secrets: somebody weakened it]'
        )

    def test_lists_leave_it_out(self):
        self.source.operations = (cases.SHOW, cases.LIST)
        for persona in ('admin', 'owner', 'other'):
            key = persona, 'list'
            self.source.outcomes[key] = cases.DEFAULTS[persona, 'show']
        self.source.expected = lambda persona, operation: (
            'allowed'
            if operation is cases.LIST
            else cases.DEFAULTS[persona.name, operation.name]
        )
        (finding,) = self.found()
        self.assertEqual('list', finding.operation)
        self.source.records = [cases.record(is_listed=False)]
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            'list: a soft-deleted server is in no list',
            said['not_checked'][0],
        )

    def admins(self):
        self.source.records = [cases.record(user_id='admin')]
        self.source.shown['user_id'] = 'admin'
        self.source.outcomes['owner', 'show'] = 'hidden'
        return self.useFixture(audit.AuditTrail())

    def test_administrator_as_owner(self):
        trail = self.admins()
        # Somebody else of the project has the same roles.
        mate = dataclasses.replace(cases.OWNER, name='other', user='mate')
        self.source.personas = lambda: (cases.ADMIN, cases.OWNER, mate)
        self.source.outcomes['other', 'show'] = 'allowed'
        self.source.expected = lambda *each: self.source.outcomes[
            tuple(part.name for part in each)
        ]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            "owner: the user 'admin' is made an administrator, whatever the "
            'roles',
            said['not_checked'][0],
        )
        self.assertEqual({'admin', 'mate'}, self.source.users)
        # A deviation of hers is checked.
        stated = permissions.Deviation('owner', 'tags', 'hidden', 'hers')
        (finding,) = self.found(deviations=[stated])
        self.assertEqual(
            ('owner', 'tags', 'hidden', 'allowed'),
            (
                finding.persona,
                finding.operation,
                finding.expected,
                finding.got,
            ),
        )

    def test_stand_in_for_an_administrator(self):
        trail = self.admins()
        (finding,) = self.found()
        self.assertEqual(
            ('owner', 'show', 'allowed', 'hidden'),
            (
                finding.persona,
                finding.operation,
                finding.expected,
                finding.got,
            ),
        )
        (said,) = [
            event['attachments'][0]['content']
            for event in trail.events
            if event['action'] == 'evaluate/permissions'
        ]
        self.assertEqual(
            'owner, but as another user of the project: the user '
            "'admin' is made an administrator, whatever the roles",
            said['not_checked'][0],
        )
        self.assertIn('project-user', self.source.users)
        self.assertNotIn(None, self.source.users)

    def test_microversion(self):
        self.configure(pinned_microversion='2.25')
        self.source.outcomes['owner', 'tags'] = 'forbidden'
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            'tags: microversion 2.25 does not have it', said['not_checked'][0]
        )
        self.assertEqual('not checked', said['outcomes']['owner']['tags'])

    def test_pickle(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        with ServerPermissions(self.api, source=self.source) as check:
            with testing.expect_violation('SF502') as seen:
                check.assert_permissions(cases.SERVER)
        violation = pickle.loads(pickle.dumps(seen[0]))
        self.assertIsInstance(violation, permissions.WrongPermissions)
        self.assertEqual(str(seen[0]), str(violation))
        self.assertEqual(cases.SERVER, violation.server)
        self.assertEqual(seen[0].findings, violation.findings)
        self.assertEqual('CWE-732', violation.cwe)


class TestDeviations(cases.PermissionsTestCase):
    def deviation(self, expected='allowed', **fields):
        return permissions.Deviation(
            **{
                'persona': 'other',
                'operation': 'tags',
                'expected': expected,
                'reason': 'tags are public here',
                **fields,
            }
        )

    def test_applies(self):
        self.source.outcomes['other', 'tags'] = 'allowed'
        trail = self.useFixture(audit.AuditTrail())
        for given, later in (
            ([self.deviation()], ()),
            ((), [self.deviation()]),
        ):
            with self.subTest(given=given, later=later):
                with ServerPermissions(
                    self.api, source=self.source, deviations=given
                ) as check:
                    check.assert_permissions(cases.SERVER, deviations=later)
                said = trail.events[-1]['attachments'][0]['content']
                self.assertEqual(
                    {'other: tags': 'tags are public here'}, said['deviations']
                )

    def test_any_iterable(self):
        self.source.outcomes['other', 'tags'] = 'allowed'
        check = ServerPermissions(
            self.api,
            source=self.source,
            deviations=(each for each in [self.deviation()]),
        )
        for _ in range(2):
            with check:
                check.assert_permissions(cases.SERVER)

    def test_contradiction(self):
        deviations = [self.deviation(), self.deviation('hidden')]
        check = ServerPermissions(
            self.api, source=self.source, deviations=deviations
        )
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertIn('it contradicts Deviation(', error.allowed)
        # The same deviation twice is allowed.
        check = ServerPermissions(
            self.api, source=self.source, deviations=[self.deviation()] * 2
        )
        with check:
            pass

    def test_no_deviation(self):
        check = ServerPermissions(
            self.api, source=self.source, deviations=['other']
        )
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('each must be a Deviation', error.allowed)

    def test_does_not_apply(self):
        self.assert_finds(
            'other: tags: expected allowed, got forbidden (HTTP) [tags: a '
            'deviation states it (tags are public here)]',
            deviations=[self.deviation()],
        )

    def test_is_the_default(self):
        self.assert_finds(
            'other: tags: expected forbidden, got forbidden (HTTP) [tags: a '
            'deviation states it (tags are public here), but it is the '
            'default]',
            deviations=[self.deviation('forbidden')],
        )

    def test_something_else(self):
        self.source.outcomes['other', 'tags'] = 'hidden'
        (finding,) = self.found(deviations=[self.deviation()])
        self.assertEqual(
            ('allowed', 'hidden'), (finding.expected, finding.got)
        )

    def test_is_not_tried(self):
        self.configure(pinned_microversion='2.25')
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(
            self.api, source=self.source, deviations=[self.deviation()]
        ) as check:
            check.assert_permissions(cases.SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertIn('the deviation of other: tags', said['not_checked'])

    def test_refused(self):
        for fields, allowed in (
            ({'reason': ''}, 'say why, in words'),
            ({'reason': ' \n'}, 'say why, in words'),
            ({'reason': None}, 'say why, in words'),
            (
                {'expected': 'yes'},
                'it must be one of allowed, forbidden, hidden',
            ),
        ):
            with self.subTest(fields=fields, allowed=allowed):
                error = self.assertRaises(
                    exceptions.ConfigurationError, self.deviation, **fields
                )
                self.assertEqual(allowed, error.allowed)
                self.assertIsInstance(error, ValueError)

    def test_unknown(self):
        for deviation, allowed in (
            (self.deviation(persona='me'), 'admin, owner, other'),
            (self.deviation(operation='x'), 'show, see secrets, tags'),
        ):
            with self.subTest(deviation=deviation, allowed=allowed):
                check = ServerPermissions(
                    self.api, source=self.source, deviations=[deviation]
                )
                error = self.assertRaises(
                    exceptions.ConfigurationError, check.setUp
                )
                self.assertEqual(f'it must be one of {allowed}', error.allowed)
                with ServerPermissions(self.api, source=self.source) as check:
                    self.assertRaises(
                        exceptions.ConfigurationError,
                        check.assert_permissions,
                        cases.SERVER,
                        deviations=[deviation],
                    )
        self.assertEqual(0, self.source.probers)

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

"""Requests that create and change servers."""

from tests.unit.guards.permissions import cases


class TestCreation(cases.RequestsTestCase):
    def test_requester(self):
        self.source.shown.update(user_id='her', tenant_id='hers')
        self.assertEqual(
            [
                'admin: show: expected user user, got user her (HTTP) [a '
                'server belongs to its creator]',
                'admin: show: expected project project, got project hers '
                '(HTTP) [a server belongs to its creator]',
            ],
            self.finds(),
        )

    def test_password(self):
        for field in (self.response['adminPass'], 'z7Qm1vKp'):
            with self.subTest(field=field):
                self.source.records = [cases.record()]
                self.source.also['owner'] = {'note': f'it is {field}'}
                (found,) = self.finds(adminPass='z7Qm1vKp')
                self.assertIn('the admin password shown to owner', found)

    def test_password_in_another_response(self):
        self.source.texts['owner', 'tags'] = 'it is x8Jk2mQp'
        (found,) = self.finds()
        self.assertTrue(found.startswith('owner: tags: expected no admin'))

    def test_later_password(self):
        shown = {'note': 'z7Qm1vKp'}
        rebuild = {'rebuild': {'adminPass': 'z7Qm1vKp'}}
        rescue = {'rescue': {}}
        for then, body, answer, wrong in (
            ([rebuild], None, '202 Accepted', True),
            ([rebuild], None, '403 Forbidden', False),
            ([rescue], {'adminPass': 'z7Qm1vKp'}, '200 OK', True),
            ([rescue], {'server': shown}, '200 OK', False),
        ):
            with self.subTest(
                then=then, body=body, answer=answer, wrong=wrong
            ):
                self.source.records = [cases.record()]
                self.source.also['owner'] = shown
                self.body, self.answer = None, '202 Accepted'
                create = self.create

                def created(create=create, body=body, answer=answer, **server):
                    create(**server)
                    self.body, self.answer = body, answer

                self.create = created
                found = self.finds(then=then)
                self.create = create
                self.assertEqual(wrong, bool(found), (then, answer, found))

    def test_several(self):
        """The response names only the first server, or none."""
        other = '0e2a4c55-1b1f-4a6e-9f0c-5a4f1d1c9b10'
        records = {
            cases.SERVER: cases.record(reservation='r-1'),
            other: cases.record(server_id=other, reservation='r-1'),
        }
        self.source.server = records.get
        self.source.shown['security_groups'] = [{'name': 'open'}]
        self.assertEqual([], self.finds(of=other))
        for body, asked in (
            (None, {'min_count': 2}),
            ({'reservation_id': 'r-1'}, {'return_reservation_id': True}),
        ):
            with self.subTest(body=body, asked=asked):
                self.body = body
                (found,) = self.finds(of=other, **asked)
                self.assertIn('got security groups open', found)
                # A server of another reservation.
                records[other] = cases.record(
                    server_id=other, reservation='r-2'
                )
                self.assertEqual([], self.finds(of=other, **asked))
                records[other] = cases.record(
                    server_id=other, reservation='r-1'
                )

    def test_security_groups(self):
        port = [{'port': 'x'}]
        group = {'name': '6c0f6ad2-8f3c-4c0e-9b0a-7f8f0d5d3c11'}
        add = [{'addSecurityGroup': {'name': 'open'}}]
        attach = [('POST', '/os-interface', {'interfaceAttachment': {}})]
        detach = [('DELETE', '/os-interface/port', None)]
        for shown, asked, then, wrong in (
            (['default'], {}, (), False),
            (['open'], {}, (), True),
            ([], {}, (), False),
            (['a', 'b'], {'security_groups': ['b', 'a']}, (), False),
            (['a'], {'security_groups': ['b', 'a']}, (), True),
            (['default', 'a'], {'security_groups': ['a']}, (), True),
            (['open'], {'networks': port}, (), False),
            (['open'], {'networks': 'none'}, (), True),
            (['open'], {'security_groups': [group]}, (), False),
            (['open'], {}, add, False),
            (['open'], {}, attach, False),
            (['open'], {}, detach, False),
            (['open'], {}, [{'lock': None}], True),
        ):
            with self.subTest(
                shown=shown, asked=asked, then=then, wrong=wrong
            ):
                self.source.records = [cases.record()]
                asked = {
                    key: [
                        {'name': each} if isinstance(each, str) else each
                        for each in value
                    ]
                    if isinstance(value, list)
                    else value
                    for key, value in asked.items()
                }
                self.source.shown['security_groups'] = [
                    {'name': name} for name in shown
                ]
                found = self.finds(then=then, **asked)
                self.assertEqual(wrong, bool(found), (shown, asked, found))

    def test_no_security_groups(self):
        self.source.shown.update(security_groups=[], addresses={'net': ['x']})
        group = {'name': 'web'}
        (found,) = self.finds(security_groups=[group])
        self.assertIn(
            'expected security groups web, got security groups none', found
        )
        # As on a network without port security.
        self.source.records = [cases.record()]
        self.assertEqual([], self.finds())
        self.assertEqual(
            ['security groups: its network may be without port security'],
            self.said()[-1]['not_checked'],
        )
        self.source.records = [cases.record()]
        self.source.shown['addresses'] = {}
        self.assertEqual([], self.finds(security_groups=[group]))

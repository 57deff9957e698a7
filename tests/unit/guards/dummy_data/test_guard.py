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
import io
import json
import os

import fixtures
import requests
import testtools

import safe_fixtures
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards.dummy_data import fields
from safe_fixtures import testing
from tests.support import base
from tests.support import web

IMAGE = {
    'id': '155d900f-4e14-4e4c-a73d-069cbf4541e6',
    'name': 'fakeimage123456',
    'container_format': 'raw',
    'locations': [],
    'properties': {'kernel_id': 'nokernel', 'architecture': 'x86_64'},
}
FLAVOR = {'flavorid': '1', 'name': 'm1.tiny'}
SERVER = '0f0d1c5e-6d5a-4a55-9d7e-1fb09d8f5b1e'


class Source:
    """Images and flavors that are as they are told."""

    def __init__(self):
        self.held = {IMAGE['id']: copy.deepcopy(IMAGE)}
        self.bytes = {}
        self.rows = {'1': dict(FLAVOR)}
        self.known = {'1'}
        self.shelved = {}
        self.watchers = []

    def image(self, image_id):
        return self.held.get(image_id)

    def images(self):
        return list(self.held.values())

    def image_bytes(self, image_id):
        return self.bytes.get(image_id, 0)

    def flavor(self, flavor_id):
        return self.rows.get(flavor_id)

    def flavors(self):
        return list(self.rows.values())

    def flavor_is_known(self, flavor_id):
        return flavor_id in self.known

    def shelved_image(self, server_id):
        return self.shelved.get(server_id)

    def watch_creation(self, on_image, on_flavor):
        watcher = (on_image, on_flavor)
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def create_image(self, image, size=0):
        for on_image, _ in self.watchers:
            on_image(image, size)
        self.held[image['id']] = image
        self.bytes[image['id']] = size

    def create_flavor(self, flavor):
        for _, on_flavor in self.watchers:
            on_flavor(flavor)
        self.rows[flavor['flavorid']] = flavor
        self.known.add(flavor['flavorid'])


# What is put into an image, and the part of the mismatch that says why.
REAL_IMAGES = [
    ({'locations': [{'url': 'http://glance.corp.net/i'}]}, 'locations.url'),
    ({'location': 'swift://store/image'}, 'location'),
    ({'direct_url': 'rbd://pool/image'}, 'direct_url'),
    ({'copy_from': 'https://images.corp.net/i.img'}, 'copy_from'),
    ({'properties': {'import_from': 'https://h.net/x'}}, 'import_from'),
    ({'properties': {'docs': 'see https://corp.net/x'}}, 'properties.docs'),
    ({'name': 'ftp://corp.net/image'}, 'name'),
    ({'locations': [{'url': '/var/lib/glance/x'}]}, 'locations.url'),
    ({'direct_url': 'file:///etc/passwd'}, 'direct_url'),
    ({'location': 'file:///tmp/../etc/passwd'}, 'location'),
    ({'location': 'http://example.com.corp.net/x'}, 'location'),
    ({'properties': {'docs': 'http://[broken'}}, 'properties.docs'),
    ({'locations': [{'url': 'HTTPS://CORP.NET/'}]}, 'locations.url'),
]
DUMMY_IMAGES = [
    {},
    {'locations': [{'url': 'http://localhost/i'}]},
    {'location': 'http://127.0.0.1:9292/i'},
    {'location': 'http://images.example.com/i'},
    {'location': 'https://glance.test/i'},
    {'location': 'https://glance.invalid/i'},
    {'location': 'file://{tmp}/image'},
    {'location': '{tmp}/image'},
    {'location': ''},
    {'location': None},
    {'properties': {'docs': 'no link', 'location_count': 'four'}},
]


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.source = Source()
        self.tmp = self.useFixture(fixtures.NestedTempfile()) and (
            self.useFixture(fixtures.TempDir()).path
        )

    def image(self, **values):
        def inside(value):
            if isinstance(value, str):
                return value.replace('{tmp}', self.tmp)
            return value

        values = {key: inside(value) for key, value in values.items()}
        return dict(copy.deepcopy(IMAGE), **values)


class TestIsDummyImage(TestCase):
    def mismatch(self, image):
        mismatch = safe_fixtures.IsDummyImage(self.source).match(image)
        return None if mismatch is None else mismatch.describe()

    def test_real(self):
        for values, why in REAL_IMAGES:
            with self.subTest(values=values, why=why):
                text = self.mismatch(self.image(**values))
                self.assertIsNotNone(text, values)
                self.assertIn(why, text)
                self.assertIn('outside the test', text)
                self.assertIn(IMAGE['id'], text)

    def test_dummy(self):
        for values in DUMMY_IMAGES:
            with self.subTest(values=values):
                self.assertIsNone(self.mismatch(self.image(**values)), values)

    def test_credentials_are_not_shown(self):
        text = self.mismatch(
            self.image(location='swift://user:s3cr3t@store.net/image')
        )
        self.assertIn('swift://***@store.net', text)
        self.assertNotIn('s3cr3t', text)

    def test_allowed_endpoint(self):
        image = self.image(location='http://lab.net:9292/image')
        self.assertIsNotNone(self.mismatch(image))
        self.configure(allowed_endpoints='lab.net:9292')
        self.assertIsNone(self.mismatch(image))

    def test_size(self):
        for limit, size, fits in (
            (None, 1024 * 1024, True),
            (None, 1024 * 1024 + 1, False),
            ('10', 10, True),
            ('10', 11, False),
            ('0', 0, True),
            ('0', 1, False),
        ):
            if limit is not None:
                self.configure(max_image_bytes=limit)
            self.source.bytes[IMAGE['id']] = size
            for image in (IMAGE['id'], IMAGE):
                with self.subTest(image=image):
                    text = self.mismatch(image)
                    if fits:
                        self.assertIsNone(text)
                    else:
                        self.assertIn(f'{size} bytes', text)

    def test_by_id(self):
        self.assertIsNone(self.mismatch(IMAGE['id']))
        self.assertIsNone(self.mismatch(f'http://x.test/v2/{IMAGE["id"]}'))
        text = self.mismatch('another')
        self.assertIn('image another is not dummy', text)
        self.assertIn('does not hold it', text)

    def test_by_id_of_a_real_one(self):
        self.source.held[IMAGE['id']]['location'] = 'http://corp.net/'
        self.assertIn('location', self.mismatch(IMAGE['id']))

    def test_name(self):
        self.configure(dummy_image_name='fakeimage[0-9]+')
        self.assertIsNone(self.mismatch(self.image()))
        for name in ('fakeimage', 'xfakeimage1', 'fakeimage1x', '', None):
            with self.subTest(name=name):
                text = self.mismatch(self.image(name=name))
                self.assertIn(repr(name), text)
                self.assertIn('fakeimage[0-9]+', text)

    def test_all_reasons(self):
        self.configure(dummy_image_name='fake.*', max_image_bytes='1')
        self.source.bytes[IMAGE['id']] = 2
        text = self.mismatch(
            self.image(name='real', location='http://corp.net/')
        )
        for reason in ('http://corp.net', '2 bytes', "'real'"):
            with self.subTest(reason=reason):
                self.assertIn(reason, text)

    def test_without_source(self):
        self.assertIsNone(safe_fixtures.IsDummyImage().match(IMAGE))
        self.assertIsNotNone(safe_fixtures.IsDummyImage().match(IMAGE['id']))

    def test_refused_configuration(self):
        self.configure(max_image_bytes='-1')
        self.assertRaises(
            exceptions.ConfigurationError, safe_fixtures.IsDummyImage
        )

    def test_says_its_name(self):
        self.assertEqual('IsDummyImage()', str(safe_fixtures.IsDummyImage()))

    def test_in_assert_that(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.assertThat(image, safe_fixtures.IsDummyImage(source))

        source, image = self.source, self.image()
        self.assertPasses(Inner)
        image['location'] = 'http://corp.net/'
        self.assertFails(Inner, 'is not dummy: location leads outside')


class TestIsDummyFlavor(TestCase):
    def mismatch(self, flavor):
        mismatch = safe_fixtures.IsDummyFlavor(self.source).match(flavor)
        return None if mismatch is None else mismatch.describe()

    def test_known(self):
        for flavor in ('1', FLAVOR, {'id': '1', 'name': 'm1.tiny'}):
            with self.subTest(flavor=flavor):
                self.assertIsNone(self.mismatch(flavor))

    def test_slipped_in(self):
        self.source.rows['9'] = {'flavorid': '9', 'name': 'real'}
        for flavor in ('9', self.source.rows['9'], {'id': '9', 'name': 'r'}):
            with self.subTest(flavor=flavor):
                text = self.mismatch(flavor)
                self.assertIn('flavor 9', text)
                self.assertIn('its creation was not seen', text)

    def test_unknown_id(self):
        self.assertIn('no such flavor', self.mismatch('7'))

    def test_name(self):
        self.configure(dummy_flavor_name='m1[.].*')
        self.assertIsNone(self.mismatch('1'))
        self.source.rows['1']['name'] = 'x.m1.tiny'
        self.assertIn("'x.m1.tiny'", self.mismatch('1'))

    def test_without_source(self):
        self.assertIsNotNone(safe_fixtures.IsDummyFlavor().match(FLAVOR))

    def test_says_its_name(self):
        self.assertEqual('IsDummyFlavor()', str(safe_fixtures.IsDummyFlavor()))


class TestGuard(TestCase):
    """Each request with a fault, and its twin without."""

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Served())
        self.real = dict(
            IMAGE, id='11111111-1111-1111-1111-111111111111',
            location='http://corp.net/i',
        )  # fmt: skip

    def guard(self):
        return safe_fixtures.DummyDataGuard(source=self.source)

    def post(self, path, body, method='POST'):
        return requests.request(
            method, f'{web.URL}/v2.1{path}', json=body
        ).status_code

    def requests_for(self, image, flavor):
        """Return requests that refer to an image or a flavor, with codes."""
        action = f'/servers/{SERVER}/action'
        mapping = {'source_type': 'image', 'uuid': image, 'boot_index': 0}
        with_image = [
            ('/servers', {'server': {'imageRef': image}}),
            (
                '/servers',
                {'server': {'imageRef': f'http://x.test/images/{image}'}},
            ),
            ('/servers', {'server': {'block_device_mapping_v2': [mapping]}}),
            ('/servers', {'server': {'block_device_mapping': [mapping]}}),
            (
                '/os-volumes_boot',
                {'server': {'block_device_mapping_v2': [mapping]}},
            ),
            ('//servers', {'server': {'imageRef': image}}),
            (
                '/servers',
                {'server': {'block_device_mapping_v2': [{'image_id': image}]}},
            ),
            (action, {'rebuild': {'imageRef': image}}),
            (action, {'rescue': {'rescue_image_ref': image}}),
            ('/os-aggregates/1/images', {'cache': [{'id': image}]}),
            (action, {'unshelve': None}),
            (action, {'unshelve': {'host': 'host1'}}),
        ]
        with_flavor = [
            ('/servers', {'server': {'flavorRef': flavor}}),
            (
                '/servers',
                {'server': {'flavorRef': f'http://x.test/flavors/{flavor}'}},
            ),
            ('/servers', {'server': {'flavorRef': int(flavor)}}),
            ('/servers', {'server': {'flavorRef': f'{flavor}?x'}}),
            ('/servers', {'server': {'flavorRef': f' {flavor}'}}),
            (action, {'resize': {'flavorRef': flavor}}),
        ]
        self.source.shelved[SERVER] = image
        return [('SF301', *item) for item in with_image] + [
            ('SF302', *item) for item in with_flavor
        ]

    def _make_real(self):
        self.source.held[self.real['id']] = self.real
        self.source.rows['9'] = {'flavorid': '9', 'name': 'real'}

    def test_references(self):
        self.configure(rule_modes='')
        for code, path, body in self.requests_for(self.real['id'], '9'):
            with self.subTest(code=code, path=path, body=body):
                guard = self.guard()
                guard.setUp()
                self._make_real()
                with safe_fixtures.expect_violation(code) as seen:
                    self.post(path, body)
                self.assertEqual(1, len(seen), body)
                self.assertIn('POST /v2.1/', seen[0].message)
                self.assertEqual([], self.server.requests)
                del self.source.held[self.real['id']], self.source.rows['9']
                guard.cleanUp()

    def test_body_that_is_a_stream(self):
        self._make_real()
        body = json.dumps({'server': {'imageRef': self.real['id']}}).encode()
        with self.guard():
            del self.source.held[self.real['id']]
            requests.post(f'{web.URL}/v2.1/servers', data=io.BytesIO(body))
            # It was read, and sent all the same.
            self.assertEqual(1, len(self.server.requests))
            self._make_real()
            with safe_fixtures.expect_violation('SF301'):
                requests.post(f'{web.URL}/v2.1/servers', data=io.BytesIO(body))
            del self.source.held[self.real['id']], self.source.rows['9']
        self.assertEqual(1, len(self.server.requests))

    def test_references_twin(self):
        for _, path, body in self.requests_for(IMAGE['id'], '1'):
            with self.subTest(path=path, body=body):
                with self.guard() as guard:
                    self.assertEqual(200, self.post(path, body))
                self.assertEqual(1, len(guard.trail.events))
                self.assertTrue(
                    guard.trail.events[0]['action'].startswith('evaluate/')
                )

    def test_references_to_nothing_are_left_to_the_api(self):
        with self.guard() as guard:
            for _, path, body in self.requests_for(SERVER, '77'):
                self.assertEqual(200, self.post(path, body))
            for server in (None, [], 'x', {'imageRef': None}, {},
                           {'imageRef': ''}, {'imageRef': ['x']},
                           {'block_device_mapping_v2': 'x'},
                           {'block_device_mapping_v2': ['x']},
                           {'flavorRef': True}):  # fmt: skip
                with self.subTest(server=server):
                    self.assertEqual(
                        200, self.post('/servers', {'server': server})
                    )
            for body in (None, [], 'text', 3, {}):
                with self.subTest(body=body):
                    self.assertEqual(200, self.post('/servers', body))
        self.assertEqual([], guard.trail.events)

    def test_fields_of_the_source(self):
        self._make_real()
        self.source.request_fields = lambda: (
            fields.Field('image', ('server', 'new_image')),
        )
        with self.guard():
            for name in ('new_image', 'imageRef'):
                body = {'server': {name: self.real['id']}}
                with self.subTest(body=body):
                    with safe_fixtures.expect_violation('SF301'):
                        self.post('/servers/1', body, method='PUT')
            del self.source.held[self.real['id']], self.source.rows['9']

    def test_other_requests_are_left_alone(self):
        self._make_real()
        self.configure(mode='audit')
        with self.guard() as guard:
            body = {'server': {'imageRef': self.real['id']}}
            self.post('/servers', body, method='DELETE')
            self.post('/servers', {'keypair': body['server']})
            self.post('/servers', {'server': {'metadata': body['server']}})
            self.assertEqual([], guard.trail.events)

    def creations(self, name, metadata):
        action = f'/servers/{SERVER}/action'
        return [
            (action, {'createImage': {'name': name, 'metadata': metadata}}),
            (action, {'createBackup': {'name': name, 'metadata': metadata}}),
        ]

    def test_created_by_the_api(self):
        with self.guard():
            for metadata in ({'docs': 'http://corp.net/'},
                             {'location': '/srv/image'}):  # fmt: skip
                for path, body in self.creations('snapshot', metadata):
                    with safe_fixtures.expect_violation('SF301'):
                        self.post(path, body)
        self.assertEqual([], self.server.requests)

    def test_created_by_the_api_twin(self):
        with self.guard():
            for metadata in ({'docs': 'none'}, {}, None):
                for path, body in self.creations('snapshot', metadata):
                    with self.subTest(path=path, body=body):
                        self.assertEqual(200, self.post(path, body))

    def test_names_of_what_is_created(self):
        self.configure(
            dummy_image_name='fake.*', dummy_flavor_name='(m1|fake).*'
        )
        with self.guard():
            for path, body in self.creations('real', {}):
                with safe_fixtures.expect_violation('SF301'):
                    self.post(path, body)
            with safe_fixtures.expect_violation('SF302'):
                self.post('/flavors', {'flavor': {'name': 'real'}})
            self.assertEqual([], self.server.requests)
            for path, body in self.creations('fake', {}):
                with self.subTest(path=path, body=body):
                    self.assertEqual(200, self.post(path, body))
            self.post('/flavors', {'flavor': {'name': 'fake'}})

    def test_created_elsewhere(self):
        with self.guard():
            for image, size in (
                (self.real, 0),
                (dict(IMAGE, id='big'), 1024 * 1024 + 1),
            ):
                with safe_fixtures.expect_violation('SF301'):
                    self.source.create_image(image, size)
            self.assertNotIn('big', self.source.held)
        self.assertEqual([], self.source.watchers)

    def test_created_elsewhere_twin(self):
        with self.guard() as guard:
            self.source.create_image(dict(IMAGE, id='small'), 1024)
            self.source.create_flavor({'flavorid': '5', 'name': 'made'})
            self.post('/servers', {'server': {'flavorRef': '5'}})
            guard.assert_only_dummy_data()
        self.assertEqual(1, len(guard.trail.events))

    def inner(self, change):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(outer.guard())
                change()

        outer = self
        return Inner

    def test_checked_as_a_whole_at_cleanup(self):
        def image_behind_its_back():
            self.source.held[self.real['id']] = self.real

        def flavor_behind_its_back():
            self.source.rows['9'] = {'flavorid': '9', 'name': 'real'}

        self.assertFails(
            self.inner(image_behind_its_back),
            f'SF301 (CWE-531): image {self.real["id"]}',
        )
        del self.source.held[self.real['id']]
        self.assertFails(
            self.inner(flavor_behind_its_back), 'SF302 (CWE-531): flavor 9'
        )
        del self.source.rows['9']
        self.assertPasses(self.inner(lambda: None))

    def test_reported_once(self):
        def refused():
            self._make_real()
            self.post('/servers', {'server': {'imageRef': self.real['id']}})

        self.source.known.add('9')
        self.assertFails(
            self.inner(refused), f'SF301 (CWE-531): image {self.real["id"]}'
        )

    def test_swallowed(self):
        def swallowed():
            self._make_real()
            try:
                self.post('/servers', {'server': {'flavorRef': '9'}})
            except Exception:
                del self.source.held[self.real['id']]

        self.assertFails(self.inner(swallowed), 'SF302 (CWE-531): flavor 9')

    def test_assert_only_dummy_data(self):
        with self.guard() as guard:
            guard.assert_only_dummy_data()
            for _ in range(2):
                self._make_real()
                with safe_fixtures.expect_violation('SF301'):
                    guard.assert_only_dummy_data()
                del self.source.held[self.real['id']]
                with safe_fixtures.expect_violation('SF302'):
                    guard.assert_only_dummy_data()
                del self.source.rows['9']

    def test_in_set_up(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(outer.guard())
                outer._make_real()
                outer.post('/servers', {'server': {'flavorRef': '9'}})

            def test_x(self):
                raise ZeroDivisionError

        outer = self
        self.assertFails(Inner, 'SF302 (CWE-531): flavor 9')
        self.assertEqual([], self.source.watchers)

    def test_without_source(self):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_fixtures.DummyDataGuard().setUp,
        )
        self.assertIn('DummyDataGuard source', str(error))
        self.assertEqual((), gate.OBSERVERS.users)

    def test_temporary_directory_by_a_link(self):
        link = os.path.join(self.tmp, 'link')
        os.symlink('/etc/passwd', link)
        with self.guard():
            with safe_fixtures.expect_violation('SF301'):
                self.source.create_image(self.image(location=f'file://{link}'))


class TestContract(testing.FixtureContract, TestCase):
    def make_fixture(self):
        return safe_fixtures.DummyDataGuard(source=self.source)

    def use(self, fixture):
        fixture.assert_only_dummy_data()

    def state(self):
        return gate.OBSERVERS.users, len(self.source.watchers)

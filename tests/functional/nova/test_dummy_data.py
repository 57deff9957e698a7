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

"""DummyDataGuard on real Nova."""

import io
import types

import ddt
from nova import context as nova_context
from nova.objects import flavor as flavor_objects
from nova import test
from nova.tests.fixtures import glance
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from oslo_config import fixture as config_fixture
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from safe_fixtures import conf
from safe_fixtures import DummyDataGuard
from safe_fixtures import expect_violation
from safe_fixtures.guards.dummy_data import fields as known_fields
from safe_fixtures import IsDummyFlavor
from safe_fixtures import IsDummyImage
from safe_fixtures import nova as safe_nova
from safe_fixtures.nova import request_fields
from tests.functional.nova import inner
from tests.support import subtests

PUBLIC = 'https://images.openstack.org/real.img'
IMAGE = glance.GlanceFixture.image1['id']


class Servers(safe_nova.SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = '2.79'

    def spoil_image(self, image_id=IMAGE):
        """Let an image lead to a public host, and nobody see it."""
        self.glance.images[image_id]['direct_url'] = PUBLIC

    def spoil_flavor(self):
        """Put a flavor into the table, and nobody see it."""
        flavor_objects._flavor_create(
            nova_context.get_admin_context(),
            {
                'flavorid': 'real',
                'name': 'production',
                'memory_mb': 512,
                'vcpus': 1,
                'root_gb': 1,
                'ephemeral_gb': 0,
                'swap': 0,
                'rxtx_factor': 1.0,
                'is_public': True,
            },
        )
        return 'real'

    def body(self, **server):
        return {
            'server': {
                'name': 'dummy',
                'imageRef': IMAGE,
                'flavorRef': '1',
                'networks': 'none',
                **server,
            }
        }


class DataTestCase(subtests.SubTests, testtools.TestCase):
    def run_test(self, act, base=Servers, settings=()):
        class Inner(base):
            def setUp(self):
                if settings:
                    self.useFixture(config_fixture.Config(conf.CONF)).config(
                        group='safe_fixtures', **settings
                    )
                super().setUp()

            def test(self):
                act(self)

        self.result = inner.run_inner(Inner)
        return inner.problems(self.result)

    def assert_passes(self, act, **kwargs):
        self.assertEqual('', self.run_test(act, **kwargs))

    def assert_refused(self, code, act, when, **kwargs):
        problems = self.run_test(act, **kwargs)
        self.assertEqual(
            (0, 1),
            (len(self.result.errors), len(self.result.failures)),
            problems,
        )
        self.assertIn(code, problems)
        self.assertIn(when, problems)


# Each returns a request, and the status of the server once it is served.


def create(test, spoil):
    if spoil:
        test.spoil_image()
    return lambda: test.api.post_server(test.body()), 'ACTIVE'


def create_from_device(test, spoil):
    if spoil:
        test.spoil_image()
    device = {
        'source_type': 'image',
        'destination_type': 'local',
        'boot_index': 0,
        'uuid': IMAGE,
    }
    body = test.body(block_device_mapping_v2=[device])
    return lambda: test.api.post_server(body), 'ACTIVE'


def _act(test, server, **action):
    return lambda: test.api.post_server_action(server['id'], action)


def _server(test):
    return test._create_server(image_uuid=IMAGE, networks='none')


def rebuild(test, spoil):
    server = _server(test)
    other = glance.GlanceFixture.image2['id']
    if spoil:
        test.spoil_image(other)
    return _act(test, server, rebuild={'imageRef': other}), 'ACTIVE'


def unshelve(test, spoil):
    test.flags(shelved_offload_time=0)
    server = _server(test)
    before = set(test.glance.images)
    test._shelve_server(server)
    (snapshot,) = set(test.glance.images) - before
    if spoil:
        test.spoil_image(snapshot)
    return _act(test, server, unshelve=None), 'ACTIVE'


def rescue(test, spoil):
    server = _server(test)
    other = glance.GlanceFixture.image2['id']
    if spoil:
        test.spoil_image(other)
    return _act(test, server, rescue={'rescue_image_ref': other}), 'RESCUE'


def create_image(test, spoil):
    server = _server(test)
    metadata = {'copy_from': PUBLIC} if spoil else {}
    image = {'name': 'new', 'metadata': metadata}
    return _act(test, server, createImage=image), 'ACTIVE'


def create_with_flavor(test, spoil):
    flavor = test.spoil_flavor() if spoil else test._create_flavor()
    body = test.body(flavorRef=flavor)
    return lambda: test.api.post_server(body), 'ACTIVE'


def resize(test, spoil):
    test.flags(allow_resize_to_same_host=True)
    server = _server(test)
    flavor = test.spoil_flavor() if spoil else '2'
    return _act(test, server, resize={'flavorRef': flavor}), 'VERIFY_RESIZE'


class TestFields(testtools.TestCase):
    """A field that a new release brings is looked at by a person."""

    def test_known(self):
        derived = set(request_fields.reference_fields())
        # Those of Nova before 2.1 have no schema.
        old = {
            field for field in known_fields.KNOWN
            if field.path[:2] == ('server', 'block_device_mapping')
            and field.given
        }  # fmt: skip
        self.assertEqual(set(known_fields.KNOWN), derived | old)


@ddt.ddt
class TestRequests(DataTestCase):
    """A request that refers to real data is refused before it is served."""

    @staticmethod
    def _state(test):
        servers = [
            (each['id'], each['image'], each['OS-EXT-STS:task_state'])
            for each in test.api.get_servers()
        ]
        return servers, set(test.glance.images)

    @ddt.data(
        ('SF301', create, 'POST /v2.1/servers)'),
        ('SF301', create_from_device, 'POST /v2.1/servers)'),
        ('SF301', rebuild, '/action)'),
        ('SF301', rescue, '/action)'),
        ('SF301', unshelve, '/action)'),
        ('SF301', create_image, '/action)'),
        ('SF302', create_with_flavor, 'POST /v2.1/servers)'),
        ('SF302', resize, '/action)'),
    )
    @ddt.unpack
    def test_refused(self, code, prepare, when):
        states = []

        def act(test):
            request, _ = prepare(test, True)
            states.append(self._state(test))
            try:
                request()
            finally:
                states.append(self._state(test))

        self.assert_refused(code, act, when)
        self.assertEqual(states[0], states[1])

    @ddt.data(
        create,
        create_from_device,
        rebuild,
        rescue,
        unshelve,
        create_image,
        create_with_flavor,
        resize,
    )
    def test_dummy_data_is_served(self, prepare):
        def act(test):
            request, status = prepare(test, False)
            request()
            (server,) = test.api.get_servers()
            test._wait_for_server_parameter(
                server,
                {'status': status, 'OS-EXT-STS:task_state': None},
            )

        self.assert_passes(act)

    def cache_image(self, spoil):
        def act(test):
            aggregate = test.admin_api.post_aggregate(
                {'aggregate': {'name': 'dummy', 'availability_zone': None}}
            )
            if spoil:
                test.spoil_image()
            test.admin_api.microversion = '2.81'
            test.admin_api.api_post(
                f'/os-aggregates/{aggregate["id"]}/images',
                {'cache': [{'id': IMAGE}]},
                check_response_status=[202],
            )

        return act

    def test_image_to_be_cached(self):
        self.assert_refused('SF301', self.cache_image(True), '/images)')

    def test_image_to_be_cached_twin(self):
        self.assert_passes(self.cache_image(False))

    def test_swallowed(self):
        def act(test):
            try:
                create(test, True)[0]()
            except AssertionError:
                pass

        self.assert_refused('SF301', act, 'POST /v2.1/servers)')

    def test_unresolvable_references_are_left_to_nova(self):
        def act(test):
            for fields in (
                {'imageRef': uuids.no_such_image},
                {'flavorRef': 'no-such-flavor'},
            ):
                with self.subTest(**fields):
                    error = test.assertRaises(
                        client.OpenStackApiException,
                        test.api.post_server,
                        test.body(**fields),
                    )
                    test.assertEqual(400, error.response.status_code)

        self.assert_passes(act)


class TestImages(DataTestCase):
    """Images that the test puts into the fake Glance."""

    class Images(safe_nova.SafeTestCase):
        def setUp(self):
            super().setUp()
            self.glance = self.useFixture(glance.GlanceFixture(self))

    @staticmethod
    def _put(data=None, **fields):
        return lambda test: test.glance.create(
            None,
            {'id': uuids.new, 'name': 'new', 'properties': {}, **fields},
            data=None if data is None else io.BytesIO(data),
        )

    def test_data_and_their_limit(self):
        settings = {'max_image_bytes': 10}
        self.assert_passes(
            self._put(b'x' * 10), base=self.Images, settings=settings
        )
        self.assert_refused(
            'SF301',
            self._put(b'x' * 11),
            '11 bytes of data are stored, more than 10 (image creation)',
            base=self.Images,
            settings=settings,
        )

    def test_locations(self):
        for fields in (
            {'direct_url': PUBLIC},
            {'locations': [{'url': PUBLIC, 'metadata': {}}]},
            {'copy_from': PUBLIC},
            {'properties': {'source': PUBLIC}},
        ):
            with self.subTest(fields=fields):
                self.assert_refused(
                    'SF301',
                    self._put(**fields),
                    'leads outside the test (https://images.openstack.org)',
                    base=self.Images,
                )

    def test_locations_within_the_test(self):
        self.assert_passes(
            self._put(
                direct_url='http://127.0.0.1/x',
                properties={'source': 'https://images.example.org/x'},
            ),
            base=self.Images,
        )

    def test_update(self):
        def act(url):
            return lambda test: test.glance.update(
                None, IMAGE, {'properties': {'source': url}}
            )

        self.assert_passes(act('http://localhost/x'), base=self.Images)
        self.assert_refused(
            'SF301', act(PUBLIC), '(image creation)', base=self.Images
        )

    def test_checked_as_a_whole_at_cleanup(self):
        def act(test):
            test.glance.images[IMAGE]['direct_url'] = PUBLIC

        self.assert_refused('SF301', act, '(all images)', base=self.Images)

    def test_name(self):
        settings = {'dummy_image_name': '(fakeimage.*|fake.*|dummy-.*)'}
        self.assert_passes(
            self._put(name='dummy-1'), base=self.Images, settings=settings
        )
        self.assert_refused(
            'SF301',
            self._put(name='ubuntu'),
            "its name 'ubuntu' does not match",
            base=self.Images,
            settings=settings,
        )


class TestFlavors(DataTestCase):
    """Flavors, seen to be created or not."""

    @staticmethod
    def _post(name):
        return lambda test: test.admin_api.post_flavor(
            {
                'flavor': {
                    'name': name,
                    'id': '77',
                    'ram': 1,
                    'vcpus': 1,
                    'disk': 1,
                }
            }
        )

    def test_checked_as_a_whole_at_cleanup(self):
        self.assert_passes(self._post('new'), base=inner.SafeApiTestCase)
        self.assert_refused(
            'SF302',
            Servers.spoil_flavor,
            '(all flavors)',
            base=inner.SafeApiTestCase,
        )

    def test_name(self):
        settings = {'dummy_flavor_name': r'm1\..*|dummy-.*'}
        self.assert_passes(
            self._post('dummy-1'),
            base=inner.SafeApiTestCase,
            settings=settings,
        )
        names = []

        def act(test):
            try:
                self._post('large')(test)
            finally:
                names.extend(f['name'] for f in test.admin_api.get_flavors())

        self.assert_refused(
            'SF302',
            act,
            'POST /v2.1/flavors)',
            base=inner.SafeApiTestCase,
            settings=settings,
        )
        self.assertIn('m1.tiny', names)
        self.assertNotIn('large', names)


class TestPatches(DataTestCase):
    """Nova is given back what was patched, and left alone without need."""

    @staticmethod
    def _patched():
        return (
            vars(glance.GlanceFixture)['create'],
            vars(glance.GlanceFixture)['update'],
            vars(flavor_objects.Flavor)['_flavor_create'],
        )

    def test_given_back(self):
        before = self._patched()
        during = []
        self.assert_passes(
            lambda test: during.extend(self._patched()),
            base=safe_nova.SafeTestCase,
        )
        for old, new in zip(before, during, strict=True):
            with self.subTest(old=old):
                self.assertIsNot(old, new)
        for old, new in zip(before, self._patched(), strict=True):
            with self.subTest(old=old):
                self.assertIs(old, new)

    def test_plain_nova_test(self):
        def act(test):
            test.useFixture(DummyDataGuard())
            images = test.useFixture(glance.GlanceFixture(test))
            images.images[IMAGE]['direct_url'] = PUBLIC

        self.assert_refused('SF301', act, '(all images)', base=test.TestCase)

    def test_function_that_is_named_as_one_of_nova(self):
        asked = []

        def pretend():
            asked.append(1)
            return types.SimpleNamespace(images={})

        pretend.__module__ = glance.__name__

        def act(test):
            test.stub_out(
                'nova.image.glance.get_default_image_service', pretend
            )
            test.assertOnlyDummyData()

        self.assert_passes(act, base=safe_nova.SafeTestCase)
        self.assertEqual([], asked)

    def test_no_database(self):
        def act(test):
            test.assertOnlyDummyData()

        self.assert_passes(act, base=safe_nova.SafeNoDBTestCase)


class TestLateGuard(testtools.TestCase):
    """What was there before the guard counts too."""

    def test_images_from_before(self):
        class Late(integrated_helpers._IntegratedTestBase):
            def setUp(self):
                self.useFixture(safe_nova.InstalledNova())
                super().setUp()
                self.glance.create(
                    None, {'id': uuids.early, 'copy_from': 'https://a.org/x'}
                )
                self.guard = self.useFixture(DummyDataGuard())

            def test(self):
                self.assertThat(self.glance.image1['id'], IsDummyImage())
                self.assertThat('1', IsDummyFlavor())
                server = self._build_server(
                    image_uuid=uuids.early, networks='none'
                )
                with expect_violation('SF301'):
                    self.api.post_server({'server': server})
                with expect_violation('SF301'):
                    self.guard.assert_only_dummy_data()
                del self.glance.images[uuids.early]

        result = testtools.TestResult()
        Late('test').run(result)
        self.assertTrue(result.wasSuccessful(), inner.problems(result))

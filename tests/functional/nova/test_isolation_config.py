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


from nova import conf as nova_conf
from nova import context as nova_context
from nova.db.main import api as main_db
from nova import objects
from nova.tests.functional.libvirt import base as libvirt_base
from oslo_config import cfg
from oslo_db.sqlalchemy import enginefacade
from oslo_db.sqlalchemy import engines
import oslo_messaging
from oslo_messaging import get_notification_transport
from oslo_messaging import get_rpc_transport
from oslo_messaging import transport as messaging_transport
from oslo_utils.fixture import uuidsentinel as uuids
import psycopg2
from psycopg2 import connect
import sqlalchemy
from sqlalchemy import create_engine
from sqlalchemy.engine import base as engine_base
from sqlalchemy import engine_from_config
import testscenarios
import testtools

from safe_fixtures.guards import isolation
from safe_fixtures.guards.isolation import configuration
from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner
from tests.support import subtests

CONF = nova_conf.CONF
# What is watched.
_TARGETS = (
    (engine_base.Engine, '__init__'),
    (messaging_transport.Transport, '__init__'),
    (psycopg2, '_connect'),
)
_URL = 'postgresql+psycopg2://nova:s3cret@db.acme.com:5432/nova'
# A port that nobody listens on.
_OF_TESTS = 'user=openstack_citest host=localhost port=1'
_BUS = 'rabbit://nova:s3cret@bus.acme.com:5672/'


def state():
    return [id(vars(target)[name]) for target, name in _TARGETS]


def guard():
    """Return a guard of the configuration alone."""
    return isolation.IsolationGuard(
        network=False, processes=False, files=False, credentials=False
    )


def conf_of_bus(url):
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    oslo_messaging.conffixture.ConfFixture(conf)
    conf.set_override('transport_url', url)
    return conf


def rpc_of_several_hosts(url):
    more = url.replace('5672/', '5672,nova:s3cret@bus2.acme.com:5672/')
    get_rpc_transport(conf_of_bus('fake://'), more)


def facade(url):
    manager = enginefacade.transaction_context()
    manager.configure(connection=url)
    manager.writer.get_engine()


def creator(url):
    # The URL of the engine says something else than what it connects to.
    engine = create_engine('sqlite://', creator=lambda: connect(url))
    engine.connect()


def cell(database='sqlite://', transport='fake://'):
    """Do what every look into a cell does."""
    mapping = objects.CellMapping(
        uuid=uuids.cell,
        database_connection=database,
        transport_url=transport,
    )
    context = nova_context.get_admin_context()
    try:
        nova_context.set_target_cell(context, mapping)
        main_db.get_engine(context=context)
    finally:
        nova_context.CELL_CACHE.pop(uuids.cell, None)


def connect_to_none(dsn):
    try:
        connect(dsn)
    except psycopg2.OperationalError:
        pass


class TestMaking(
    testscenarios.WithScenarios, subtests.SubTests, testtools.TestCase
):
    """Each way to make an engine or a transport, there and not there."""

    scenarios = [
        (name, {'make': make, 'bad': bad, 'good': good, 'code': code})
        for code, name, make, bad, good in [
            ('SF402', 'create_engine', create_engine, _URL, 'sqlite://'),
            (
                'SF402',
                'create_engine_with_arguments',
                lambda url: create_engine(
                    url, logging_name='x', query_cache_size=0, echo=False
                ),
                'mysql+pymysql://nova:s3cret@db.acme.com/nova',
                'sqlite:///:memory:',
            ),
            (
                'SF402',
                'url_object',
                lambda url: create_engine(sqlalchemy.make_url(url)),
                'sqlite:////var/lib/nova/nova.sqlite',
                'sqlite:///file:x?mode=memory&uri=true',
            ),
            (
                'SF402',
                'engine_from_config',
                lambda url: engine_from_config({'sqlalchemy.url': url}),
                _URL,
                'sqlite://',
            ),
            (
                'SF402',
                'engine_by_hand',
                lambda url: engine_base.Engine(
                    pool=None, dialect=None, url=sqlalchemy.make_url(url)
                ),
                _URL,
                'sqlite://',
            ),
            ('SF402', 'oslo_db', engines.create_engine, _URL, 'sqlite://'),
            ('SF402', 'enginefacade', facade, _URL, 'sqlite://'),
            (
                'SF402',
                'mock_engine',
                # That connects to nothing.
                lambda url: (
                    sqlalchemy.create_mock_engine(_URL, print),
                    create_engine(url),
                ),
                _URL,
                'sqlite://',
            ),
            ('SF402', 'cell', cell, _URL, 'sqlite://'),
            (
                'SF402',
                'psycopg2',
                lambda dsn: dsn and connect(dsn),
                'host=db.acme.com password=s3cret',
                '',
            ),
            (
                'SF402',
                'psycopg2_by_keywords',
                lambda host: (
                    host and psycopg2.connect(host=host, password='s3cret')
                ),
                'db.acme.com',
                '',
            ),
            (
                'SF402',
                'psycopg2_of_tests',
                connect_to_none,
                f'{_OF_TESTS} hostaddr=192.0.2.1',
                _OF_TESTS,
            ),
            (
                'SF402',
                'creator',
                lambda dsn: dsn and creator(dsn),
                'host=db.acme.com password=s3cret',
                '',
            ),
            (
                'SF403',
                'rpc',
                lambda url: get_rpc_transport(conf_of_bus(url)),
                _BUS,
                'fake:/',
            ),
            (
                'SF403',
                'rpc_by_default',
                lambda url: get_rpc_transport(conf_of_bus(url)),
                'rabbit://',
                'fake://',
            ),
            (
                'SF403',
                'rpc_url',
                lambda url: get_rpc_transport(conf_of_bus('fake://'), url),
                _BUS,
                'fake://nowhere/',
            ),
            (
                'SF403',
                'rpc_url_object',
                lambda url: get_rpc_transport(
                    conf_of_bus('fake://'),
                    oslo_messaging.TransportURL.parse(cfg.CONF, url),
                ),
                _BUS,
                'fake://',
            ),
            (
                'SF403',
                'rpc_of_several_hosts',
                rpc_of_several_hosts,
                _BUS,
                'fake://a:5672/',
            ),
            (
                'SF403',
                'notification',
                lambda url: get_notification_transport(conf_of_bus(url)),
                _BUS,
                'fake://',
            ),
            (
                'SF403',
                'notification_url',
                lambda url: get_notification_transport(
                    conf_of_bus('fake://'), url
                ),
                _BUS,
                'fake://',
            ),
            (
                'SF403',
                'cell_transport',
                lambda url: cell(transport=url),
                _BUS,
                'fake://',
            ),
        ]
    ]

    def run_inner(self, url, fault=None):
        make = self.make

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(guard())
                if fault == 'setUp':
                    make(url)

            def test(self):
                make(url)

        before = state()
        result = inner.run_inner(Inner)
        self.assertEqual(before, state())
        return inner.problems(result)

    def test_refused(self):
        for fault in (None, 'setUp'):
            with self.subTest(fault=fault):
                text = self.run_inner(self.bad, fault)
                self.assertIn(f'{self.code} (CWE-668): ', text)
                self.assertIn(' that leads outside the test (', text)
                # The source of the test is in the traceback as well.
                self.assertNotIn('s3cret@', text)

    def test_not_refused(self):
        self.assertEqual('', self.run_inner(self.good))


class TestSwallowed(testtools.TestCase):
    def test_it_fails_the_test_all_the_same(self):
        class Inner(testtools.TestCase):
            def test(self):
                self.useFixture(guard())
                try:
                    create_engine(_URL)
                except Exception:
                    pass

        before = state()
        text = inner.problems(inner.run_inner(Inner))
        self.assertEqual(1, text.count('SF402 (CWE-668)'), text)
        self.assertEqual(before, state())


class TestStockOptions(testscenarios.WithScenarios, testtools.TestCase):
    """No option of a stock test leads outside."""

    scenarios = [
        (base.__name__, {'base': base})
        for base in (
            safe_nova.SafeIntegratedTestBase,
            safe_nova.SafeNoDBTestCase,
            safe_nova.hardened(libvirt_base.ServersTestBase),
        )
    ]

    def test_none(self):
        found = []

        class Inner(self.base):
            def test(self):
                found.append(list(configuration.faults(CONF)))
                placement = getattr(self, 'placement', None)
                if placement is not None:
                    conf = placement.fixture.conf_fixture.conf
                    found.append(list(configuration.faults(conf)))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual([[]] * len(found), found)


class TestChangedOptions(testtools.TestCase):
    def test_found(self):
        found = []

        class Inner(safe_nova.SafeNoDBTestCase):
            def test(self):
                self.flags(connection=_URL, group='database')
                self.flags(transport_url=_BUS)
                self.flags(my_ip='10.0.0.5')
                self.flags(
                    api_servers=['http://localhost', 'http://$my_ip/'],
                    group='glance',
                )
                self.flags(server_proxyclient_address='$my_ip', group='spice')
                found.extend(configuration.faults(CONF))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(
            {
                '[database] connection leads outside the test '
                '(postgresql+psycopg2://***@db.acme.com:5432)',
                '[DEFAULT] transport_url leads outside the test '
                '(rabbit://***@bus.acme.com:5672)',
                '[glance] api_servers leads outside the test '
                '(http://10.0.0.5)',
            },
            {each.message for each in found},
        )
        self.assertEqual(
            ['SF401', 'SF402', 'SF403'], sorted(each.code for each in found)
        )

    def test_engine_of_a_changed_option(self):
        class Inner(safe_nova.SafeNoDBTestCase):
            USES_DB_SELF = True

            def test(self):
                self.useFixture(guard())
                self.flags(connection=_URL, group='database')
                manager = main_db.create_context_manager(
                    CONF.database.connection
                )
                manager.writer.get_engine()

        text = inner.problems(inner.run_inner(Inner))
        self.assertIn('SF402 (CWE-668)', text)

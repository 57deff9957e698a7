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


import functools
import os
import tempfile

import fixtures
from oslo_config import cfg
from oslo_config import types
import testscenarios
import wsgi_intercept

from safe_fixtures.boundary import references
from safe_fixtures.boundary import temporary
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import configuration
from tests.support import base

SECRET = 's3cret'
TEMPORARY = os.path.join(tempfile.gettempdir(), 'nova.sqlite')


def conf_with(opt, group='vendor', *, args=(), files=(), **values):
    """Return a configuration with one option of its own."""
    conf = cfg.ConfigOpts()
    conf.register_opt(opt, group=group)
    conf(list(args), default_config_files=files, default_config_dirs=[])
    for name, value in values.items():
        conf.set_override(name, value, group=group)
    return conf


def faults(opt, value, allowed=()):
    conf = conf_with(opt)
    conf.set_override(opt.dest, value, group='vendor')
    return list(configuration.faults(conf, allowed))


def option(name, kind=None, **kwargs):
    return cfg.Opt(name, type=kind or types.String(), **kwargs)


class AwayMixin:
    """Somewhere that is not temporary, as paths may be relative."""

    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir('/')


class TestValues(testscenarios.WithScenarios, AwayMixin, base.TestCase):
    """What leads outside, and its twin that does not."""

    scenarios = [
        (
            f'{opt.dest}_{type(opt).__name__}_{bad}',
            {'opt': opt, 'bad': bad, 'good': good, 'code': code},
        )
        for code, opt, bad, good in [
            # Databases, whatever the option is called.
            ('SF402', option('connection'), 'mysql://db/nova', 'sqlite://'),
            (
                'SF402',
                option('slave_connection', secret=True),
                'mysql+pymysql://nova:s3cret@db:3306/nova?charset=utf8',
                'sqlite:///:memory:',
            ),
            ('SF402', option('store'), 'postgresql://127.0.0.1/x', 'x'),
            ('SF402', option('store'), 'MariaDB://localhost/x', ''),
            ('SF402', option('store'), 'mongodb+srv://c.acme.com/', 'c'),
            ('SF402', option('connection'), 'newsql://db/x', 'http://db/x'),
            (
                'SF402',
                option('connection'),
                'sqlite:////var/lib/nova/nova.sqlite',
                f'sqlite:///{TEMPORARY}',
            ),
            ('SF402', option('connection'), 'sqlite:///a.db', 'sqlite:///'),
            (
                'SF402',
                option('connection'),
                'sqlite:///file:/var/x?uri=true',
                'sqlite:///file:x?mode=memory&uri=true',
            ),
            (
                'SF402',
                option('connection'),
                'sqlite:///file:x?mode=memory',
                'sqlite:///file:x?mode=memory&uri=1',
            ),
            (
                'SF401',
                option('api'),
                'http://acme.com\\@127.0.0.1/',
                'http://acme.test/',
            ),
            (
                'SF402',
                option('connection'),
                # Not the name of a file that is there in memory.
                'sqlite:///x?mode=memory',
                'sqlite:///file::memory:?cache=shared&uri=true',
            ),
            (
                'SF402',
                option('connection'),
                f'sqlite:///{tempfile.gettempdir()}/../etc/x',
                f'sqlite+pysqlite:///{TEMPORARY}?timeout=3',
            ),
            (
                'SF402',
                cfg.ListOpt('stores'),
                ['sqlite://', 'oracle://db'],
                ['sqlite://'],
            ),
            # Buses.
            (
                'SF403',
                option('transport_url', secret=True),
                'rabbit://nova:s3cret@bus:5672/',
                'fake://nowhere/',
            ),
            ('SF403', option('transport_url'), 'rabbit://', 'fake:/'),
            ('SF403', option('transport_url'), 'rabbit:/', 'fake://'),
            ('SF403', option('transport_url'), 'vendor://b', 'messaging://'),
            ('SF403', option('notify'), 'kafka://localhost:9092', 'kafka'),
            ('SF403', option('notify'), 'kombu+redis://', 'kombu+memory://'),
            # Endpoints.
            (
                'SF401',
                option('base', types.URI()),
                'http://10.0.0.5/',
                'http://127.0.0.1/',
            ),
            (
                'SF401',
                option('api'),
                'https://api.acme.com:8774/v2.1',
                'https://api.acme.example:8774/v2.1',
            ),
            ('SF401', option('api'), 'http://[2001:470::1]/', 'http://[::1]'),
            ('SF401', option('api'), 'ws://8.8.8.8', 'ws://198.51.100.8'),
            ('SF401', option('api'), 'http://167772165/', 'http://host1/'),
            ('SF401', option('api'), 'http://10.1/', 'http://127.1/'),
            (
                'SF401',
                option('api'),
                'http://[::ffff:10.0.0.5]/',
                'http://[::ffff:127.0.0.1]/',
            ),
            (
                'SF401',
                option('api'),
                'http://127.0.0.1\\@acme.com/',
                'http://acme.com@127.0.0.1/',
            ),
            (
                'SF401',
                option('api'),
                'http://localhost/?next=http://acme.com/',
                'http://localhost/?next=acme.com',
            ),
            (
                'SF401',
                option('targets'),
                'name@http://169.254.169.254:80/x',
                'name@http://127.0.0.1:123',
            ),
            (
                'SF401',
                option('connection_uri'),
                'qemu+ssh://root@10.0.0.5/system',
                'qemu:///system',
            ),
            (
                'SF401',
                option('connection_string'),
                'redis://10.0.0.5:6379',
                'redis://localhost:6379',
            ),
            (
                'SF401',
                option('sentinels'),
                'redis://localhost:1,10.0.0.5:2',
                'redis://localhost:1,localhost:2',
            ),
            (
                'SF401',
                cfg.ListOpt('api_servers'),
                ['http://localhost:9292', 'glance.acme.com:9292'],
                ['http://localhost:9292', 'glance.test:9292'],
            ),
            (
                'SF401',
                cfg.DictOpt('places'),
                {'a': 'http://acme.com', 'b': 'http://a.test'},
                {'http': 'acme'},
            ),
            (
                'SF401',
                cfg.MultiStrOpt('endpoints'),
                ['localhost', 'acme.com'],
                ['localhost', 'acme'],
            ),
            # Hosts, by the type of the option or by its name.
            (
                'SF401',
                option('console', types.HostAddress()),
                'acme.com',
                '0.0.0.0',
            ),
            ('SF401', option('c', types.HostDomain()), '10.0.0.5', 'c_1'),
            ('SF401', option('c', types.IPAddress()), '2001:470::1', '::'),
            (
                'SF401',
                option('c', types.List(item_type=types.HostAddress())),
                ['localhost', 'acme.com'],
                ['localhost', 'compute1'],
            ),
            ('SF401', option('smtp_server'), 'mail.acme.com', 'mail.invalid'),
            ('SF401', option('proxy-host'), 'nova@acme.com:22', 'nova@a:22'),
            ('SF401', option('dns_servers'), '::1, 8.8.8.8', '::1, ::'),
            ('SF401', option('iscsi_ip'), '192.168.1.2', '192.0.2.2'),
            ('SF401', option('url'), 'acme.com/path', 'policy.d/path'),
            ('SF401', option('memcached_servers'), '10.1:11211', '127.1:1'),
            # Whatever it is called.
            ('SF401', option('whatever'), '10.0.0.5', '10.0.0.0/24'),
            ('SF401', option('whatever'), '10.0.0.5:80', '10.5:80'),
            ('SF401', option('whatever'), 'acme.com:443', 'acme.com'),
            ('SF401', option('whatever'), '2001:470::1', 'a:b::c'),
            # What only looks like it.
            ('SF401', option('whatever'), '1.2.3.4', '1.2.3'),
            ('SF401', option('whatever'), '10.0.0.1', '255.255.255.0'),
            ('SF401', option('server_a'), 'http://a.com', 'nova.conf.server'),
            ('SF401', option('my_url'), 'http://a.com/', '10.0.0.5'),
            ('SF401', option('listen_url'), 'http://a.com/', '10.0.0.5'),
            ('SF401', option('template'), 'http://a.com/', 'http://%(a.b)s/'),
        ]
    ]

    def test_outside(self):
        found = faults(self.opt, self.bad)
        self.assertEqual([self.code], [each.code for each in found])
        name = f'[vendor] {self.opt.dest}'
        self.assertEqual(name, found[0].target)
        self.assertStartsWith(
            f'{name} leads outside the test (', found[0].message
        )
        self.assertNotIn(SECRET, found[0].message)

    def assertStartsWith(self, expected, actual):
        self.assertEqual(expected, actual[: len(expected)])

    def test_inside(self):
        self.assertEqual([], faults(self.opt, self.good))


class TestNoReference(testscenarios.WithScenarios, base.TestCase):
    """What stock options of OpenStack say, none of which leads anywhere."""

    scenarios = [
        (f'{opt.dest}_{value}', {'opt': opt, 'value': value})
        for opt, value in [
            (option('catalog_info'), 'volumev3::publicURL'),
            (option('otlp_protocol'), 'http/protobuf'),
            (option('compute'), '6.4'),
            (option('api_version'), '10.0.0.1'),
            (option('netmask'), '10.255.255.0'),
            (option('host_manager'), 'nova.scheduler.host_manager.Manager'),
            (option('policy_file'), 'policy.yaml'),
            (option('endpoint_id'), 'ENDPOINT.ID'),
            (option('alias'), '{"address": "0000:81:00.0", "id": "1.2"}'),
            (option('mac'), 'fa:16:3e:00:00:01'),
            (option('format'), '%(asctime)s.%(msecs)03d %(name)s'),
            (option('live_migration_uri'), 'qemu+tcp://%s/system'),
            (option('password', secret=True), 'db.acme:1234'),
            (option('paths'), '/var//lib/nova.d:10'),
            (option('unit', types.Integer()), 3306),
            (option('rate', types.Float()), 10.5),
            (option('on', types.Boolean()), True),
            (cfg.ListOpt('log_levels'), ['amqp=WARN', 'a.b=INFO']),
        ]
    ]

    def test_inside(self):
        self.assertEqual([], faults(self.opt, self.value))


class TestOptions(base.TestCase):
    """Where the value of an option comes from, and what else it says."""

    def found(self, conf, allowed=()):
        return [each.message for each in configuration.faults(conf, allowed)]

    def test_interpolated(self):
        conf = conf_with(option('place', default='$my_ip'))
        conf.register_opt(option('my_ip'))
        conf.register_opt(option('base', default='http://${vendor.x}/'))
        conf.register_opt(option('x', default='acme.com'), group='vendor')
        conf.set_override('my_ip', '10.0.0.5')
        # By its own name a host is this machine; a URL of it may be served
        # by something else.
        self.assertEqual(
            ['[DEFAULT] base leads outside the test (http://acme.com)'],
            self.found(conf),
        )
        conf.set_override('x', 'acme.test', group='vendor')
        self.assertEqual([], self.found(conf))
        conf.set_override('x', '$my_ip', group='vendor')
        self.assertEqual(
            ['[DEFAULT] base leads outside the test (http://10.0.0.5)'],
            self.found(conf),
        )

    def test_without_a_value(self):
        conf = conf_with(option('url', default='http://$nothing/'))
        conf.register_opt(option('required', required=True))
        conf.register_opt(
            option('url', types.URI(max_length=3), default='http://$other')
        )
        conf.register_opt(option('other', default='acme.com'))
        conf.register_opt(option('unset_url'))
        self.assertEqual([], self.found(conf))

    def test_defaults(self):
        conf = conf_with(option('url', default='http://acme.com'))
        self.assertEqual(1, len(self.found(conf)))
        conf.set_default('url', 'http://acme.test', group='vendor')
        self.assertEqual([], self.found(conf))
        conf.set_override('url', 'http://acme.com', group='vendor')
        self.assertEqual(1, len(self.found(conf)))
        conf.set_override('url', None, group='vendor')
        self.assertEqual([], self.found(conf))
        conf.clear_override('url', group='vendor')
        conf.set_default('url', 'http://acme.org', group='vendor')
        self.assertEqual(1, len(self.found(conf)))

    def test_default_transport_is_not_in_use(self):
        conf = conf_with(option('transport_url', default='rabbit://'), None)
        self.assertEqual([], self.found(conf))
        conf.set_override('transport_url', 'rabbit://')
        self.assertEqual(
            ['[DEFAULT] transport_url leads outside the test (rabbit://)'],
            self.found(conf),
        )
        conf = conf_with(option('transport_url', default='rabbit://b'), None)
        self.assertEqual(1, len(self.found(conf)))

    def test_who_serves(self):
        # In DEFAULT it is the name of the service, elsewhere it is a host.
        conf = conf_with(option('host', default='c1.acme.com'), None)
        self.assertEqual([], self.found(conf))
        conf = conf_with(option('host', default='c1.acme.com'))
        self.assertEqual(1, len(self.found(conf)))

    def test_file(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'x')
        with open(path, 'w') as stream:
            stream.write('[vendor]\nold_url = http://u:s3cret@acme.com/\n')
        opt = option('url', deprecated_name='old_url')
        self.assertEqual(
            ['[vendor] url leads outside the test (http://***@acme.com)'],
            self.found(conf_with(opt, files=[path])),
        )
        self.assertEqual([], self.found(conf_with(opt)))

    def test_directory_of_files(self):
        directory = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(directory, 'a.conf'), 'w') as stream:
            stream.write('[vendor]\nurl = http://acme.com/\n')
        conf = cfg.ConfigOpts()
        conf.register_opt(option('url'), group='vendor')
        conf([], default_config_files=[], default_config_dirs=[directory])
        self.assertEqual(1, len(self.found(conf)))

    def test_environment(self):
        opt = option('admin-url')
        self.useFixture(
            fixtures.EnvironmentVariable(
                'OS_VENDOR__ADMIN_URL', 'http://acme.com'
            )
        )
        self.assertEqual(1, len(self.found(conf_with(opt))))
        self.assertEqual(
            [], self.found(conf_with(opt, admin_url='http://acme.test'))
        )
        self.useFixture(
            fixtures.EnvironmentVariable('OS_VENDOR__ADMIN_URL', 'http://a/')
        )
        self.assertEqual([], self.found(conf_with(opt)))
        self.useFixture(
            fixtures.EnvironmentVariable('OS_DEFAULT__URL', 'http://acme.com')
        )
        self.assertEqual(1, len(self.found(conf_with(option('url'), None))))

    def test_command_line(self):
        opt = cfg.StrOpt('url')
        conf = cfg.ConfigOpts()
        conf.register_cli_opt(opt)
        conf(
            ['--url', 'http://acme.com'],
            default_config_files=[],
            default_config_dirs=[],
        )
        self.assertEqual(1, len(self.found(conf)))

    def test_never_called(self):
        conf = cfg.ConfigOpts()
        conf.register_opt(option('url', default='http://acme.com'))
        self.assertEqual(1, len(self.found(conf)))

    def test_group_without_options(self):
        conf = conf_with(option('url'))
        conf.register_group(cfg.OptGroup('empty'))
        self.assertEqual([], self.found(conf))

    def test_same_name_in_other_groups(self):
        conf = conf_with(option('url', default='http://acme.com'))
        conf.register_opt(option('url', default='http://a.test'), group='b')
        conf.register_opt(option('url', default='http://acme.com'), group='c')
        self.assertEqual(
            ['[vendor] url', '[c] url'],
            [each.target for each in configuration.faults(conf)],
        )

    def test_registered_later(self):
        conf = conf_with(option('url'))
        self.assertEqual([], self.found(conf))
        conf.register_opt(option('api', default='http://acme.com'))
        self.assertEqual(1, len(self.found(conf)))

    def test_temporary_directory_of_the_moment(self):
        outer = self.useFixture(fixtures.TempDir()).path
        conf = conf_with(option('connection'))
        conf.set_override(
            'connection', f'sqlite:///{outer}/x.db', group='vendor'
        )
        self.assertEqual([], self.found(conf))
        # Somewhere else is not the test's own then.
        self.useFixture(fixtures.NestedTempfile())
        self.assertEqual(1, len(self.found(conf)))
        # What it nests is.
        conf.set_override(
            'connection',
            f'sqlite:///{tempfile.gettempdir()}/x.db',
            group='vendor',
        )
        self.useFixture(fixtures.NestedTempfile())
        self.assertEqual([], self.found(conf))

    def test_link_out_of_the_temporary_directory(self):
        directory = self.useFixture(fixtures.TempDir()).path
        link = os.path.join(directory, 'link')
        os.symlink('/var/lib', link)
        conf = conf_with(option('connection'))
        conf.set_override('connection', f'sqlite:///{link}/x', group='vendor')
        self.assertEqual(1, len(self.found(conf)))

    def test_allowed(self):
        opt = cfg.ListOpt('api_servers')
        value = ['http://acme.com/image', '10.0.0.5:80', 'b.acme.com']
        for allowed, count in [
            ([], 3),
            (['acme.com', '10.0.0.0/8', 'B.acme.com.'], 0),
            (['http://acme.com/image', '10.0.0.5:80'], 1),
            (['http://acme.com/other', '10.0.0.5:81', '10.1.0.0/16'], 3),
            (['10.0.0.5'], 2),
        ]:
            with self.subTest(allowed=allowed, count=count):
                self.assertEqual(
                    count, len(faults(opt, value, allowed)), str(allowed)
                )
        # They are for endpoints.
        self.assertEqual(
            1, len(faults(option('x'), 'mysql://acme.com', ['acme.com']))
        )

    def test_intercepted(self):
        opt, url = option('url'), 'http://acme.com:8080/'
        wsgi_intercept.add_wsgi_intercept('acme.com', 8080, lambda: None)
        try:
            self.assertEqual([], faults(opt, url))
        finally:
            wsgi_intercept.remove_wsgi_intercept('acme.com', 8080)
        self.assertEqual(1, len(faults(opt, url)))

    def test_this_machine(self):
        values = ('vm.acme.com', '10.9.8.7', '10.9.8.7:80')
        opt = option('proxy_host')
        for value in values:
            with self.subTest(value=value):
                self.assertEqual(1, len(faults(opt, value)))
        references.this_machine.cache_clear()
        self.addCleanup(references.this_machine.cache_clear)
        for name, value in (
            ('socket.gethostname', 'VM.acme.com'),
            ('oslo_utils.netutils.get_my_ipv4', '10.9.8.7'),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(name, lambda value=value: value)
            )
        for value in values:
            with self.subTest(value=value):
                self.assertEqual([], faults(opt, value))


class TestMessages(testscenarios.WithScenarios, AwayMixin, base.TestCase):
    """No byte of a credential is shown, of any URL."""

    scenarios = [
        (url, {'url': url, 'shown': shown})
        for url, shown in [
            ('mysql://nova:s3cret@db:3306/nova', 'mysql://***@db:3306'),
            ('mysql://nova:s3cret@db/x?p=s3cret', 'mysql://***@db'),
            ('mysql://nova:s3c/s3cret@db/x', 'mysql://***@db'),
            ('mysql://nova:s3c?s3cret@db/x', 'mysql://***@db'),
            ('mysql://nova:1#s3cret@db/x', 'mysql://***@db'),
            ('mysql://nova:s3@s3cret@db/x', 'mysql://***@db'),
            ('mysql://nova:s3cret/x', 'mysql://***@'),
            (
                'rabbit://a:s3cret@h1:5672,b:s3cret@h2:5672/s3cret',
                'rabbit://***@h1:5672,***@h2:5672',
            ),
            ('rabbit://a:s3cret@[::1]:5672/', 'rabbit://***@[::1]:5672'),
            ('rabbit:/a:s3cret@bus', 'rabbit:***@bus'),
            ('kafka://h1,a:s3cret@h2', 'kafka://h1,***@h2'),
            ('sqlite:////var/x.db?key=s3cret', 'sqlite:////var/x.db'),
            ('sqlite+x://:s3cret@/var/x.db', 'sqlite+x://***@'),
            ('https://acme.com/hooks/s3cret', 'https://acme.com'),
            ('https://u:s3cret@acme.com', 'https://***@acme.com'),
            ('https://a.b:s3cret/x@acme.com', 'https://***@'),
            ('https://acme.com/?token=s3cret#s3cret', 'https://acme.com'),
        ]
    ]

    def test_shown(self):
        for secret in (True, False):
            with self.subTest(secret=secret):
                found = faults(option('connection', secret=secret), self.url)
                self.assertEqual(
                    [
                        '[vendor] connection leads outside the test '
                        f'({self.shown})'
                    ],
                    [each.message for each in found],
                )
                self.assertNotIn(SECRET, repr(found))


class TestCheckUrl(base.TestCase):
    def test_database(self):
        found = configuration.check_url('database', 'mysql://u:s3cret@db/x')
        self.assertEqual(
            check.Finding(
                'SF402',
                'engine that leads outside the test (mysql://***@db)',
                'mysql://***@db',
            ),
            found,
        )
        self.assertIsNone(configuration.check_url('database', 'sqlite://'))

    def test_file_in_the_current_directory(self):
        here = self.useFixture(fixtures.TempDir()).path
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(here)
        # Where that is not in a temporary directory.
        self.useFixture(fixtures.NestedTempfile())
        self.patch(temporary, '_DEFAULT', '/nowhere')
        self.patch(references, '_made_here', set())
        check = functools.partial(configuration.check_url, 'database')
        open('old.db', 'w').close()
        self.assertIsNotNone(check('sqlite:///old.db'))
        self.assertIsNone(check('sqlite:///new.db'))
        open('new.db', 'w').close()
        self.assertIsNone(check('sqlite:///new.db'))
        self.assertIsNotNone(check(f'sqlite:///{here}/newer.db'))
        self.assertIsNotNone(check('mysql:///newer.db'))

    def test_server_for_tests(self):
        url = 'mysql+pymysql://openstack_citest:openstack_citest@localhost'
        for inside in (
            url,
            f'{url}/',
            f'{url}/openstack_citest?charset=utf8',
            f'{url}:3306/a_b1',
            'postgresql://openstack_citest:***@localhost/postgres',
            'postgresql+psycopg2://openstack_citest@127.0.0.1/x',
            'mysql://openstack_citest:x@[::1]/',
        ):
            with self.subTest(url=inside):
                self.assertIsNone(configuration.check_url('database', inside))

    def test_server_for_tests_elsewhere(self):
        url = 'mysql+pymysql://openstack_citest:x@localhost/x'
        for outside in (
            url.replace('localhost', 'db.acme.com'),
            url.replace('localhost', 'localhost.acme.com'),
            url.replace('openstack_citest', 'nova'),
            url.replace('openstack_citest:x', 'openstack_citest:x@db'),
            f'{url}?host=db.acme.com',
            f'{url}?charset=utf8&host=db.acme.com',
            f'{url}?unix_socket=/run/mysqld.sock',
            f'{url}\n',
            f'mysql://nova@db/?{url}',
        ):
            with self.subTest(url=outside):
                found = configuration.check_url('database', outside)
                self.assertEqual('SF402', found.code)

    def test_transport(self):
        found = configuration.check_url('transport', 'rabbit://u:s3cret@bus/')
        self.assertEqual(('SF403', 'rabbit://***@bus'), found[::2][:2])
        self.assertNotIn(SECRET, repr(found))
        # Whoever makes one uses the default.
        self.assertIsNotNone(
            configuration.check_url('transport', 'rabbit:///')
        )
        self.assertIsNotNone(configuration.check_url('transport', ''))
        for url in ('fake://nowhere/', 'fake:///', 'messaging:///'):
            with self.subTest(url=url):
                self.assertIsNone(configuration.check_url('transport', url))

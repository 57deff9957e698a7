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

"""Options keep their values as long as nothing can have changed them."""

from safe_fixtures import nova as safe_nova  # isort: skip

import logging
import os
import threading
import time
from unittest import mock

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture

from safe_fixtures import conf as safe_conf
from safe_fixtures.nova.speed import options
from tests.functional.nova import inner
from tests.speed import base
from tests.speed import contract


class Conf:
    """A ``ConfigOpts`` with some options, and what they were found to be."""

    def __init__(self, kind=cfg.ConfigOpts, args=(), files=()):
        self.host = cfg.StrOpt('host', default='here')
        self.url = cfg.StrOpt('url', default='http://$host/')
        self.size = cfg.IntOpt(
            'size', default=1, mutable=True, deprecated_name='length'
        )
        self.names = cfg.ListOpt('names', default=['a', 'b'])
        self.opts = [self.host, self.url, self.size, self.names]
        self.grouped = cfg.BoolOpt('flag', default=False)
        self.late = cfg.StrOpt('x', default='y')
        self.cli = cfg.StrOpt('word', default='none')
        self.conf = kind()
        self.conf.register_cli_opt(self.cli)
        self.register()
        self.conf(
            list(args),
            project='none',
            default_config_files=list(files),
            default_config_dirs=[],
        )
        self.register()
        self.seen = []

    def register(self):
        self.conf.register_opts(self.opts)
        self.conf.register_opt(self.grouped, group='more')

    def look(self):
        conf = self.conf
        self.seen.append(
            (
                conf.host, conf.url, conf.size, list(conf.names),
                conf.more.flag, conf.word,
            )
        )  # fmt: skip

    def look_around(self):
        """Look, register again, look."""
        self.look()
        self.register()
        self.look()


def again(conf):
    conf.look_around()
    conf.look_around()


def set_defaults(conf):
    conf.look()
    cfg.set_defaults(conf.opts, host='there', size=3)
    conf.look_around()
    conf.look_around()


def set_defaults_unseen(conf):
    cfg.set_defaults(conf.opts, host='there')
    conf.look_around()


def set_defaults_of_group(conf):
    conf.look()
    cfg.set_defaults([conf.grouped], flag=True)
    conf.look_around()


def default_attribute(conf):
    conf.look()
    conf.size.default = 5
    conf.look_around()


def default_in_place(conf):
    conf.look()
    conf.names.default.append('c')
    conf.look_around()


def type_attribute(conf):
    conf.look()
    with mock.patch.object(conf.size, 'type', str):
        conf.look_around()
    conf.look_around()


def value_in_place(conf):
    conf.look()
    conf.conf.names.append('mine')
    conf.look_around()
    conf.conf.names.clear()
    conf.look_around()


def attribute_of_group(conf):
    conf.look()
    conf.conf.more.flag = 'mine'
    conf.look_around()


def overrides(conf):
    conf.look_around()
    conf.conf.set_override('host', 'over')
    conf.conf.set_override('flag', True, group='more')
    conf.look_around()
    conf.conf.clear_override('host')
    conf.look_around()
    conf.conf.set_default('host', 'default')
    conf.look_around()
    conf.conf.clear_default('host')
    conf.look_around()
    conf.conf.clear_override('flag', group='more')
    conf.look_around()


def environment(conf):
    conf.look()
    with fixtures.EnvironmentVariable('OS_DEFAULT__HOST', 'env'):
        conf.look_around()
        with fixtures.EnvironmentVariable('OS_MORE__FLAG', 'true'):
            conf.look_around()
    conf.look_around()


def other_environment(conf):
    conf.look()
    with mock.patch('os.environ', {'OS_DEFAULT__HOST': 'env'}):
        conf.look_around()
        os.environ['OS_DEFAULT__HOST'] = 'env2'
        conf.look_around()
    conf.look_around()


def environment_unused(conf):
    with fixtures.EnvironmentVariable('OS_DEFAULT__HOST', 'env'):
        conf.look_around()
        conf.conf._use_env = False
        conf.look_around()


def another_option(conf):
    conf.look_around()
    for duplicate in (
        lambda: conf.conf.register_opt(cfg.StrOpt('host', default='other')),
        lambda: conf.conf.register_opts(
            [cfg.StrOpt('new', default='x'), cfg.IntOpt('size', default=9)]
        ),
    ):
        try:
            duplicate()
        except cfg.DuplicateOptError as error:
            conf.seen.append(str(error))
        conf.look()
    conf.seen.append(conf.conf.new)
    try:
        conf.conf.register_opt(cfg.StrOpt('project'))
    except ValueError as error:
        conf.seen.append(str(error))


def equal_option(conf):
    conf.look()
    equal = cfg.StrOpt('host', default='here')
    conf.seen.append(conf.conf.register_opt(equal))
    conf.look_around()
    # It was not registered: the first one was.
    equal.default = 'unused'
    conf.look_around()


def new_option(conf):
    conf.look_around()
    conf.seen.append(conf.conf.register_opt(cfg.StrOpt('new', default='$url')))
    conf.seen.append(conf.conf.new)
    conf.look_around()
    conf.conf.set_override('host', 'over')
    conf.seen.append(conf.conf.new)


def new_group_hides_option(conf):
    conf.look_around()
    conf.conf.register_opt(conf.late, group='word')
    conf.seen.append(conf.conf.word.x)


def deprecated_name(conf):
    for _ in range(3):
        conf.register()
        conf.seen.append(conf.conf.length)


def unregistered(conf):
    conf.look_around()
    conf.conf.clear()
    conf.conf.unregister_opt(conf.size)
    try:
        conf.look()
    except cfg.NoSuchOptError as error:
        conf.seen.append(str(error))
    conf.size = conf.opts[2] = cfg.IntOpt('size', default=7)
    conf.register()
    conf.look_around()


def command_line(conf):
    conf.look_around()
    for register in (conf.conf.register_cli_opt, conf.conf.register_cli_opts):
        try:
            register([cfg.StrOpt('late')])
        except cfg.ArgsAlreadyParsedError as error:
            conf.seen.append(str(error))
    conf.seen.append(conf.conf.register_opt(conf.cli, cli=True))
    conf.conf(['--word', 'said'], project='none', default_config_files=[])
    conf.look_around()
    conf.conf([], project='none', default_config_files=[])
    conf.look_around()


def raw_values(conf):
    conf.look_around()
    with config_fixture.Config(conf.conf) as config:
        config.load_raw_values(host='raw')
        conf.look_around()
        config.load_raw_values(group='more', flag='true')
        conf.look_around()
    conf.look_around()


def source(conf):
    class Source:
        value = 'sourced'

        def get(self, group, name, opt):
            if name == 'host':
                return self.value, None
            return cfg.sources._NoValue, None

    conf.look_around()
    conf.conf._sources.append(Source())
    conf.look_around()


def other_namespace(conf):
    conf.look_around()
    namespace = cfg._Namespace(conf.conf)
    namespace.word = 'other'
    conf.conf._namespace = namespace
    conf.look_around()


SCENARIOS = (
    again, set_defaults, set_defaults_unseen, set_defaults_of_group,
    default_attribute, default_in_place, type_attribute, value_in_place,
    attribute_of_group, overrides, environment, other_environment,
    environment_unused, another_option, equal_option, new_option,
    new_group_hides_option, deprecated_name, unregistered, command_line,
    raw_values, source, other_namespace,
)  # fmt: skip


class Subclass(cfg.ConfigOpts):
    """One that looks at something else."""

    def _do_get(self, name, group=None, namespace=None):
        value, location = super()._do_get(name, group, namespace)
        return (f'<{value}>' if name == 'host' else value), location


class TestOptions(contract.Contract, base.TestCase):
    CURE = options.Options
    PATCHED = (
        (cfg.Opt, '__setattr__'),
        (cfg.ConfigOpts, 'register_opt'),
        (cfg.ConfigOpts, 'register_opts'),
    )
    NEEDED = cfg.ConfigOpts, '_get'

    def outcome(self, scenario, **made):
        """Return what a scenario sees, and what oslo.config logs."""
        with fixtures.FakeLogger(level=logging.DEBUG) as logger:
            conf = Conf(**made)
            scenario(conf)
        return conf.seen, logger.output

    def assertSame(self, scenario, **made):
        stock = self.outcome(scenario, **made)
        with self.CURE():
            self.assertEqual(stock, self.outcome(scenario, **made))

    def test_scenarios(self):
        for scenario in SCENARIOS:
            with self.subTest(scenario.__name__):
                self.assertSame(scenario)

    def test_scenarios_with_arguments(self):
        for scenario in (again, set_defaults, overrides):
            with self.subTest(scenario.__name__):
                self.assertSame(scenario, args=['--word', 'said'])

    def test_scenarios_of_subclass(self):
        for scenario in (again, set_defaults, overrides):
            with self.subTest(scenario.__name__):
                self.assertSame(scenario, kind=Subclass)

    def test_file_that_changes(self):
        path = self.useFixture(fixtures.TempDir()).join('conf')

        def write(text):
            with open(path, 'w') as file:
                file.write(text)

        def changed(conf):
            conf.look_around()
            write('[DEFAULT]\nsize = 30\nhost = later\n')
            conf.look_around()
            conf.conf.mutate_config_files()
            conf.look_around()
            conf.conf.reload_config_files()
            conf.look_around()

        write('[DEFAULT]\nsize = 20\n')
        stock = self.outcome(changed, files=[path])
        write('[DEFAULT]\nsize = 20\n')
        with self.CURE():
            self.assertEqual(stock, self.outcome(changed, files=[path]))
        self.assertEqual([20, 20, 20, 20, 30], [s[2] for s in stock[0][:5]])

    def test_two_share_an_option(self):
        def shared(conf):
            other = cfg.ConfigOpts()
            other.register_opts(conf.opts)
            for _ in range(2):
                other.register_opts(conf.opts)
                conf.seen.append(other.host)
            conf.look_around()
            cfg.set_defaults(conf.opts, host='there')
            conf.seen.append(other.host)
            other.register_opts(conf.opts)
            conf.seen.append(other.host)
            conf.look_around()

        self.assertSame(shared)

    def evaluations(self):
        """Return how often a value is evaluated that is read 3 times."""
        calls = []
        conf = cfg.ConfigOpts()
        opt = cfg.Opt('x', type=lambda value: calls.append(value) or value)
        opt.default = 'y'
        for _ in range(4):
            conf.register_opts([opt])
            self.assertEqual('y', conf.x)
        return len(calls)

    def test_values_are_kept(self):
        self.assertEqual(4, self.evaluations())
        with self.CURE():
            hits, misses = self.CURE.counts.hits, self.CURE.counts.misses
            self.assertEqual(1, self.evaluations())
            # Each ConfigOpts registers an option of its own.
            self.assertEqual(3, self.CURE.counts.hits - hits)
            self.assertEqual(2, self.CURE.counts.misses - misses)

    def test_a_write_while_it_is_off(self):
        conf = Conf()
        with self.CURE():
            again(conf)
        conf.host.default = 'there'
        conf.register()
        conf.look()
        self.assertEqual('there', conf.seen[-1][0])
        conf.size.default = 8
        with self.CURE():
            conf.look_around()
        self.assertEqual(8, conf.seen[-1][2])

    def test_no_mark_stays(self):
        conf = Conf()
        with self.CURE():
            again(conf)
            during = set(conf.conf._ConfigOpts__cache)
        after = set(conf.conf._ConfigOpts__cache)
        self.assertEqual(1, len(during - after))
        self.assertTrue(all(isinstance(key, tuple) for key in after))

    def test_threads(self):
        conf = Conf()
        ended = threading.Event()
        errors = []

        def register():
            try:
                while not ended.is_set():
                    conf.register()
                    # A green thread lets others run only here.
                    time.sleep(0)
            except Exception as error:
                errors.append(error)

        with self.CURE():
            thread = threading.Thread(target=register)
            thread.start()
            try:
                for number in range(300):
                    conf.conf.set_override('size', number)
                    self.assertEqual(number, conf.conf.size)
                    cfg.set_defaults([conf.host], host=str(number))
                    conf.register()
                    time.sleep(0)
                    self.assertEqual(f'http://{number}/', conf.conf.url)
            finally:
                ended.set()
                thread.join()
        self.assertEqual([], errors)

    def test_options_of_safe_fixtures(self):
        with self.CURE():
            before = safe_conf.load().speed_up_without
            self.configure(speed_up_without='options')
            self.assertEqual([], before)
            self.assertEqual(['options'], safe_conf.load().speed_up_without)

    def test_nova(self):
        seen = {}

        class Inner(inner.ApiMixin, safe_nova.SafeTestCase):
            def test_1(self):
                self.flags(my_ip='192.0.2.7', max_concurrent_builds=4)
                self.look('first')
                cfg.CONF.compute.cpu_shared_set = 'poison'
                self.look('poisoned')

            def test_2(self):
                self.look('second')

            def look(self, name):
                self.admin_api.get_servers()
                conf = cfg.CONF
                seen[name] = [
                    conf.my_ip,
                    conf.max_concurrent_builds,
                    conf.compute.cpu_shared_set,
                    conf.compute_driver,
                ]

        def run():
            for name in ('test_1', 'test_2'):
                result = inner.run_inner(Inner, name)
                self.assertEqual('', inner.problems(result))
            return dict(seen)

        with safe_conf.override(speed_up='false'):
            stock = run()
        hits = self.CURE.counts.hits
        self.assertEqual(stock, run())
        self.assertGreater(self.CURE.counts.hits, hits)
        self.assertNotEqual(stock['first'], stock['second'])

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

import os
import pathlib
import subprocess
import sys

import fixtures
from oslo_config import fixture as config_fixture
from oslo_config import generator

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import testing
from tests.support import base
from tests.support import settings

# The defaults, to which a value is added.
PROGRAMS = ['grep', 'ldconfig']
PATHS = [
    '__pycache__', '.coverage*', '.stestr', '.testrepository',
    'python-entrypoints',
]  # fmt: skip

# Of every option: what is written, and what is read. None is a default.
SENSIBLE = {
    'mode': [(mode, mode) for mode in ('default', 'enforce', 'audit', 'off')],
    'rule_modes': [
        ('SF203:enforce', {'SF203': 'enforce'}),
        ('SF203:audit,SF501:off', {'SF203': 'audit', 'SF501': 'off'}),
    ],
    'pinned_microversion': [('2.53', '2.53'), ('2.0', '2.0')],
    'latest_policy': [('pin', 'pin'), ('refuse', 'refuse')],
    'restore_timeout': [('0.1', 0.1), ('60', 60.0)],
    'restore_deadline': [('0', 0.0), ('90.5', 90.5)],
    'journal_dir': [
        ('{tmp}/journal', '{tmp}/journal'),
        ('{tmp}/a/../journal', '{tmp}/journal'),
        ('off', 'off'),
    ],
    'lock_timeout': [('0', 0.0), ('90', 90.0)],
    'dead_journals': [('name', 'name'), ('restore', 'restore')],
    'watcher': [('true', True), ('False', False)],
    'allowed_endpoints': [
        (
            'lab.example.com,192.0.2.1:8774',
            ['lab.example.com', '192.0.2.1:8774'],
        ),
        ('http://lab.example.com:8774/v2.1', None),
        ('http://[2001:db8::1]:8774', None),
        ('2001:db8::1', ['2001:db8::1']),
    ],
    'allowed_hosts': [
        (
            'lab.example.com,10.0.0.0/8,2001:db8::1',
            ['lab.example.com', '10.0.0.0/8', '2001:db8::1'],
        ),
        ('', []),
    ],
    'allowed_programs': [
        ('qemu-img,/bin/true', [*PROGRAMS, 'qemu-img', '/bin/true']),
        ('=qemu-img,/bin/true', ['qemu-img', '/bin/true']),
        (' = qemu-img', ['qemu-img']),
        ('=', []),
        ('', PROGRAMS),
    ],
    'allowed_paths': [
        ('~/cache,*.pid,/x', [*PATHS, '~/cache', '*.pid', '/x']),
        ('=~/cache,*.pid', ['~/cache', '*.pid']),
        ('=', []),
        ('', PATHS),
    ],
    'max_image_bytes': [('0', 0), ('4096', 4096)],
    'dummy_image_name': [('fake-.*', 'fake-.*')],
    'dummy_flavor_name': [('m1[.].*', 'm1[.].*')],
    'wait_for_change': [('true', True), ('False', False), ('0', False)],
    'speed_up': [('true', True), ('False', False)],
    'speed_up_without': [
        ('policy,databases', ['policy', 'databases']),
        ('', []),
    ],
    'plugins': [('true', True), ('False', False)],
    'plugins_without': [('a,b.c', ['a', 'b.c']), ('', [])],
    'audit_file': [('{tmp}/audit.jsonl', '{tmp}/audit.jsonl')],
    'waivers_file': [('{tmp}/waivers.toml', '{tmp}/waivers.toml')],
    'baseline_file': [('{tmp}/waivers.toml', '{tmp}/waivers.toml')],
    'posture_leaks_file': [('{tmp}/leaks.toml', '{tmp}/leaks.toml')],
}

# Of every option: what is written, and a part of what is allowed.
NONSENSE = {
    'mode': [('strict', 'enforce'), ('', 'enforce'), ('audit,off', 'off')],
    'rule_modes': [
        ('SF999:off', 'SF203'),
        ('SF203:strict', 'enforce'),
        ('SF203', 'NAME:VALUE'),
        ('SF203:off:off', 'enforce'),
    ],
    'pinned_microversion': [
        (value, "'2.53'")
        for value in ('', '2', '2.x', '3.1', '2.053', '2.53.1', 'latest')
    ],
    'latest_policy': [('ignore', 'refuse'), ('', 'refuse')],
    'restore_timeout': [
        ('soon', 'float'),
        ('0', '0.1'),
        ('-1', '0.1'),
        ('nan', 'finite'),
        ('inf', 'finite'),
        ('', 'empty'),
    ],
    'restore_deadline': [('later', 'float'), ('-1', '0'), ('nan', 'finite')],
    'journal_dir': [('', 'a directory, or off')],
    'lock_timeout': [('later', 'float'), ('-1', '0'), ('inf', 'finite')],
    'dead_journals': [('bury', 'restore'), ('', 'restore')],
    'watcher': [('sometimes', 'boolean'), ('', 'boolean')],
    'allowed_endpoints': [
        (value, 'host:port')
        for value in (
            'http://',
            '*',
            'http://*',
            'http://[::1',
            'lab.example.com:http',
            'http://lab.example.com:99999',
            'lab.example.com,*',
        )
    ],
    'allowed_hosts': [
        (value, 'an address or a network')
        for value in (
            'http://lab.example.com',
            'lab.example.com:80',
            '*.example.com',
            '10.0.0.0/33',
            'lab.example.com,*',
        )
    ],
    'allowed_programs': [
        ('*', 'everything'),
        ('grep,/', 'everything'),
        # Each is checked by itself, whatever follows.
        ('grep,,true', 'everything'),
        ('*,true', 'everything'),
    ],
    'allowed_paths': [
        ('/', 'everything'),
        ('*', 'everything'),
        ('/,cache', 'everything'),
    ],
    'max_image_bytes': [
        ('-1', '0'),
        ('1MiB', 'int'),
        ('1.5', 'int'),
        ('', 'empty'),
    ],
    'dummy_image_name': [('[', 'regular expression'), ('', 'empty')],
    'dummy_flavor_name': [('(', 'regular expression'), ('', 'empty')],
    'wait_for_change': [('sometimes', 'boolean'), ('', 'boolean')],
    'speed_up': [('sometimes', 'boolean'), ('', 'boolean')],
    'speed_up_without': [('waiting', 'connections')],
    'plugins': [('sometimes', 'boolean'), ('', 'boolean')],
    'plugins_without': [('a,*', 'everything')],
    'audit_file': [
        ('{tmp}', 'a file'),
        ('{tmp}/absent/audit.jsonl', 'directory that exists'),
        ('', 'a file'),
    ],
    'waivers_file': [
        ('{tmp}', 'a file'),
        ('{tmp}/absent.toml', 'a file'),
        ('', 'a file'),
        ('{tmp}/torn.toml', 'TOML'),
        ('{tmp}/nothing_waived.toml', 'in entry 2, reason'),
    ],
    'baseline_file': [
        ('{tmp}', 'a file'),
        ('{tmp}/absent.toml', 'a file'),
        ('', 'a file'),
        ('{tmp}/torn.toml', 'TOML'),
        ('{tmp}/nothing_waived.toml', 'unknown waiver'),
    ],
    'posture_leaks_file': [
        ('{tmp}', 'a file'),
        ('{tmp}/absent.toml', 'a file'),
        ('', 'a file'),
        ('{tmp}/torn.toml', 'TOML'),
        ('{tmp}/nothing_waived.toml', 'unknown waiver'),
    ],
}

# Files that are read when a guard needs them.
_READ_BY_GUARDS = ('waivers_file', 'baseline_file', 'posture_leaks_file')
# What the tables name.
FILES = {
    'waivers.toml': '',
    'torn.toml': '[[waiver',
    'nothing_waived.toml': (
        '[[waiver]]\nrule = "SF301"\ntests = "*"\nreason = "why"\n'
        '[[waiver]]\nrule = "SF302"\ntests = "*"\n'
    ),
}


class TestConf(base.TestCase):
    def setUp(self):
        super().setUp()
        self.tmp = self.useFixture(fixtures.TempDir()).path
        for name, text in FILES.items():
            pathlib.Path(self.tmp, name).write_text(text)

    def write(self, text):
        path = os.path.join(self.tmp, 'safe_fixtures.conf')
        with open(path, 'w') as config:
            config.write(text)
        self.useFixture(settings.Environment(SAFE_FIXTURES_CONFIG=path))

    def refused(self, *more):
        """Set up each fixture with the settings; return the error."""
        errors = []
        for fixture in (
            *more,
            safe_fixtures.SafeServiceToggle(
                api=testing.FakeComputeClient(['host1'])
            ),
            safe_fixtures.MicroversionPin('2.53'),
        ):
            errors.append(
                self.assertRaises(exceptions.ConfigurationError, fixture.setUp)
            )
            self.assertIsNone(audit.current())
            self.assertEqual((), gate.OBSERVERS.users)
        self.assertEqual(1, len({str(error) for error in errors}))
        return errors[0]

    def test_tables_name_every_option(self):
        names = {opt.name for opt in conf.list_opts()[0][1]}
        self.assertEqual(names, set(SENSIBLE))
        self.assertEqual(names, set(NONSENSE))

    def test_defaults(self):
        found = conf.load()
        self.assertEqual('default', found.mode)
        self.assertEqual({}, found.rule_modes)
        self.assertIsNone(found.pinned_microversion)
        self.assertEqual('pin', found.latest_policy)
        self.assertEqual(10.0, found.restore_timeout)
        self.assertEqual(60.0, found.restore_deadline)
        self.assertEqual(30.0, found.lock_timeout)
        self.assertEqual('name', found.dead_journals)
        self.assertIs(False, found.watcher)
        self.assertEqual([], found.allowed_endpoints)
        self.assertEqual(1024 * 1024, found.max_image_bytes)
        self.assertIsNone(found.dummy_image_name)
        self.assertIsNone(found.dummy_flavor_name)
        self.assertIsNone(found.audit_file)
        self.assertIsNone(found.waivers_file)
        self.assertIsNone(found.baseline_file)

    def test_default_of_the_journal(self):
        home = {'HOME': '/home/$HOME', 'XDG_STATE_HOME': None}
        for variables, expected in (
            ({}, '/home/$HOME/.local/state/safe-fixtures'),
            ({'XDG_STATE_HOME': '/state'}, '/state/safe-fixtures'),
            (
                {'XDG_STATE_HOME': 'state'},
                '/home/$HOME/.local/state/safe-fixtures',
            ),
            (
                {'XDG_STATE_HOME': ''},
                '/home/$HOME/.local/state/safe-fixtures',
            ),
        ):
            with self.subTest(variables=variables):
                with settings.Environment(**{**home, **variables}):
                    self.assertEqual(expected, conf.load().journal_dir)
                    self.assertEqual(expected, conf.load().journals)
                    os.environ['XDG_STATE_HOME'] = '/changed-by-a-test'
                    self.assertEqual(expected, conf.now().journal_dir)

    def test_the_journal_can_be_off(self):
        self.configure(journal_dir='off')
        self.assertIsNone(conf.load().journals)
        self.configure(journal_dir='~/off')
        self.assertEqual(os.path.expanduser('~/off'), conf.load().journals)

    def _each(self, table):
        for name, cases in table.items():
            for text, expected in cases:
                yield name, text.replace('{tmp}', self.tmp), expected

    def _expect(self, name, text, expected):
        value = getattr(conf.load(), name)
        if isinstance(expected, str):
            expected = expected.replace('{tmp}', self.tmp)
        self.assertEqual([text] if expected is None else expected, value)

    def test_misspelt_option(self):
        with settings.options(modes='off'):
            error = self.refused(audit.AuditTrail())
            self.assertEqual('[safe_fixtures] modes', error.option)
            self.assertEqual('off', error.value)
            self.assertIn(
                'latest_policy, lock_timeout, max_image_bytes', str(error)
            )
        self.write('[safe_fixtures]\nresore_timeout = 3\n')
        error = self.refused(audit.AuditTrail())
        self.assertEqual('[safe_fixtures] resore_timeout', error.option)
        self.assertEqual('3', error.value)

    def test_environment(self):
        for name, text, expected in self._each(SENSIBLE):
            with self.subTest(name=name, text=text, expected=expected):
                with settings.options(**{name: text}):
                    self._expect(name, text, expected)

    def test_file(self):
        for name, text, expected in self._each(SENSIBLE):
            with self.subTest(name=name, text=text, expected=expected):
                self.write(f'[safe_fixtures]\n{name} = {text}\n')
                self._expect(name, text, expected)

    def test_fixture(self):
        fixture = self.useFixture(config_fixture.Config(conf.CONF))
        conf.load()
        for name, cases in SENSIBLE.items():
            for text, expected in cases:
                with self.subTest(text=text, expected=expected):
                    if isinstance(expected, str):
                        expected = expected.replace('{tmp}', self.tmp)
                    elif expected is None:
                        expected = [text]
                    fixture.config(group='safe_fixtures', **{name: expected})
                    self.assertEqual(expected, getattr(conf.load(), name))

    def test_override(self):
        name = 'OS_SAFE_FIXTURES__MODE'
        self.useFixture(settings.Environment(**{name: 'off'}))
        path = os.path.join(self.tmp, 'a $mode, 100%')
        with conf.override(mode='audit', audit_file=path):
            self.assertEqual('audit', conf.load().mode)
            self.assertEqual(path, conf.load().audit_file)
            with conf.override(mode='enforce'):
                self.assertEqual('enforce', conf.load().mode)
                self.assertEqual(path, conf.load().audit_file)
            # It goes before the variable.
            with settings.Environment(**{name: 'default'}):
                self.assertEqual('audit', conf.load().mode)
            with config_fixture.Config(conf.CONF) as fixture:
                fixture.config(group='safe_fixtures', mode='enforce')
                self.assertEqual('enforce', conf.load().mode)
                # It stays, also when the settings are read again.
                self.configure(latest_policy='refuse')
                conf.CONF.clear_override('restore_timeout', 'safe_fixtures')
                self.assertEqual('refuse', conf.load().latest_policy)
                self.assertEqual('enforce', conf.load().mode)
                conf.CONF.clear_override('mode', 'safe_fixtures')
                self.assertEqual('audit', conf.load().mode)
            self.assertEqual('audit', conf.load().mode)
        self.assertEqual('off', conf.load().mode)
        self.assertIsNone(conf.load().audit_file)

    def test_fixture_before_the_first_load(self):
        fixture = self.useFixture(config_fixture.Config(conf.CONF))
        fixture.config(group='safe_fixtures', mode='audit')
        self.assertEqual('audit', conf.load().mode)

    def test_what_is_set_later_is_checked(self):
        """Also if everything was valid at the first load."""
        name, group = 'dummy_image_name', 'safe_fixtures'
        fixture = self.useFixture(config_fixture.Config(conf.CONF))
        conf.load()
        for change in (conf.CONF.set_override, conf.CONF.set_default):
            with self.subTest(change=change):
                error = self.assertRaises(ValueError, change, name, '(', group)
                self.assertIn('it must be a regular expression', str(error))
                self.assertIsNone(getattr(conf.load(), name))
        fixture.config(group=group, **{name: 'fake-.*'})
        self.assertEqual('fake-.*', getattr(conf.load(), name))
        # The override hides it.
        self.configure(dummy_image_name='(')
        self.assertEqual('fake-.*', getattr(conf.load(), name))
        conf.CONF.clear_override(name, group)
        error = self.assertRaises(exceptions.ConfigurationError, conf.load)
        self.assertEqual('[safe_fixtures] dummy_image_name', error.option)
        self.assertEqual('(', error.value)

    def test_what_is_set_later_is_checked_at_once(self):
        """Every option that takes more than a few words."""
        fixture = self.useFixture(config_fixture.Config(conf.CONF))
        for name, text, allowed in self._each(NONSENSE):
            with self.subTest(name=name, text=text, allowed=allowed):
                if name in _READ_BY_GUARDS or not text:
                    continue
                error = self.assertRaises(
                    ValueError,
                    fixture.config,
                    group='safe_fixtures',
                    **{name: text},
                )
                self.assertIn(allowed, str(error), f'{name} = {text}')

    def test_what_is_set_later_to_nothing_is_refused(self):
        """oslo.config takes None for any option."""
        conf.load()
        for name in ('mode', 'rule_modes', 'restore_timeout'):
            for kind in ('override', 'default'):
                with self.subTest(name=name, kind=kind):
                    change = getattr(conf.CONF, f'set_{kind}')
                    clear = getattr(conf.CONF, f'clear_{kind}')
                    self.addCleanup(clear, name, 'safe_fixtures')
                    change(name, None, 'safe_fixtures')
                    error = self.assertRaises(
                        exceptions.ConfigurationError, conf.load
                    )
                    self.assertIn(name, error.option)
                    clear(name, 'safe_fixtures')
                    self.assertIsNotNone(getattr(conf.load(), name))

    def test_fixture_is_forgotten(self):
        with config_fixture.Config(conf.CONF) as fixture:
            fixture.config(group='safe_fixtures', mode='audit')
            self.assertEqual('audit', conf.load().mode)
        self.assertEqual('default', conf.load().mode)

    def test_environment_goes_before_file(self):
        self.write('[safe_fixtures]\nmode = audit\nlatest_policy = refuse\n')
        self.configure(mode='off')
        self.assertEqual('off', conf.load().mode)
        self.assertEqual('refuse', conf.load().latest_policy)

    def test_is_read_once(self):
        """Whatever becomes of environment, file and directory."""
        self.write('[safe_fixtures]\nmode = audit\n')
        self.useFixture(
            settings.Environment(
                OS_SAFE_FIXTURES__LATEST_POLICY='refuse',
                OS_SAFE_FIXTURES__AUDIT_FILE='events.jsonl',
                SAFE_FIXTURES_WORKER='worker-3',
            )
        )
        before = conf.load()
        self.assertEqual('audit', before.mode)
        self.assertEqual('refuse', before.latest_policy)
        self.assertEqual(
            os.path.join(os.getcwd(), 'events.jsonl'), before.audit_file
        )
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        changes = {
            'cleared': os.environ.clear,
            'another value': lambda: os.environ.update(
                OS_SAFE_FIXTURES__MODE='off', SAFE_FIXTURES_WORKER='x'
            ),
            'another file': lambda: os.environ.update(
                SAFE_FIXTURES_CONFIG='/nowhere'
            ),
            'the file is rewritten': lambda: pathlib.Path(
                self.tmp, 'safe_fixtures.conf'
            ).write_text('[safe_fixtures]\nmode = off\n'),
            'the file is gone': lambda: os.remove(
                os.path.join(self.tmp, 'safe_fixtures.conf')
            ),
            'another directory': lambda: os.chdir(self.tmp),
            'the options are cleared': conf.CONF.clear,
            'the options are reset': conf.CONF.reset,
            'the options are gone': lambda: conf.CONF.unregister_opts(
                conf.list_opts()[0][1], group='safe_fixtures'
            ),
            'the options are read as usual': lambda: conf.CONF([]),
        }
        environ = dict(os.environ)
        self.addCleanup(os.environ.update, environ)
        self.addCleanup(os.environ.clear)
        for name, change in changes.items():
            with self.subTest(name):
                change()
                self.assertEqual(before, conf.load())
                self.assertEqual(before, conf.now())
                self.assertEqual('worker-3', conf.worker())
                self.assertEqual(os.path.join(here, 'x'), conf.absolute('x'))

    def test_is_read_once_in_a_forked_child(self):
        self.configure(mode='audit')
        conf.load()
        os.environ['OS_SAFE_FIXTURES__MODE'] = 'off'
        child = os.fork()
        if not child:
            os._exit(0 if conf.now().mode == 'audit' else 1)
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def test_kept(self):
        group = 'safe_fixtures'
        conf.CONF.set_override('mode', 'audit', group)
        with conf.kept():
            conf.CONF.set_override('mode', 'off', group)
            conf.CONF.set_default('latest_policy', 'refuse', group)
            conf.CONF._groups[group]._opts['max_image_bytes']['override'] = 9
            self.assertEqual('off', conf.load().mode)
        self.assertEqual('audit', conf.load().mode)
        self.assertEqual('pin', conf.load().latest_policy)
        self.assertEqual(1024 * 1024, conf.load().max_image_bytes)
        conf.CONF.clear_override('mode', group)
        self.assertEqual('default', conf.load().mode)

    def _refuses(self, name, text, allowed):
        if name == 'posture_leaks_file':
            # Only one guard needs it.
            guard = safe_fixtures.PostureGuard()
            error = self.assertRaises(
                exceptions.ConfigurationError, guard.setUp
            )
        else:
            # A trail reads neither of these.
            read_by_guards = name in _READ_BY_GUARDS
            trails = () if read_by_guards else (audit.AuditTrail(),)
            error = self.refused(*trails)
        self.assertEqual(f'[safe_fixtures] {name}', error.option)
        self.assertIn(allowed, error.allowed)
        self.assertIn(name, str(error))
        self.assertIn(repr(error.value), str(error))
        # Lists and dictionaries are shown as they were read.
        shown = str(error.value)
        for part in text.split(',') if error.value != text else [text]:
            self.assertIn(part.partition(':')[0], shown)

    def test_nonsense_in_the_environment(self):
        for name, text, allowed in self._each(NONSENSE):
            with self.subTest(name=name, text=text, allowed=allowed):
                with settings.options(**{name: text}):
                    self._refuses(name, text, allowed)

    def test_nonsense_in_the_file(self):
        for name, text, allowed in self._each(NONSENSE):
            with self.subTest(name=name, text=text, allowed=allowed):
                self.write(f'[safe_fixtures]\n{name} = {text}\n')
                self._refuses(name, text, allowed)

    def test_nonsense_in_a_group_written_in_capitals(self):
        self.write('[SAFE_FIXTURES]\nmode = strict\n')
        self._refuses('mode', 'strict', 'enforce')

    def test_undefined_reference_in_the_file(self):
        self.write('[safe_fixtures]\nmode = $absent\n')
        self._refuses('mode', '$absent', 'absent')

    def test_missing_file(self):
        path = os.path.join(self.tmp, 'absent.conf')
        self.useFixture(settings.Environment(SAFE_FIXTURES_CONFIG=path))
        error = self.refused(audit.AuditTrail())
        self.assertEqual('SAFE_FIXTURES_CONFIG', error.option)
        self.assertEqual(path, error.value)
        self.assertIn('readable file', error.allowed)

    def test_directory_as_file(self):
        self.useFixture(settings.Environment(SAFE_FIXTURES_CONFIG=self.tmp))
        self.assertEqual(self.tmp, self.refused(audit.AuditTrail()).value)

    def test_broken_file(self):
        self.write('mode audit\n[\n')
        error = self.refused(audit.AuditTrail())
        self.assertEqual('SAFE_FIXTURES_CONFIG', error.option)
        self.assertIn('safe_fixtures.conf', error.allowed)

    def test_works_again_once_it_is_mended(self):
        self.write('[safe_fixtures]\nmode = strict\n')
        self.refused(audit.AuditTrail())
        self.write('[safe_fixtures]\nmode = audit\n')
        self.assertEqual('audit', conf.load().mode)

    def test_reads_nothing_from_home_or_etc(self):
        for directory in ('.safe_fixtures', '.config', '.'):
            os.makedirs(os.path.join(self.tmp, directory), exist_ok=True)
            for name in ('safe_fixtures.conf', '.safe_fixtures.conf'):
                path = pathlib.Path(self.tmp, directory, name)
                path.write_text('[safe_fixtures]\nmode = off\n')
        script = (
            'import sys\n'
            'opened = []\n'
            'sys.addaudithook(\n'
            '    lambda name, args: opened.append(str(args[0]))\n'
            "    if name in ('open', 'os.listdir') else None\n"
            ')\n'
            'from safe_fixtures import conf\n'
            'del opened[:]\n'
            'print(conf.load().mode)\n'
            'print(*opened, sep="\\n")\n'
        )
        environ = dict(os.environ, HOME=self.tmp, XDG_CONFIG_HOME=self.tmp)
        done = subprocess.run(
            [sys.executable, '-c', script],
            cwd=base.ROOT,
            env=environ,
            capture_output=True,
            text=True,
        )
        self.assertEqual('', done.stderr)
        mode, *opened = done.stdout.split('\n')
        self.assertEqual('default', mode)
        for path in opened:
            self.assertFalse(path.startswith(('/etc/', self.tmp)), path)

    def test_lists_copies(self):
        (group, opts), (_, again) = conf.list_opts() + conf.list_opts()
        self.assertEqual('safe_fixtures', group.name)
        opts[0].help = 'changed'
        self.assertNotEqual('changed', again[0].help)
        self.assertNotEqual(
            'changed', conf.CONF._groups[group.name]._opts['mode']['opt'].help
        )

    def test_every_option_has_help(self):
        for opt in conf.list_opts()[0][1]:
            with self.subTest(opt=opt):
                self.assertTrue(opt.help, opt.name)

    def test_sample(self):
        path = os.path.join(self.tmp, 'sample')
        generator.main(['--namespace', 'safe_fixtures', '--output-file', path])
        with open(path) as sample:
            text = sample.read()
        self.assertIn('[safe_fixtures]', text)
        for opt in conf.list_opts()[0][1]:
            with self.subTest(opt=opt):
                self.assertIn(f'\n#{opt.name} =', text)
        for mode in SENSIBLE['mode']:
            self.assertIn(f'# {mode[0]} - ', text)

    def test_microversions(self):
        for value in ('2.0', '2.1', '2.53', '2.100'):
            with self.subTest(value=value):
                self.assertTrue(conf.is_microversion(value), value)
        for value in ('2', '2.x', 2.53, '', '3.1', '2.01', '2.53\n', None):
            with self.subTest(value=value):
                self.assertFalse(conf.is_microversion(value), value)

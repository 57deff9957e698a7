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


"""What tests leak, way by way, and what is none of their doing."""

import colorsys
import functools
import logging
import os
import subprocess
import sys
import textwrap
import threading
import types
import unittest
from unittest import mock
import warnings

import fixtures
from oslo_config import cfg
import testscenarios
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from tests.support import base
from tests.support import posture as support
from tests.support import posture_ways


class TestWays(testscenarios.WithScenarios, support.WaysTestCase):
    scenarios = [
        (name, {'act': staticmethod(act), 'change': change})
        for name, act, change in posture_ways.WAYS
    ]

    def test_left(self):
        self.assertFails(
            self.inner(self.act, restore=False),
            'SF501 (CWE-459): the test changed and did not restore: ',
            self.change,
        )

    def test_given_back(self):
        self.assertPasses(self.inner(self.act, restore=True))
        self.assertEqual([], support.seen(self.trail))

    def test_given_back_in_another_order(self):
        """Other cleanups run before and after the one that restores."""

        def act(test):
            undo = support.set_variable(test)
            try:
                self.addCleanup(self.act(test))
            finally:
                undo()
            return self._cleanups.pop()[0]

        self.assertPasses(self.inner(act, restore=True))

    def test_it_is_reported_once(self):
        """The next test starts from what is there then."""
        first = self.inner(self.act, restore=False)
        self.assertFails(first, 'SF501 (CWE-459)')
        self.assertPasses(self.inner(lambda test: object, restore=True))

    def test_of_the_class(self):
        """What a class changes before its tests is not theirs."""
        act = self.act

        class Inner(testtools.TestCase):
            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                cls.addClassCleanup(act(self))

            def test_it(self):
                self.useFixture(posture.PostureGuard())

        suite = unittest.TestSuite([Inner('test_it')])
        result = testtools.TestResult()
        suite.run(result)
        self.assertEqual([], result.errors + result.failures)
        self.assertEqual(1, result.testsRun)

    def test_nested(self):
        """Only the guard within which it happened and was left sees it."""
        with audit.AuditTrail() as trail:
            with posture.PostureGuard():
                with testtools.ExpectedException(exceptions.SafetyViolation):
                    with posture.PostureGuard():
                        undo = self.act(self)
                undo()
        self.assertEqual(1, len(support.seen(trail)))


def start_daemon(test):
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name='left', daemon=True)
    thread.start()

    def undo():
        ended.set()
        thread.join()

    return undo


def open_file(test):
    file = open(os.devnull)
    return file.close


def open_pipe(test):
    ends = os.pipe()
    return lambda: list(map(os.close, ends))


def start_process(test):
    process = subprocess.Popen(
        [sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=-1
    )

    def undo():
        process.communicate()

    return undo


def leave_zombie(test):
    number = os.fork()
    if not number:
        os._exit(0)
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    return lambda: os.waitpid(number, 0)


def start_patch(test):
    patch = mock.patch('colorsys.rgb_to_hsv', autospec=True)
    patch.start()
    return patch.stop


def start_patch_of_dict(test):
    patch = mock.patch.dict({}, a=1)
    patch.start()
    return patch.stop


def add_stub(test):
    sys.modules['no_such_package'] = mock.MagicMock()
    return lambda: sys.modules.pop('no_such_package', None)


def replace_module(test):
    undo = functools.partial(sys.modules.__setitem__, 'colorsys', colorsys)
    sys.modules['colorsys'] = types.ModuleType('colorsys')
    return undo


class TestResources(testscenarios.WithScenarios, support.WaysTestCase):
    """What still runs or is open; by default it is only recorded."""

    scenarios = [
        ('daemon', {'act': staticmethod(start_daemon), 'key': 'left'}),
        ('file', {'act': staticmethod(open_file), 'key': 'descriptors: '}),
        ('pipe', {'act': staticmethod(open_pipe), 'key': "'pipe:["}),
        ('process', {'act': staticmethod(start_process), 'key': 'children: '}),
        ('patch', {'act': staticmethod(start_patch), 'key': 'rgb_to_hsv: '}),
        ('dict', {'act': staticmethod(start_patch_of_dict), 'key': '.dict: '}),
        ('stub', {'act': staticmethod(add_stub), 'key': 'stubs: no_such_'}),
        ('module', {'act': staticmethod(replace_module), 'key': 'colorsys: '}),
        ('zombie', {'act': staticmethod(leave_zombie), 'key': ', not waited'}),
    ]

    def test_left(self):
        result = self.run_inner(self.inner(self.act, restore=False))
        (text,) = base.problems(result)
        self.assertIn('SF503 (CWE-459)', text)
        self.assertIn(self.key, text)
        self.assertNotIn('SF501', text)

    def test_given_back(self):
        self.assertPasses(self.inner(self.act, restore=True))

    def test_recorded(self):
        self.configure(mode='default')
        self.assertPasses(self.inner(self.act, restore=False))
        codes = [
            event['reason']['reasonCode']
            for event in self.trail.events
            if 'reason' in event
        ]
        self.assertEqual(['SF503'], codes)

    def test_there_before(self):
        self.addCleanup(self.act(self))
        self.assertPasses(self.inner(lambda test: object, restore=True))


class TestImports(support.WaysTestCase):
    """What a module does to its own things is no change."""

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.name = f'posture_import_{os.path.basename(folder)}'
        self.path = os.path.join(folder, f'{self.name}.py')
        self.addCleanup(sys.modules.pop, self.name, None)
        self.useFixture(fixtures.MonkeyPatch('sys.path', [folder, *sys.path]))
        self.addCleanup(
            warnings.filters.__setitem__, slice(None), [*warnings.filters]
        )
        self.addCleanup(
            sys.meta_path.__setitem__, slice(None), [*sys.meta_path]
        )
        loggers = logging.Logger.manager.loggerDict
        self.addCleanup(loggers.pop, self.name, None)

    def importing(self, text):
        def act(test):
            with open(self.path, 'w') as out:
                out.write(textwrap.dedent(text))
            __import__(self.name)
            return object

        return self.inner(act, restore=True)

    def test_its_own(self):
        for what, text in (
            (
                'handler',
                """
                import logging
                logging.getLogger(__name__).addHandler(
                    logging.StreamHandler())
                logging.getLogger(__name__).propagate = False
                """,
            ),
            (
                'logger of another name',
                """
                import logging
                LOG = logging.Logger.manager.getLogger('other of ' + __name__)
                LOG.setLevel('ERROR')
                """,
            ),
            (
                'warning',
                """
                import warnings
                class Mine(UserWarning): pass
                warnings.simplefilter('ignore', Mine)
                """,
            ),
            (
                'warning of a message',
                """
                import warnings
                warnings.filterwarnings('ignore', message='numpy.dtype size')
                """,
            ),
            (
                'finder',
                """
                import sys
                class Finder:
                    def find_spec(self, *args): pass
                sys.meta_path.append(Finder())
                """,
            ),
        ):
            with self.subTest(what=what):
                sys.modules.pop(self.name, None)
                self.assertPasses(self.importing(text))

    def test_not_its_own(self):
        for change, text in (
            (
                'root level: ',
                """
                import logging
                logging.getLogger().setLevel('CRITICAL')
                """,
            ),
            (
                'warnings: ignore Warning: ',
                """
                import warnings
                warnings.simplefilter('ignore')
                """,
            ),
        ):
            with self.subTest(change=change):
                sys.modules.pop(self.name, None)
                self.addCleanup(logging.root.setLevel, logging.root.level)
                self.assertFails(self.importing(text), change)


class TestRunners(support.WaysTestCase):
    def test_their_variables(self):
        def act(test):
            os.environ['PYTEST_CURRENT_TEST'] = 'x (call)'
            os.environ['PYTEST_XDIST_WORKER'] = 'gw0'
            return lambda: None

        self.addCleanup(os.environ.pop, 'PYTEST_CURRENT_TEST', None)
        self.addCleanup(os.environ.pop, 'PYTEST_XDIST_WORKER', None)
        self.assertPasses(self.inner(act, restore=True))

    def test_what_readline_sets(self):
        def act(test):
            # So does the C library, as a test imports readline.
            os.putenv('COLUMNS', '80')
            os.putenv('LINES', '24')
            return lambda: None

        for name in ('COLUMNS', 'LINES'):
            self.useFixture(fixtures.EnvironmentVariable(name))
            self.addCleanup(os.unsetenv, name)
        self.assertPasses(self.inner(act, restore=True))

    def test_others_of_pytest(self):
        self.addCleanup(os.environ.pop, 'PYTEST_ADDOPTS', None)
        self.assertFails(
            self.inner(
                lambda test: os.environ.update(PYTEST_ADDOPTS='-x') or object,
                restore=True,
            ),
            'PYTEST_ADDOPTS',
        )


class TestAnotherOne(support.WaysTestCase):
    """Values that look the same are said to be others."""

    def test_secret(self):
        opt = 'hidden'
        cfg.CONF.set_override(opt, 'one', support.GROUP)

        def act(test):
            cfg.CONF.set_override(opt, 'two', support.GROUP)
            return lambda: cfg.CONF.clear_override(opt, support.GROUP)

        self.assertFails(
            self.inner(act, restore=False), '*** -> *** (another one)'
        )

    def test_handler(self):
        logger = logging.getLogger(support.LOGGER)
        kept, old = logging.StreamHandler(), logging.StreamHandler()
        logger.handlers[:] = [kept, old]

        def act(test):
            logger.handlers[1] = logging.StreamHandler()
            return object

        self.assertFails(
            self.inner(act, restore=False),
            "['StreamHandler NOTSET', 'StreamHandler NOTSET'] -> "
            "['StreamHandler NOTSET', 'StreamHandler NOTSET (another one)']",
        )


class TestLeaks(support.WaysTestCase):
    REASON = 'a library does it'

    def leave(self, **kwargs):
        self.addCleanup(setattr, support.Dial, 'at', support.Dial.at)
        probes = [*posture.PostureGuard.default_probes(), support.Dial()]
        with posture.PostureGuard(probes, **kwargs):
            support.Dial.at += 1

    def test_given(self):
        leak = posture.Leak('dial', 'at', '1', self.REASON)
        self.leave(leaks=[leak])
        # It is 2 now.
        self.assertRaises(exceptions.SafetyViolation, self.leave, leaks=[leak])

    def test_of_a_module(self):
        for module, known in (('sys', True), ('no.such.module', False)):
            leak = posture.Leak('dial', 'at', '*', 'so', module=module)
            with self.subTest(module=module):
                if known:
                    self.leave(leaks=[leak])
                else:
                    self.assertRaises(
                        exceptions.SafetyViolation, self.leave, leaks=[leak]
                    )

    def test_refused(self):
        for leaks in (['dial'], [posture.Leak('dial', 'at', '1', '')]):
            with self.subTest(leaks=leaks):
                self.assertRaises(
                    exceptions.ConfigurationError, self.leave, leaks=leaks
                )

    def test_of_a_file(self):
        path = self.useFixture(fixtures.TempDir()).join('leaks.toml')
        with open(path, 'w') as out:
            out.write(
                '[[leak]]\nprobe = "dial"\nkey = "at"\nafter = "1"\n'
                'reason = "so"\n'
            )
        self.configure(posture_leaks_file=path)
        self.leave()
        self.assertRaises(exceptions.SafetyViolation, self.leave)

    def test_of_a_bad_file(self):
        path = self.useFixture(fixtures.TempDir()).join('leaks.toml')
        with open(path, 'w') as out:
            out.write('[[leak]]\nprobe = "dial"\nkey = "at"\nafter = "1"\n')
        self.configure(posture_leaks_file=path)
        error = self.assertRaises(exceptions.ConfigurationError, self.leave)
        self.assertIn('in entry 1, reason is None', str(error))

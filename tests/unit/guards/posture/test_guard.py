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

import io
import json
import logging
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import warnings

import fixtures
from oslo_config import cfg
import requests
import testscenarios
import testtools
import urllib3
import wsgi_intercept

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from safe_fixtures import testing
from tests.support import base

PostureGuard = posture.PostureGuard

SECRET = 'x7Qm2vKp9'
GROUP = 'posture_test'
VARIABLE = 'POSTURE_TEST'
LOGGER = 'safe_fixtures.tests.posture'
OPTIONS = [
    cfg.StrOpt('kind', default='soft'),
    cfg.StrOpt('alias', default='$posture_test.kind'),
    cfg.IntOpt('number', default=1, mutable=True),
    cfg.StrOpt('hidden', secret=True),
    cfg.StrOpt('admin_password'),
    cfg.StrOpt('url'),
]


class Options(fixtures.Fixture):
    """Options of everybody's, and the file they are read from."""

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).join('posture.conf')
        self.write('')
        self.addCleanup(cfg.CONF.reset)
        self.addCleanup(cfg.CONF.unregister_opts, OPTIONS, group=GROUP)
        self.addCleanup(cfg.CONF.clear)
        cfg.CONF.register_opts(OPTIONS, group=GROUP)
        cfg.CONF([], default_config_files=[self.path], default_config_dirs=[])

    def write(self, text):
        with open(self.path, 'w') as out:
            out.write(f'[{GROUP}]\n{text}\n')


class Source:
    """What a project adds to the posture."""

    leaks = ()
    denied = frozenset([('servers:delete', 'reader')])

    def probes(self):
        return [Dial()]

    def configs(self):
        return {}

    def is_allowed(self, rule, persona):
        if rule != 'servers:delete':
            raise LookupError('there is servers:delete')
        return (rule, persona) not in self.denied


class Backend:
    def __init__(self):
        self.posture = Source()


class Dial(posture.Probe):
    """A probe of one's own."""

    name = 'dial'
    at = 0

    def snapshot(self):
        return {'at': Dial.at}


class Broken(posture.Probe):
    name = 'broken'

    def __init__(self, *answers):
        self.answers = list(answers)

    def snapshot(self):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class TestCase(base.TestCase):
    """A test without the Nova that other tests may have imported."""

    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._entries', list)
        )
        self.options = self.useFixture(Options())
        self.configure(mode='enforce')


def undo_logger(**state):
    logger = logging.getLogger(LOGGER)

    def undo():
        for name, value in state.items():
            setattr(logger, name, value)

    return undo


def set_override(test):
    cfg.CONF.set_override('kind', 'hard', GROUP)
    return lambda: cfg.CONF.clear_override('kind', GROUP)


def set_default(test):
    cfg.CONF.set_default('kind', 'hard', GROUP)
    return lambda: cfg.CONF.clear_default('kind', GROUP)


def set_defaults_of_library(test):
    cfg.set_defaults(OPTIONS, kind='hard')
    return lambda: cfg.set_defaults(OPTIONS, kind='soft')


def reload_files(test):
    test.options.write('kind = hard')
    cfg.CONF.reload_config_files()

    def undo():
        test.options.write('')
        cfg.CONF.reload_config_files()

    return undo


def mutate_files(test):
    test.options.write('number = 2')
    cfg.CONF.mutate_config_files()

    def undo():
        test.options.write('')
        cfg.CONF.mutate_config_files()

    return undo


def add_to_namespace(test):
    namespace = cfg.CONF._namespace
    raw = {GROUP: {'kind': ['hard']}}
    namespace._add_parsed_config_file('<memory>', raw, raw)
    cfg.CONF.clear_override('kind', GROUP)

    def undo():
        namespace._parsed.pop(0)
        namespace._normalized.pop(0)

    return undo


def register_option(test):
    opt = cfg.StrOpt('late', default='never')
    cfg.CONF.register_opt(opt, group=GROUP)
    cfg.CONF.set_override('late', 'always', GROUP)
    return lambda: unregister(opt)


def unregister(opt, group=GROUP):
    # As if nothing had been parsed, which oslo.config asks for.
    conf = cfg.CONF
    args, conf._args = conf._args, None
    conf.unregister_opt(opt, group=group)
    conf._args = args


def set_variable(test):
    os.environ[VARIABLE] = 'new'
    return lambda: os.environ.pop(VARIABLE)


def change_variable(test):
    os.environ[f'{VARIABLE}_KEPT'] = 'other'
    return lambda: os.environ.update({f'{VARIABLE}_KEPT': 'kept'})


def delete_variable(test):
    del os.environ[f'{VARIABLE}_KEPT']
    return lambda: os.environ.update({f'{VARIABLE}_KEPT': 'kept'})


def set_ca_bundle(test):
    os.environ['REQUESTS_CA_BUNDLE'] = 'any.pem'
    return lambda: os.environ.pop('REQUESTS_CA_BUNDLE')


def set_secret_variable(test):
    os.environ['POSTURE_API_KEY'] = SECRET
    return lambda: os.environ.pop('POSTURE_API_KEY')


def set_umask(test):
    before = os.umask(0o007)
    return lambda: os.umask(before)


def change_directory(test):
    before = os.getcwd()
    os.chdir(test.elsewhere)
    return lambda: os.chdir(before)


def patch(owner, name, value):
    missing = object()
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)

    def undo():
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)

    return undo


def unverified_context(test):
    return patch(
        ssl, '_create_default_https_context', ssl._create_unverified_context
    )


def default_context(test):
    return patch(ssl, 'create_default_context', ssl._create_unverified_context)


def session_verify(test):
    return patch(requests.Session, 'verify', False)


def session_settings(test):
    return patch(
        requests.Session, 'merge_environment_settings', lambda *args: {}
    )


def adapter_verify(test):
    return patch(
        requests.adapters.HTTPAdapter, 'cert_verify', lambda *args: None
    )


def pool_cert_reqs(test):
    return patch(urllib3.connection.HTTPSConnection, 'cert_reqs', 'CERT_NONE')


def silence_warnings(test):
    before = list(warnings.filters)
    urllib3.disable_warnings()

    def undo():
        warnings.filters[:] = before

    return undo


def silence_all_of_urllib3(test):
    before = list(warnings.filters)
    urllib3.disable_warnings(urllib3.exceptions.HTTPWarning)

    def undo():
        warnings.filters[:] = before

    return undo


def logger_level(test):
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)
    return undo_logger(level=logging.NOTSET)


def root_level(test):
    before = logging.root.level
    logging.root.setLevel(logging.CRITICAL)
    return lambda: logging.root.setLevel(before)


def add_handler(test):
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger(LOGGER).addHandler(handler)
    return lambda: logging.getLogger(LOGGER).removeHandler(handler)


def replace_root_handlers(test):
    before = list(logging.root.handlers)
    logging.root.handlers[:] = [logging.StreamHandler(io.StringIO())]

    def undo():
        logging.root.handlers[:] = before

    return undo


def handler_level(test):
    logging.getLogger(LOGGER).handlers[0].setLevel(logging.ERROR)
    return lambda: logging.getLogger(LOGGER).handlers[0].setLevel(0)


def propagate(test):
    logging.getLogger(LOGGER).propagate = False
    return undo_logger(propagate=True)


def disable_logger(test):
    logging.getLogger(LOGGER).disabled = True
    return undo_logger(disabled=False)


def disable_logging(test):
    logging.disable(logging.ERROR)
    return lambda: logging.disable(logging.NOTSET)


def add_filter(test):
    logger = logging.getLogger(LOGGER)
    logger.addFilter(add_filter)
    return lambda: logger.removeFilter(add_filter)


def silence_new_logger(test):
    name = f'{LOGGER}.new'
    logging.getLogger(name).setLevel(logging.CRITICAL)
    return lambda: logging.Logger.manager.loggerDict.pop(name)


def intercept(test):
    wsgi_intercept.add_wsgi_intercept('left.test', 80, object)
    return lambda: wsgi_intercept.remove_wsgi_intercept('left.test', 80)


def start_thread(test):
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name='left behind')
    thread.start()

    def undo():
        ended.set()
        thread.join()

    return undo


def turn_dial(test):
    Dial.at = 11
    return lambda: setattr(Dial, 'at', 0)


WAYS = [
    (set_override, f"config: [{GROUP}] kind: 'soft' -> 'hard'"),
    (set_default, f"config: [{GROUP}] kind: 'soft' -> 'hard'"),
    (set_defaults_of_library, f"config: [{GROUP}] kind: 'soft' -> 'hard'"),
    (reload_files, f"config: [{GROUP}] kind: 'soft' -> 'hard'"),
    (mutate_files, f'config: [{GROUP}] number: 1 -> 2'),
    (add_to_namespace, f"config: [{GROUP}] kind: 'soft' -> 'hard'"),
    (register_option, f"config: [{GROUP}] late: 'never' -> 'always'"),
    (set_variable, f"environ: {VARIABLE}: (absent) -> 'new'"),
    (change_variable, f"environ: {VARIABLE}_KEPT: 'kept' -> 'other'"),
    (delete_variable, f"environ: {VARIABLE}_KEPT: 'kept' -> (absent)"),
    (set_ca_bundle, 'environ: REQUESTS_CA_BUNDLE: (absent) -> '),
    (set_secret_variable, 'environ: POSTURE_API_KEY: (absent) -> ***'),
    (set_umask, "process: umask: '0022' -> '0007'"),
    (change_directory, 'process: cwd: '),
    (
        unverified_context,
        'tls: ssl._create_default_https_context: ssl.create_default_context '
        '-> ssl._create_unverified_context',
    ),
    (default_context, 'tls: ssl.create_default_context: '),
    (session_verify, 'tls: requests.sessions.Session.verify: (absent) -> F'),
    (
        session_settings,
        'tls: requests.sessions.Session.merge_environment_settings: ',
    ),
    (adapter_verify, 'tls: requests.adapters.HTTPAdapter.cert_verify: '),
    (pool_cert_reqs, 'tls: urllib3.connection.HTTPSConnection.cert_reqs: '),
    (silence_warnings, "InsecureRequestWarning: 'always' -> 'ignore'"),
    (silence_all_of_urllib3, "InsecureRequestWarning: 'always' -> 'ignore'"),
    (logger_level, f'logging: {LOGGER} level: NOTSET -> CRITICAL'),
    (root_level, 'logging: root level: '),
    (add_handler, f'logging: {LOGGER} handlers: '),
    (replace_root_handlers, 'logging: root handlers: '),
    (handler_level, "['NullHandler NOTSET'] -> ['NullHandler ERROR']"),
    (propagate, f'logging: {LOGGER} propagate: True -> False'),
    (disable_logger, f'logging: {LOGGER} disabled: False -> True'),
    (disable_logging, 'logging: logging.disable(): NOTSET -> ERROR'),
    (add_filter, f'logging: {LOGGER} filters: [] -> '),
    (silence_new_logger, f'logging: {LOGGER}.new level: NOTSET -> CRITICAL'),
    (intercept, 'wsgi_intercept: left.test:80: (absent) -> '),
    (start_thread, 'threads: left behind: (absent) -> '),
    (turn_dial, 'dial: at: 0 -> 11'),
]


REMEDIES = {
    'config': 'Set options with useFixture(oslo_config.fixture.Config())',
    'environ': 'Use useFixture(fixtures.EnvironmentVariable(...)).',
    'tls': 'Patch with useFixture(fixtures.MonkeyPatch(...)).',
    'InsecureRequestWarning': 'fixtures.MonkeyPatch(...)).',
    'threads': 'End and join the thread in a cleanup.',
}


class WaysTestCase(TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.EnvironmentVariable(f'{VARIABLE}_KEPT', 'kept')
        )
        self.elsewhere = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.EnvironmentVariable('REQUESTS_CA_BUNDLE'))
        self.addCleanup(os.umask, os.umask(0o022))
        self.useFixture(LastingFilters())
        self.useFixture(LastingLogger())
        # At once, as these threads do not end by themselves.
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.guards.posture.probes._GRACE', 0.0
            )
        )

    def inner(self, act, restore, way_out='pass'):
        outer = self

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                probes = [*PostureGuard.default_probes(), Dial()]
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(PostureGuard(probes))
                if way_out == 'error':
                    self.act()
                    raise ZeroDivisionError

            def act(self):
                undo = act(outer)
                (self if restore else outer).addCleanup(undo)

            def test_it(self):
                self.act()
                if way_out == 'fail':
                    self.fail('by itself')

        return Inner


class LastingFilters(fixtures.Fixture):
    """What urllib3 does when it is imported, whoever runs the tests."""

    def _setUp(self):
        before = list(warnings.filters)
        self.addCleanup(warnings.filters.__setitem__, slice(None), before)
        warnings.simplefilter('always', urllib3.exceptions.SecurityWarning)


class LastingLogger(fixtures.Fixture):
    def _setUp(self):
        logger = logging.getLogger(LOGGER)
        self.addCleanup(logging.Logger.manager.loggerDict.pop, LOGGER)
        logger.addHandler(logging.NullHandler())


class TestWays(testscenarios.WithScenarios, WaysTestCase):
    """Each way to change the posture is seen; undone, it is none."""

    scenarios = [
        (
            act.__name__,
            {
                'act': staticmethod(act),
                'change': change,
                'remedy': REMEDIES.get(
                    change.partition(':')[0],
                    'Undo the change in a cleanup: use a fixture, or '
                    'addCleanup().',
                ),
            },
        )
        for act, change in WAYS
    ]

    def test_left(self):
        self.assertFails(
            self.inner(self.act, restore=False),
            'SF501 (CWE-459): the test changed and did not restore: ',
            self.change,
            self.remedy,
        )

    def test_given_back(self):
        self.assertPasses(self.inner(self.act, restore=True))
        self.assertEqual([], seen(self.trail))

    def test_recorded_only(self):
        self.configure(mode='audit')
        self.assertPasses(self.inner(self.act, restore=False))
        (event,) = seen(self.trail)
        changes = '\n'.join(
            '{probe}: {key}: {before} -> {after}'.format_map(change)
            for change in audit.details(event)['changes']
        )
        self.assertIn(self.change, changes)
        self.assertNotIn(SECRET, json.dumps(event))


class TestWaysOut(testscenarios.WithScenarios, WaysTestCase):
    """What is left is told however the test ends."""

    scenarios = [
        ('pass', {'way_out': 'pass', 'other': ''}),
        ('fail', {'way_out': 'fail', 'other': 'AssertionError: by itself'}),
        ('error', {'way_out': 'error', 'other': 'ZeroDivisionError'}),
    ]

    def test_left(self):
        result = self.assertFails(
            self.inner(set_override, False, self.way_out), 'SF501 (CWE-459)'
        )
        self.assertIn(self.other, base.problems(result)[0])

    def test_given_back(self):
        result = self.run_inner(self.inner(set_override, True, self.way_out))
        texts = base.problems(result)
        self.assertEqual(self.way_out != 'pass', bool(texts))
        for text in texts:
            self.assertIn(self.other, text)
            self.assertNotIn('SF501', text)

    def test_waived(self):
        inner = self.inner(set_override, False)
        inner.test_it = safe_fixtures.waive('SF501', reason='a try')(
            inner.test_it
        )
        self.assertPasses(inner)
        (event,) = seen(self.trail)
        self.assertEqual('a try', audit.details(event)['waived'])


class TestInterrupts(WaysTestCase):
    """Whoever interrupts is not told of something else instead."""

    def test_in_a_test(self):
        outer = self

        class Inner(testtools.TestCase):
            def test_it(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(PostureGuard())
                outer.addCleanup(set_override(outer))
                raise KeyboardInterrupt

        self.assertRaises(
            KeyboardInterrupt, Inner('test_it').run, testtools.TestResult()
        )
        self.assertEqual(1, len(seen(self.trail)))

    def test_in_a_block(self):
        for error in (KeyboardInterrupt, SystemExit):
            with audit.AuditTrail() as trail:
                try:
                    with PostureGuard():
                        undo = set_override(self)
                        raise error
                except error:
                    undo()
            self.assertEqual(1, len(seen(trail)), error)

    def test_after_an_interrupt_it_can_be_reused(self):
        guard = PostureGuard()
        try:
            with guard:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        self.assertRaises(
            exceptions.SafetyViolation, self._use_and_change, guard
        )

    def _use_and_change(self, guard):
        with guard:
            self.addCleanup(set_override(self))


class TestNoChange(WaysTestCase):
    """What changes nothing in effect."""

    def assert_no_change(self, act):
        self.assertPasses(self.inner(lambda _: act() or object, False))
        self.assertEqual([], seen(self.trail))

    def test_override_with_the_same_value(self):
        self.assert_no_change(
            lambda: cfg.CONF.set_override('kind', 'soft', GROUP)
        )

    def test_override_with_what_it_is_interpolated_from(self):
        self.assert_no_change(
            lambda: cfg.CONF.set_override('alias', 'soft', GROUP)
        )

    def test_files_read_anew(self):
        self.assert_no_change(lambda: cfg.CONF.reload_config_files() and None)

    def test_option_registered(self):
        opt = cfg.StrOpt('late', default='never')
        self.addCleanup(unregister, opt)
        self.assert_no_change(
            lambda: cfg.CONF.register_opt(opt, group=GROUP) and None
        )

    def test_option_registered_that_a_file_sets(self):
        self.options.write('late = always')
        cfg.CONF.reload_config_files()
        opt = cfg.StrOpt('late', default='never')
        self.addCleanup(unregister, opt)
        self.assert_no_change(
            lambda: cfg.CONF.register_opt(opt, group=GROUP) and None
        )

    def test_option_unregistered(self):
        opt = cfg.StrOpt('late', default='never')
        cfg.CONF.register_opt(opt, group=GROUP)
        self.assert_no_change(lambda: unregister(opt))

    def test_subcommand_registered(self):
        opt = cfg.SubCommandOpt('command', handler=lambda subparsers: None)
        cfg.CONF.clear()
        self.addCleanup(cfg.CONF.unregister_opt, opt)
        self.addCleanup(cfg.CONF.clear)
        self.assert_no_change(lambda: cfg.CONF.register_cli_opt(opt) and None)

    def test_new_logger(self):
        name = f'{LOGGER}.new'
        self.addCleanup(logging.Logger.manager.loggerDict.pop, name)
        self.assert_no_change(
            lambda: logging.getLogger(name).addHandler(logging.NullHandler())
        )

    def test_thread_that_ends(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.guards.posture.probes._GRACE', 30.0
            )
        )
        ended = threading.Event()
        # It ends when the guard has begun to wait for it.
        self.addCleanup(ended.set)
        thread = threading.Thread(target=ended.wait)
        join = thread.join

        def end_and_join(*args):
            ended.set()
            join(*args)

        thread.join = end_and_join
        self.assert_no_change(thread.start)

    def test_daemon(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.assert_no_change(
            threading.Thread(target=ended.wait, daemon=True).start
        )

    def test_thread_that_was_there(self):
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        self.assert_no_change(lambda: None)


class TestConfig(WaysTestCase):
    def test_values_are_what_they_were(self):
        """Interpolated as they were, too."""
        cfg.CONF.set_override('kind', 'hard', GROUP)
        cfg.CONF.set_override('alias', 'so $posture_test.kind', GROUP)

        def clear():
            cfg.CONF.clear_override('alias', GROUP)
            cfg.CONF.clear_override('kind', GROUP)

        error = self.assertRaises(exceptions.SafetyViolation, self.use, clear)
        self.assertIn(f"[{GROUP}] alias: 'so hard' -> 'soft'", str(error))

    def test_all_that_a_lost_file_had_set(self):
        self.options.write('kind = hard\nnumber = 7')
        cfg.CONF.reload_config_files()
        error = self.assertRaises(
            exceptions.SafetyViolation, self.use, cfg.CONF.clear
        )
        self.assertIn(
            f"[{GROUP}] kind: 'hard' -> 'soft' (default)", str(error)
        )
        self.assertIn(f'[{GROUP}] number: 7 -> 1 (default)', str(error))
        self.assertIn(f"[{GROUP}] alias: 'hard' -> 'soft'", str(error))

    def test_default_that_was_set_is_none(self):
        """Only what an option was registered with is its default."""
        self.addCleanup(cfg.set_defaults, OPTIONS, kind='soft')
        cfg.CONF.clear()
        error = self.assertRaises(
            exceptions.SafetyViolation,
            self.use,
            lambda: cfg.set_defaults(OPTIONS, kind='hard'),
        )
        self.assertIn(f"[{GROUP}] kind: 'soft' -> 'hard'", str(error))
        self.assertNotIn('(default)', str(error))

    def test_invalid_value(self):
        self.options.write('number = many')
        error = self.assertRaises(
            exceptions.SafetyViolation,
            self.use,
            cfg.CONF.reload_config_files,
        )
        self.assertIn('number: 1 -> ', str(error))
        self.assertIn('(invalid: ', str(error))

    def use(self, act):
        with PostureGuard():
            act()


class TestMasking(WaysTestCase):
    def assert_masked(self, act, *, shown):
        error = self.assertRaises(exceptions.SafetyViolation, self.use, act)
        texts = [str(error), repr(error), json.dumps(self.trail.events)]
        for text in texts:
            self.assertNotIn(SECRET, text)
            self.assertIn(shown, text)

    def use(self, act):
        with audit.AuditTrail() as self.trail, PostureGuard():
            act()

    def override(self, name, value):
        return lambda: cfg.CONF.set_override(name, value, GROUP)

    def test_secret_option(self):
        self.assert_masked(self.override('hidden', SECRET), shown='hidden')

    def test_option_with_a_telling_name(self):
        self.assert_masked(
            self.override('admin_password', SECRET), shown='admin_password'
        )

    def test_credentials_in_a_url(self):
        self.assert_masked(
            self.override('url', f'mysql://nova:{SECRET}@db.test/nova'),
            shown='db.test',
        )

    def test_secret_of_before(self):
        cfg.CONF.set_override('hidden', SECRET, GROUP)
        self.assert_masked(self.override('hidden', 'x'), shown='hidden')

    def test_variables(self):
        for name in (
            'OS_PASSWORD',
            'OS_TOKEN',
            'AWS_SECRET_ACCESS_KEY',
            'AWS_ACCESS_KEY_ID',
            'API_KEY',
            'MYSQL_PWD',
            'BASIC_AUTH',
        ):
            with fixtures.EnvironmentVariable(name):
                self.assert_masked(
                    lambda name=name: os.environ.update({name: SECRET}),
                    shown=name,
                )

    def test_assertion(self):
        cfg.CONF.set_override('admin_password', SECRET, GROUP)
        with audit.AuditTrail() as trail, PostureGuard() as guard:
            error = self.assertRaises(
                AssertionError,
                guard.assert_posture,
                options={f'{GROUP}.admin_password': 'another'},
            )
        self.assertIn('admin_password', str(error))
        self.assertNotIn(SECRET, str(error) + json.dumps(trail.events))

    def test_error_of_a_probe(self):
        self.assert_masked_probe(Broken({}, ValueError(SECRET)))

    def assert_masked_probe(self, probe):
        with audit.AuditTrail() as trail:
            error = self.assertRaises(
                exceptions.SafetyViolation, self._use_probes, [probe]
            )
        self.assertIn('failed with ValueError', str(error))
        self.assertNotIn(SECRET, str(error) + json.dumps(trail.events))

    def _use_probes(self, probes):
        with PostureGuard(probes):
            pass


class TestProbes(WaysTestCase):
    def test_refused(self):
        for probes in (
            [object()],
            [Dial],
            [Dial(), Dial()],
            [posture.Probe()],
            [Dial(), None],
        ):
            guard = PostureGuard(probes)
            error = self.assertRaises(
                exceptions.ConfigurationError, guard.setUp
            )
            self.assertIn('PostureGuard probes', str(error))
            self.assertIsNone(audit.current())

    def test_failing_at_set_up(self):
        guard = PostureGuard([Dial(), Broken(ZeroDivisionError(SECRET))])
        error = self.assertRaises(exceptions.ConfigurationError, guard.setUp)
        self.assertIn('broken', str(error))
        self.assertIn('ZeroDivisionError', str(error))
        self.assertNotIn(SECRET, str(error))
        self.assertIsNone(audit.current())

    def test_failing_at_cleanup(self):
        """It hides no change that another sees."""
        guard = PostureGuard([Broken({}, ZeroDivisionError()), Dial()])
        guard.setUp()
        self.addCleanup(turn_dial(self))
        error = self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        self.assertIn(
            'broken: snapshot: compared -> failed with ZeroDivisionError; '
            'dial: at: 0 -> 11',
            str(error),
        )

    def test_interrupted(self):
        guard = PostureGuard([Broken({}, KeyboardInterrupt())])
        with audit.AuditTrail():
            guard.setUp()
            self.assertRaises(KeyboardInterrupt, guard.cleanUp)

    def test_many_changes(self):
        probe = Broken({}, {f'key{number:03}': 1 for number in range(99)})
        with audit.AuditTrail() as trail:
            guard = PostureGuard([probe])
            guard.setUp()
            error = self.assertRaises(
                exceptions.SafetyViolation, guard.cleanUp
            )
        self.assertIn('key019', str(error))
        self.assertNotIn('key020', str(error))
        self.assertIn('and 79 more', str(error))
        (event,) = seen(trail)
        self.assertEqual(99, len(audit.details(event)['changes']))

    def test_of_the_project(self):
        plugins.provide(Backend())
        names = [probe.name for probe in PostureGuard.default_probes()]
        self.assertEqual('dial', names[-1])
        self.assertEqual(len(names), len(set(names)))

    def test_configs_of_the_project(self):
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt('kind', default='soft'))
        backend = Backend()
        backend.posture.configs = lambda: {'other': conf}
        plugins.provide(backend)
        with testtools.ExpectedException(
            exceptions.SafetyViolation,
            r"(?s).*config: other \[DEFAULT\] kind: 'soft' -> 'hard'",
        ):
            with PostureGuard():
                conf.set_override('kind', 'hard')

    def test_nothing_is_imported(self):
        """Only what is imported already is looked at."""
        script = (
            'import sys\n'
            'from safe_fixtures.guards import posture\n'
            'before = set(sys.modules)\n'
            'with posture.PostureGuard(): pass\n'
            'print(sorted(name for name in set(sys.modules) - before\n'
            "      if name.partition('.')[0] in ('requests', 'urllib3',\n"
            "      'ssl', 'http', 'wsgi_intercept', 'nova', 'eventlet')))\n"
        )
        done = subprocess.run(
            [sys.executable, '-c', script],
            capture_output=True,
            check=True,
            text=True,
        )
        self.assertEqual('[]', done.stdout.strip())

    def test_directory_that_is_gone(self):
        before = os.getcwd()
        gone = tempfile.mkdtemp()
        self.addCleanup(os.chdir, before)
        with testtools.ExpectedException(
            exceptions.SafetyViolation, r".*cwd: .* -> '\(removed\)'"
        ):
            with PostureGuard():
                os.chdir(gone)
                shutil.rmtree(gone)

    def test_umask_is_not_touched(self):
        self.useFixture(fixtures.MonkeyPatch('os.umask', self.fail))
        with PostureGuard():
            pass


class TestLeaks(WaysTestCase):
    def setUp(self):
        super().setUp()
        self.backend = Backend()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        plugins.provide(self.backend)

    def leave(self, *leaks):
        self.backend.posture.leaks = leaks
        with PostureGuard():
            Dial.at = 11
            self.addCleanup(setattr, Dial, 'at', 0)

    def test_listed(self):
        self.leave(posture.Leak('dial', 'at', '11', 'it is so'))
        self.leave(posture.Leak('dial', 'a*', '1*', 'it is so'))

    def test_not_in_a_block(self):
        """They are what a whole test leaves."""
        self.backend.posture.leaks = (posture.Leak('dial', '*', '*', 'so'),)
        self.addCleanup(setattr, Dial, 'at', 0)
        with testing.expect_violation('SF501'), PostureGuard() as guard:
            with guard.frozen('dial'):
                Dial.at = 11

    def test_of_another(self):
        for leak in (
            ('dials', 'at', '11'),
            ('dial', 'a', '11'),
            ('dial', 'at', '1'),
            ('dial', 'at', '[1]1'),
            ('dial', '?t', '11'),
        ):
            Dial.at = 0
            self.assertRaises(
                exceptions.SafetyViolation,
                self.leave,
                posture.Leak(*leak, 'it is so'),
            )


class TestFrozen(WaysTestCase):
    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail())
        self.addCleanup(setattr, Dial, 'at', 0)
        self.addCleanup(cfg.CONF.clear_override, 'kind', GROUP)

    def run_test(self, act):
        class Inner(testtools.TestCase):
            def test_it(self):
                probes = [*PostureGuard.default_probes(), Dial()]
                act(self, self.useFixture(PostureGuard(probes)))

        return Inner

    def test_changed(self):
        def act(test, guard):
            with guard.frozen('dial'):
                test.addCleanup(turn_dial(test))

        self.assertFails(
            self.run_test(act),
            'changed in a frozen block: dial: at',
            'Restore it in the block.',
        )

    def test_cannot_be_swallowed(self):
        def act(test, guard):
            with testtools.ExpectedException(exceptions.SafetyViolation):
                with guard.frozen():
                    test.addCleanup(turn_dial(test))

        self.assertFails(
            self.run_test(act),
            'SF501 (CWE-459): changed in a frozen block',
            'dial: at',
        )

    def test_changed_and_given_back(self):
        def act(test, guard):
            with guard.frozen():
                turn_dial(test)()
            with guard.frozen('dial', 'config'):
                set_override(test)()

        self.assertPasses(self.run_test(act))

    def test_of_another_probe(self):
        def act(test, guard):
            with guard.frozen('environ', 'config'):
                test.addCleanup(turn_dial(test))

        self.assertPasses(self.run_test(act))

    def test_what_was_changed_before(self):
        def act(test, guard):
            test.addCleanup(turn_dial(test))
            with guard.frozen():
                pass

        self.assertPasses(self.run_test(act))

    def test_body_that_raises(self):
        def act(test, guard):
            with guard.frozen():
                test.addCleanup(turn_dial(test))
                raise ZeroDivisionError

        result = self.run_inner(self.run_test(act))
        (text,) = base.problems(result)
        self.assertIn('ZeroDivisionError', text)
        self.assertIn('changed in a frozen block', text)
        self.assertEqual(1, len(seen(self.trail)))

    def test_body_whose_error_is_swallowed(self):
        def act(test, guard):
            with testtools.ExpectedException(ZeroDivisionError):
                with guard.frozen():
                    test.addCleanup(turn_dial(test))
                    raise ZeroDivisionError

        self.assertFails(
            self.run_test(act), 'SF501 (CWE-459): changed in a frozen block'
        )

    def test_interrupt(self):
        def act(test, guard):
            with guard.frozen():
                test.addCleanup(turn_dial(test))
                raise KeyboardInterrupt

        self.assertRaises(
            KeyboardInterrupt,
            self.run_test(act)('test_it').run,
            testtools.TestResult(),
        )
        self.assertEqual(1, len(seen(self.trail)))

    def test_audit(self):
        self.configure(mode='audit')

        def act(test, guard):
            with guard.frozen():
                test.addCleanup(turn_dial(test))

        self.assertPasses(self.run_test(act))
        self.assertEqual(1, len(seen(self.trail)))

    def test_expected(self):
        def act(test, guard):
            with testing.expect_violation('SF501') as violations:
                with guard.frozen():
                    test.addCleanup(turn_dial(test))
            test.assertIn('dial', violations[0].message)

        self.assertPasses(self.run_test(act))

    def test_unknown_name(self):
        with PostureGuard() as guard:
            error = self.assertRaises(
                exceptions.ConfigurationError,
                guard.frozen('confg').__enter__,
            )
            self.assertIn("'confg'", str(error))
            self.assertIn('config', str(error))

    def test_not_set_up(self):
        self.assertRaises(
            RuntimeError, PostureGuard().frozen('config').__enter__
        )


class TestAssertPosture(WaysTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        # It is an assertion, whatever the rule does.
        self.configure(mode='off')
        self.trail = self.useFixture(audit.AuditTrail())
        self.guard = self.useFixture(PostureGuard())

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
            options={f'{GROUP}.kind': 'soft', f'{GROUP}.alias': 'soft'}
        )
        self.assert_refused(
            f"option {GROUP}.kind is 'soft', not 'hard'",
            f'option {GROUP}.number is 1, not 2',
            options={f'{GROUP}.kind': 'hard', f'{GROUP}.number': 2},
        )

    def test_option_of_no_group(self):
        opt = cfg.StrOpt('posture_test_host', default='here')
        cfg.CONF.register_opt(opt)
        self.addCleanup(unregister, opt, None)
        for name in ('posture_test_host', 'DEFAULT.posture_test_host'):
            self.guard.assert_posture(options={name: 'here'})
            self.assert_refused("'here', not 'there'", options={name: 'there'})

    def test_unknown_option(self):
        for name in (f'{GROUP}.knd', 'no_such_group.kind', 'knd'):
            error = self.assertRaises(
                exceptions.ConfigurationError,
                self.guard.assert_posture,
                options={name: 'soft'},
            )
            self.assertIn(name, str(error))

    def test_policy(self):
        plugins.provide(Backend())
        member = ('servers:delete', 'member')
        reader = ('servers:delete', 'reader')
        self.guard.assert_posture(allows=[member], denies=[reader])
        self.assert_refused(
            'policy allows servers:delete to member', denies=[member]
        )
        self.assert_refused(
            'policy denies servers:delete to reader', allows=[reader]
        )

    def test_all_faults_at_once(self):
        plugins.provide(Backend())
        self.assert_refused(
            'policy allows servers:delete to member',
            f'option {GROUP}.kind',
            denies=[('servers:delete', 'member')],
            options={f'{GROUP}.kind': 'hard'},
        )

    def test_unknown_rule(self):
        plugins.provide(Backend())
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
            (unverified_context, '_create_default_https_context() does not'),
            (default_context, 'ssl.create_default_context() does not verify'),
            (insecure_session, 'requests.Session() does not verify'),
            (silence_warnings, 'InsecureRequestWarning'),
        ):
            undo = act(self)
            try:
                self.assert_refused(fault, tls=True)
            finally:
                undo()
        self.guard.assert_posture(tls=True)

    def test_not_set_up(self):
        self.assertRaises(RuntimeError, PostureGuard().assert_posture)


def insecure_session(test):
    return patch(
        requests.Session,
        'merge_environment_settings',
        lambda *args: {'verify': False},
    )


class TestContract(testing.FixtureContract, TestCase):
    """It restores nothing, and leaves nothing."""

    def make_fixture(self):
        return PostureGuard()

    def use(self, fixture):
        with fixture.frozen('config'):
            pass

    def state(self):
        return audit.current(), threading.active_count(), os.getcwd()


def seen(trail):
    """Return the records of changes of the posture."""
    return [
        event
        for event in trail.events
        if event.get('reason', {}).get('reasonCode') == 'SF501'
        and event['action'] != 'allow/waiver'
    ]

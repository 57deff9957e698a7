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

"""Ways to change the posture of a process, and the tests that use them."""

import io
import json
import logging
import os
import ssl
import threading
import warnings

import fixtures
from oslo_config import cfg
import requests
import testtools
import urllib3
import wsgi_intercept

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from tests.support import base

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
    """Options of ``cfg.CONF``, and the file they are read from."""

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
    """Adds to the posture what a project adds."""

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
    """A probe as a user writes it."""

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
    """Without the Nova that other tests may have imported."""

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
                'safe_fixtures.guards.posture.resource_probes._GRACE', 0.0
            )
        )

    def inner(self, act, restore, way_out='pass'):
        outer = self

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                probes = [*posture.PostureGuard.default_probes(), Dial()]
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(posture.PostureGuard(probes))
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

    def assert_no_change(self, act):
        self.assertPasses(self.inner(lambda _: act() or object, False))
        self.assertEqual([], seen(self.trail))

    def assert_masked(self, act, *, shown):
        error = self.assertRaises(
            exceptions.SafetyViolation, self.use_recorded, act
        )
        texts = [str(error), repr(error), json.dumps(self.trail.events)]
        for text in texts:
            self.assertNotIn(SECRET, text)
            self.assertIn(shown, text)

    def use_recorded(self, act):
        with audit.AuditTrail() as self.trail, posture.PostureGuard():
            act()


class LastingFilters(fixtures.Fixture):
    """Filter warnings as urllib3 does when it is imported."""

    def _setUp(self):
        before = list(warnings.filters)
        self.addCleanup(warnings.filters.__setitem__, slice(None), before)
        warnings.simplefilter('always', urllib3.exceptions.SecurityWarning)


class LastingLogger(fixtures.Fixture):
    def _setUp(self):
        logger = logging.getLogger(LOGGER)
        self.addCleanup(logging.Logger.manager.loggerDict.pop, LOGGER)
        logger.addHandler(logging.NullHandler())


def insecure_session(test):
    return patch(
        requests.Session,
        'merge_environment_settings',
        lambda *args: {'verify': False},
    )


def seen(trail):
    """Return the records of changes of the posture."""
    return [
        event
        for event in trail.events
        if event.get('reason', {}).get('reasonCode') == 'SF501'
        and event['action'] != 'allow/waiver'
    ]

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


"""More ways to change a process; each returns what undoes it."""

import asyncio
import builtins
import decimal
import faulthandler
import gc
import http.client
import locale
import os
import resource
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import warnings

from tests.support import posture

NAME = 'SAFE_FIXTURES_TEST_OF_C'


def call(set_, value, before):
    """Return a way that calls a function, and calls it again to undo it."""

    def act(test):
        old = before()
        set_(value)
        return lambda: set_(old)

    return act


def replace(owner, name, value):
    return lambda test: posture.patch(owner, name, value)


def handle_signal(test):
    old = signal.signal(signal.SIGUSR2, lambda *args: None)
    return lambda: signal.signal(signal.SIGUSR2, old)


def ignore_signal(test):
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return lambda: signal.signal(signal.SIGTERM, old)


def block_signal(test):
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    return lambda: signal.pthread_sigmask(signal.SIG_SETMASK, old)


def start_timer(test):
    signal.setitimer(signal.ITIMER_VIRTUAL, 10_000)
    return lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def add_path(test):
    sys.path.insert(0, '/nowhere')
    return lambda: sys.path.remove('/nowhere')


def add_finder(test):
    finder = Finder()
    sys.meta_path.insert(0, finder)
    return lambda: sys.meta_path.remove(finder)


class Finder:
    def find_spec(self, *args):
        return None


def reorder_paths(test):
    old = list(sys.path)
    sys.path.append(sys.path.pop(0))
    return lambda: sys.path.__setitem__(slice(None), old)


def filter_warnings(test):
    old = list(warnings.filters)
    warnings.simplefilter('error', FutureWarning)
    return lambda: warnings.filters.__setitem__(slice(None), old)


def reset_warnings(test):
    old = list(warnings.filters)
    warnings.resetwarnings()
    return lambda: warnings.filters.extend(old)


def reorder_warnings(test):
    old = list(warnings.filters)
    warnings.filters.append(warnings.filters.pop(0))
    return lambda: warnings.filters.__setitem__(slice(None), old)


def zone(test):
    old = os.environ.get('TZ')

    def set_(value):
        if value is None:
            os.environ.pop('TZ', None)
        else:
            os.environ['TZ'] = value
        time.tzset()

    set_('Etc/GMT+7')
    # tzset() outlives the variable.
    if old is None:
        del os.environ['TZ']
    else:
        os.environ['TZ'] = old
    return lambda: set_(old)


def fewer_files(test):
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (old[0] - 1, old[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, old)


def put_environment(test):
    os.putenv(NAME, 'left')
    return lambda: os.unsetenv(NAME)


def unset_environment(test):
    value = os.environ['PATH']
    os.unsetenv('PATH')
    return lambda: os.putenv('PATH', value)


class Policy(asyncio.DefaultEventLoopPolicy):
    pass


def loop_policy(test):
    asyncio.set_event_loop_policy(Policy())
    return lambda: asyncio.set_event_loop_policy(None)


def precision(test):
    context = decimal.getcontext()
    old = context.prec
    context.prec = 5
    return lambda: setattr(context, 'prec', old)


def no_verification(test):
    return posture.patch(
        ssl.SSLContext, 'verify_mode', property(lambda self: ssl.CERT_NONE)
    )


def no_check_of_names(test):
    return posture.patch(
        ssl.SSLContext, 'check_hostname', property(lambda self: False)
    )


def other_locale(test):
    old = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, 'POSIX' if old != 'C' else 'C.UTF-8')
    return lambda: locale.setlocale(locale.LC_ALL, old)


def collect_never(test):
    gc.disable()
    return gc.enable


def toggle_faulthandler(test):
    on = faulthandler.is_enabled()

    def set_(to):
        if to:
            with open(os.devnull, 'w') as file:
                faulthandler.enable(file)
        else:
            faulthandler.disable()

    set_(not on)
    return lambda: set_(on)


WAYS = [
    ('signal handler', handle_signal, 'signals: SIGUSR2: SIG_DFL -> '),
    ('signal ignored', ignore_signal, 'signals: SIGTERM: SIG_DFL -> SIG_IGN'),
    ('signal mask', block_signal, "signals: blocked: [] -> ['SIGUSR1']"),
    ('timer', start_timer, 'signals: ITIMER_VIRTUAL: stopped -> running'),
    ('sys.path', add_path, "interpreter: sys.path '/nowhere': (absent) -> "),
    ('order of sys.path', reorder_paths, 'interpreter: order of sys.path: '),
    ('finder', add_finder, 'interpreter: sys.meta_path <Finder object>: '),
    ('warnings', filter_warnings, 'warnings: error FutureWarning: (absent)'),
    ('no warnings', reset_warnings, 'warnings: always SecurityWarning: '),
    ('order of warnings', reorder_warnings, 'warnings: order: '),
    ('time zone', zone, 'modules: time.timezone: '),
    ('limit', fewer_files, 'process: RLIMIT_NOFILE: '),
    ('locale', other_locale, 'process: locale: '),
    (
        'putenv',
        put_environment,
        f"environ: os.putenv() of {NAME}: (absent) -> 'left'",
    ),
    ('unsetenv', unset_environment, 'environ: os.putenv() of PATH: '),
    ('loop policy', loop_policy, 'interpreter: asyncio policy: None -> <P'),
    ('decimal', precision, 'interpreter: decimal context: '),
    ('gc', collect_never, 'interpreter: garbage collection: True -> False'),
    ('faulthandler', toggle_faulthandler, 'interpreter: faulthandler: '),
    (
        'gc thresholds',
        call(
            lambda each: gc.set_threshold(*each), (9, 9, 9), gc.get_threshold
        ),
        'interpreter: gc thresholds: ',
    ),
    (
        'recursion',
        call(sys.setrecursionlimit, 4321, sys.getrecursionlimit),
        'interpreter: recursion limit: ',
    ),
    (
        'switch interval',
        call(sys.setswitchinterval, 0.25, sys.getswitchinterval),
        'interpreter: switch interval: ',
    ),
    (
        'profile of threads',
        call(threading.setprofile, len, lambda: None),
        'interpreter: profile function of new threads: None -> builtins.len',
    ),
    (
        'socket timeout',
        call(socket.setdefaulttimeout, 5.5, socket.getdefaulttimeout),
        'interpreter: default timeout of sockets: None -> 5.5',
    ),
    (
        'tempdir',
        replace(tempfile, 'tempdir', '/'),
        'interpreter: tempfile.tempdir: ',
    ),
    ('excepthook', replace(sys, 'excepthook', len), 'sys.excepthook: '),
    ('displayhook', replace(sys, 'displayhook', len), 'sys.displayhook: '),
    ('unraisable', replace(sys, 'unraisablehook', len), '.unraisablehook: '),
    (
        'threads excepthook',
        replace(threading, 'excepthook', len),
        'modules: threading.excepthook: ',
    ),
    ('stdin', replace(sys, 'stdin', object()), 'modules: sys.stdin: '),
    ('argv', replace(sys, 'argv', ['other']), 'modules: sys.argv: '),
    (
        'new name of sys',
        replace(sys, 'tracebacklimit', 3),
        'modules: sys.tracebacklimit: (absent) -> 3',
    ),
    ('builtin', replace(builtins, 'print', len), 'modules: builtins.print: '),
    (
        'new builtin',
        replace(builtins, 'helper', len),
        'modules: builtins.helper: (absent) -> builtins.len',
    ),
    ('sleep', replace(time, 'sleep', len), 'modules: time.sleep: '),
    ('os', replace(os, 'getloadavg', len), 'modules: os.getloadavg: '),
    ('os.path', replace(os.path, 'samefile', len), 'posixpath.samefile: '),
    (
        'debug level',
        replace(http.client.HTTPConnection, 'debuglevel', 1),
        'modules: http.client.HTTPConnection.debuglevel: 0 -> 1',
    ),
    (
        'verify_mode',
        no_verification,
        'modules: ssl.SSLContext.verify_mode: ',
    ),
    (
        'check_hostname',
        no_check_of_names,
        'modules: ssl.SSLContext.check_hostname: ',
    ),
    (
        'showwarning',
        replace(warnings, 'showwarning', len),
        'modules: warnings.showwarning: ',
    ),
]

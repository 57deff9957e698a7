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

import threading

import fixtures
import testtools

from safe_fixtures import conf
from safe_fixtures import extensions
from safe_fixtures.runtime import audit_hook
from tests.support import base
from tests.support import extensions as support


class Thing:
    pass


def check(made):
    if not isinstance(made, Thing):
        raise TypeError('it is no Thing')


def failing(error):
    def fail(*_):
        raise error

    return fail


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.extensions._groups', [])
        )
        self.told = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.extensions._listeners', [self.told.append]
            )
        )

    def group(self, *loads, shared=False):
        """Return a group of plugins a, b, c... that are loaded so."""
        entries = [
            support.Entry('things', name, load)
            for name, load in zip('abcdef', loads, strict=False)
        ]
        self.log = self.useFixture(support.Plugins(*entries)).logger
        return extensions.Group('things', check, shared=shared)

    def faults(self, group):
        return {each.name: each.fault for each in group.plugins()}


class TestGroup(TestCase):
    def test_none(self):
        group = self.group()
        self.assertEqual([], group.made())
        self.assertEqual([], self.told)
        self.assertEqual('', self.log.output)

    def test_new_ones_each_time(self):
        group = self.group(lambda: Thing)
        ((plugin, first),) = group.made()
        ((again, second),) = group.made()
        self.assertIs(plugin, again)
        self.assertIsNot(first, second)
        self.assertEqual(
            ('things', 'a', 'example 1.0', ''),
            (plugin.group, plugin.name, plugin.package, plugin.fault),
        )
        self.assertEqual([plugin], self.told)

    def test_shared(self):
        group = self.group(lambda: Thing, shared=True)
        self.assertEqual(group.made(), group.made())

    def test_loaded_once(self):
        loads = []

        def load():
            loads.append('a')
            return Thing

        group = self.group(load)
        for _ in range(2):
            group.plugins()
            extensions.load()
        self.assertEqual(['a'], loads)
        self.assertEqual(group.plugins(), extensions.loaded())

    def test_only_some_groups(self):
        self.group(self.fail)
        extensions.load('others')
        self.assertEqual([], extensions.loaded())

    def test_loaded_while_a_plugin_is_imported(self):
        seen = []

        def load():
            seen.append(group.made())
            return Thing

        group = self.group(load)
        self.assertEqual(1, len(group.made()))
        self.assertEqual([[]], seen)

    def test_threads_wait_for_each_other(self):
        began, go_on, seen = threading.Event(), threading.Event(), []

        def load():
            began.set()
            go_on.wait()
            return Thing

        group = self.group(load)
        threads = [
            threading.Thread(target=lambda: seen.append(len(group.made())))
            for _ in range(2)
        ]
        threads[0].start()
        began.wait()
        threads[1].start()
        go_on.set()
        for thread in threads:
            thread.join()
        self.assertEqual([1, 1], seen)

    def test_faults(self):
        group = self.group(
            failing(ImportError('no a')),
            failing(SystemExit(3)),
            lambda: failing(ValueError('no c')),
            lambda: dict,
            lambda: 'no callable',
            lambda: Thing,
            shared=True,
        )
        self.assertEqual(1, len(group.made()))
        self.assertEqual(
            {
                'a': 'import failed with ImportError: no a',
                'b': 'import failed with SystemExit: 3',
                'c': 'set-up failed with ValueError: no c',
                'd': 'set-up failed with TypeError: it is no Thing',
                'e': "set-up failed with TypeError: 'str' object is not "
                'callable',
                'f': '',
            },
            self.faults(group),
        )
        self.assertEqual('abcdef', ''.join(each.name for each in self.told))
        self.assertEqual(5, self.log.output.count('is left out'))

    def test_two_of_one_name(self):
        group = self.group(lambda: Thing)
        other = support.Entry('things', 'a', self.fail)
        entries = self.useFixture(
            support.Plugins(support.Entry('things', 'a', lambda: Thing), other)
        )
        self.assertEqual(1, len(group.made()))
        self.assertIn('another plugin of the group', entries.logger.output)

    def test_names(self):
        for name in ('a b', 'a\x1b', '', 'x' * 101):
            with self.subTest(name=name):
                group = self.group()
                self.useFixture(
                    support.Plugins(
                        support.Entry('things', name, lambda: Thing)
                    )
                )
                self.assertEqual([], group.made())
                self.assertNotIn('\x1b', self.log.output)

    def test_package_without_metadata(self):
        group = self.group(lambda: Thing)
        entry = support.Entry('things', 'a', lambda: Thing)
        entry.dist = None
        self.useFixture(support.Plugins(entry))
        self.assertEqual('an unknown package', group.plugins()[0].package)

    def test_left_out(self):
        for options, names in (
            ({'plugins': 'False'}, []),
            ({'plugins_without': 'a'}, ['b']),
            ({'plugins_without': 'c,b'}, ['a']),
        ):
            with self.subTest(options=options):
                self.configure(**{'plugins': 'True', **options})
                group = self.group(lambda: Thing, lambda: Thing)
                found = [plugin.name for plugin, _ in group.made()]
                self.assertEqual(names, found)

    def test_a_test_cannot_leave_them_out(self):
        group = self.group(lambda: Thing)
        conf.CONF.set_override('plugins', False, 'safe_fixtures')
        self.assertEqual(1, len(group.made()))

    def test_invalid_settings(self):
        self.configure(mode='nonsense')
        group = self.group(lambda: Thing)
        self.assertEqual([], group.made())
        self.configure(mode='audit')
        self.assertEqual(1, len(group.made()))


class TestAttempt(TestCase):
    def setUp(self):
        super().setUp()
        ((self.plugin, _),) = self.group(lambda: Thing).made()
        self.told.clear()

    def test_good(self):
        with self.plugin.attempt('it'):
            pass
        self.assertEqual('', self.plugin.fault)
        self.assertEqual('', self.log.output)

    def test_named_once(self):
        for number in range(3):
            with self.plugin.attempt('it'):
                raise ValueError(f'no {number}')
        self.assertEqual('it failed with ValueError: no 0', self.plugin.fault)
        self.assertEqual([self.plugin], self.told)
        self.assertEqual(
            'safe_fixtures: plugin a (things, of example 1.0) is left out: it '
            'failed with ValueError: no 0\n',
            self.log.output,
        )

    def test_what_ends_the_test_goes_on(self):
        for error in (fixtures.TimeoutException, KeyboardInterrupt):
            with testtools.ExpectedException(error):
                with self.plugin.attempt('it'):
                    raise error
        self.assertEqual('', self.plugin.fault)

    def test_text_is_masked_and_short(self):
        with self.plugin.attempt('it'):
            raise ValueError('password=x7Qm2' + 'vKp9\x1b\n' + 'y' * 10**6)
        self.assertNotIn('x7Qm2' + 'vKp9', self.plugin.fault)
        self.assertNotIn('\x1b', self.plugin.fault)
        self.assertLess(len(self.log.output), 500)

    def test_error_without_text(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        with self.plugin.attempt('it'):
            raise Mute
        self.assertEqual('it failed with Mute: (no text)', self.plugin.fault)

    def test_no_act_of_the_test(self):
        seen = []
        before = dict(audit_hook.handlers())
        self.addCleanup(audit_hook.watch, before)
        audit_hook.watch({'glob.glob': lambda *args: seen.append(args)})
        import glob

        glob.glob('/absent')
        self.assertEqual(1, len(seen))
        with self.plugin.attempt('it'):
            glob.glob('/absent')
        self.assertEqual(1, len(seen))

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

import contextlib
import fcntl
import logging
import os
import socket
import subprocess
import sys
import threading
import unittest
import uuid

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import noauth
from keystoneauth1 import plugin
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
import requests
import testtools

import safe_fixtures
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services import marker
from safe_fixtures.guards.services import retry
from tests.support import base
from tests.support import compute_api
from tests.support import inner

ENABLED = ('enabled', None, False)
TRAIT = 'COMPUTE_STATUS_DISABLED'


class Client:
    """A client of somebody's own, built on requests."""

    def __init__(self, base_url):
        self.base_url = base_url

    def request(self, method, path, **kwargs):
        answer = requests.request(
            method,
            self.base_url + path,
            headers={'OpenStack-API-Version': 'compute 2.53'},
            **kwargs,
        )
        answer.raise_for_status()
        return answer.json()

    def get_services(self):
        return self.request('GET', '/os-services')['services']

    def put_service(self, service_id, body):
        return self.request('PUT', f'/os-services/{service_id}', json=body)


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.api = self.useFixture(compute_api.ComputeApi())
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.configure(
            journal_dir=self.directory,
            lock_timeout='0',
            restore_deadline='600',
        )

    def adapter(self, auth=None):
        auth = auth or noauth.NoAuth(endpoint=self.api.url)
        return adapter.Adapter(
            session.Session(auth=auth), service_type='compute'
        )

    def client(self):
        return Client(self.api.url)

    def toggle(self, client=None, **kwargs):
        return services.SafeServiceToggle(
            api=client or self.adapter(), **kwargs
        )

    def is_locked(self):
        """Whether any service is locked, by whomever."""
        folder = os.path.join(self.directory, 'locks')
        for name in os.listdir(folder):
            with open(os.path.join(folder, name)) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def journals(self):
        folder = os.path.join(self.directory, 'journals')
        return os.listdir(folder) if os.path.isdir(folder) else []

    def assertRestored(self):
        self.assertEqual(
            dict.fromkeys(self.api.state(), ENABLED), self.api.state()
        )
        self.assertEqual([], self.journals())


class TestToggle(TestCase):
    def test_journal_while_a_service_is_changed(self):
        for client in (self.client(), self.adapter()):
            with self.subTest(client=type(client)):
                with self.toggle(client) as toggle:
                    self.assertEqual([], self.journals())
                    toggle.disable('host1', reason='maintenance')
                    self.assertEqual(1, len(self.journals()))
                    toggle.force_down('host2')
                    self.assertEqual(
                        ('enabled', None, True), self.api.state()['host2']
                    )
                self.assertRestored()
                self.assertEqual(
                    ['API', 'API'], [e.restored for e in toggle.ledger]
                )

    def test_handle_settles_the_journal(self):
        with self.toggle() as toggle:
            with toggle.disable('host1'):
                self.assertEqual(1, len(self.journals()))
            self.assertRestored()

    def test_reason_says_which_run(self):
        with self.toggle() as toggle:
            toggle.disable('host1', reason='maintenance')
            reason = self.api.service('host1')['disabled_reason']
        self.assertEqual('maintenance', reason.partition(' [')[0])
        found = marker.find(reason)
        self.assertEqual(os.getpid(), found.pid)
        self.assertEqual(socket.gethostname(), found.host)

    def test_request_of_any_client_is_seen(self):
        other = self.client()
        service = self.api.service('host1')
        with self.toggle() as toggle:
            other.put_service(service['id'], {'status': 'disabled'})
            self.assertEqual(1, len(self.journals()))
        self.assertRestored()
        (entry,) = toggle.ledger
        self.assertIn('PUT /v2.1/os-services/', entry.by)
        self.assertIn('test_live.py', entry.by)

    def test_request_to_another_endpoint_is_not_of_this_cloud(self):
        other = self.useFixture(compute_api.ComputeApi())
        other.nova._services.clear()
        for key, service in self.api.nova._services.items():
            other.nova._services[key] = dict(service)
        key = self.api.service('host1')['id']
        with self.toggle() as toggle:
            Client(other.url).put_service(key, {'status': 'disabled'})
        self.assertEqual([], toggle.ledger)
        self.assertEqual('disabled', other.state()['host1'][0])
        self.assertRestored()

    def test_order_of_a_request(self):
        self.configure(rule_modes='SF203:enforce')
        self.api.nova.servers['host1'] = ['7']
        client = self.client()
        with self.toggle():
            with safe_fixtures.expect_violation('SF203'):
                client.put_service(
                    self.api.service('host1')['id'], {'status': 'disabled'}
                )
            self.assertEqual(0, self.api.count('PUT'))
            client.put_service(
                self.api.service('host2')['id'], {'status': 'disabled'}
            )
        self.assertRestored()

    def test_watcher_ends_with_the_toggle(self):
        self.configure(watcher='true')
        # Another test may have left some.
        before = children()
        with self.toggle() as toggle:
            toggle.disable('host1')
            self.assertEqual(1, len(children() - before))
        self.assertEqual(set(), children() - before)
        self.assertRestored()

    def test_one_host_is_listed_for_one_service(self):
        services = {each['host']: each['id'] for each in self.api.services()}
        with self.toggle() as toggle:
            self.api.requests.clear()
            self.client().put_service(
                services['host1'], {'status': 'disabled'}
            )
            toggle.disable('host2')
            toggle.disable(services['host3'])
            listings = {
                path
                for _, path, _ in self.api.requests
                if path.startswith('/v2.1/os-services?')
                or path == '/v2.1/os-services'
            }
        self.assertEqual(
            {f'/v2.1/os-services?host=host{n}' for n in (1, 2, 3)}, listings
        )

    def test_services_are_listed_once_before_a_request(self):
        service = self.api.service('host1')
        with self.toggle():
            for status in ('disabled', 'enabled', 'disabled'):
                self.api.requests.clear()
                self.client().put_service(service['id'], {'status': status})
                listed = [
                    (method, path.partition('?')[0])
                    for method, path, *_ in self.api.requests
                    if '/os-services' in path
                ]
                self.assertEqual(
                    [
                        ('GET', '/v2.1/os-services'),
                        ('PUT', f'/v2.1/os-services/{service["id"]}'),
                    ],
                    listed,
                )

    def test_host_that_gets_another_record(self):
        with self.toggle() as toggle:
            service = self.api.service('host1')
            del self.api.nova._services[service['id']]
            new = {**service, 'id': str(uuid.uuid4())}
            self.api.nova._services[new['id']] = new
            self.client().put_service(new['id'], {'status': 'disabled'})
            toggle.force_down('host1')
            self.assertEqual(
                {new['id']}, {each.service.uuid for each in toggle.ledger}
            )
        self.assertRestored()

    def test_request_that_is_refused_is_settled(self):
        service = self.api.service('host1')
        with self.toggle() as toggle:
            self.api.fail('PUT', compute_api.answer(400))
            self.assertRaises(
                requests.HTTPError,
                self.client().put_service,
                service['id'],
                {'status': 'disabled'},
            )
        self.assertRestored()
        self.assertEqual('already as before', toggle.ledger[0].restored)

    def test_state_is_read_afresh(self):
        with self.toggle() as toggle:
            toggle.disable('host2')
            # Somebody else disables another service meanwhile.
            self.api.service('host1')['forced_down'] = True
            toggle.disable('host1')
        self.assertEqual(('enabled', None, True), self.api.state()['host1'])
        self.assertEqual([], self.journals())

    def test_nested_toggles_share_the_journal(self):
        client = self.client()
        with self.toggle(client) as outer:
            outer.disable('host1', reason='outer')
            with self.toggle(client) as inner:
                inner.force_down('host1')
                inner.disable('host2')
            self.assertEqual('disabled', self.api.state()['host1'][0])
            self.assertEqual(ENABLED, self.api.state()['host2'])
            self.assertEqual(1, len(self.journals()))
        self.assertRestored()
        self.assertNotIn('put_service', vars(client))

    def test_each_request_is_one_entry(self):
        for client in (self.client(), self.adapter()):
            with self.toggle(client) as toggle:
                toggle.disable('host1')
                self.client().put_service(
                    self.api.service('host2')['id'], {'forced_down': True}
                )
            self.assertEqual(2, len(toggle.ledger))
            self.assertRestored()

    def test_servers_are_asked_for(self):
        self.api.nova.servers['host1'] = ['7']
        with self.toggle() as toggle:
            with safe_fixtures.expect_violation('SF203'):
                toggle.disable('host1')
            self.assertEqual(ENABLED, self.api.state()['host1'])
            toggle.disable('host1', 'why', expecting_servers=True)
            self.adapter().get('/servers/detail', microversion='2.53')
        (outage,) = toggle.outages
        sent = [each.what for each in outage.moments if each.by is None]
        put, get = sent
        self.assertTrue(put.startswith('PUT /os-services/'), sent)
        self.assertEqual('GET /servers/detail: 200', get)
        self.assertRestored()

    def test_three_exits(self):
        def toggles(test):
            toggle = test.useFixture(self.toggle())
            toggle.disable('host1')

        def fails(test):
            toggles(test)
            test.fail('planned')

        class Broken(testtools.TestCase):
            def setUp(self):
                super().setUp()
                toggles(self)
                raise ZeroDivisionError

            def test_it(self):
                pass

        self.assertPasses(inner.case_of(toggles))
        self.assertFails(inner.case_of(fails), ': planned')
        self.assertFails(Broken, '\nZeroDivisionError')
        self.assertRestored()
        self.assertEqual((), gate.OBSERVERS.users)


def children():
    """Return the processes that this one has, dead ones too."""
    found = set()
    for task in os.listdir('/proc/self/task'):
        with open(f'/proc/self/task/{task}/children') as file:
            found.update(file.read().split())
    return found


class TestSetUp(TestCase):
    """What the set-up of a toggle says of the client, and of other runs."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))

    def test_token_that_cannot_be_renewed(self):
        auth = token_endpoint.Token(self.api.url, 'a-token')
        with self.toggle(self.adapter(auth)):
            pass
        self.assertEqual(1, self.log.output.count('cannot be renewed'))
        self.assertNotIn('a-token', self.log.output)

    def test_nothing_to_say(self):
        with self.toggle():
            pass
        self.assertEqual('', self.log.output)

    def test_journal_of_a_run_that_has_ended_is_named(self):
        self.api.owe(self.directory, 'host1')
        (name,) = self.journals()
        with self.toggle():
            pass
        self.assertIn('nova-compute on host1', self.log.output)
        self.assertIn(f'{name}"', self.log.output)
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertEqual([name], self.journals())

    def test_journal_of_a_run_that_has_ended_is_replayed(self):
        self.configure(dead_journals='restore')
        self.api.owe(self.directory, 'host1')
        with self.toggle():
            self.assertRestored()
        self.assertEqual('', self.log.output)

    def test_newest_of_the_runs_that_have_ended_is_replayed_first(self):
        self.configure(dead_journals='restore')
        first = services.ServiceState(True, 'maintenance')
        second = services.ServiceState(True, 'maintenance', True)
        # In any order of their names.
        for _ in range(3):
            self.api.owe(self.directory, 'host1')
            self.api.owe(self.directory, 'host1', before=first, after=second)
            with self.toggle():
                self.assertRestored()
        self.assertEqual('', self.log.output)

    def test_conflict_of_a_run_that_has_ended_is_named(self):
        self.configure(dead_journals='restore')
        self.api.owe(self.directory, 'host1', 'host2')
        self.api.service('host1')['disabled_reason'] = 'broken fan'
        with self.toggle():
            pass
        self.assertIn('nova-compute on host1', self.log.output)
        self.assertNotIn('host2', self.log.output)
        self.assertEqual('broken fan', self.api.state()['host1'][1])
        self.assertEqual(ENABLED, self.api.state()['host2'])

    def test_journal_of_another_cloud(self):
        url = 'http://127.0.0.1:1/v2.1'
        self.api.owe(self.directory, 'host1', url=url)
        with self.toggle():
            pass
        self.assertEqual('', self.log.output)


class TestRefusals(TestCase):
    def test_no_journal_no_toggle(self):
        for broken in (os.devnull, '/proc'):
            with self.subTest(directory=broken):
                self.configure(journal_dir=os.path.join(broken, 'x'))
                service = self.api.service('host1')
                with self.toggle() as toggle:
                    self.assertRaises(
                        journal.JournalError, toggle.disable, 'host1'
                    )
                    self.assertRaises(
                        journal.JournalError,
                        self.client().put_service,
                        service['id'],
                        {'forced_down': True},
                    )
                self.assertEqual(0, self.api.count('PUT'))

    def test_journal_can_be_switched_off_on_loopback(self):
        self.configure(journal_dir='off')
        with self.toggle() as toggle:
            toggle.disable('host1')
            self.assertNotEqual(ENABLED, self.api.state()['host1'])
        self.assertRestored()

    def test_journal_is_needed_elsewhere(self):
        self.configure(
            journal_dir='off', allowed_endpoints='cloud.example.com'
        )
        error = self.assertRaises(
            exceptions.ConfigurationError,
            self.toggle(
                self.client(), endpoint='https://cloud.example.com/compute'
            ).setUp,
        )
        self.assertIn('journal_dir', str(error))
        self.assertEqual([], self.api.requests)

    def test_client_that_may_not_list_services(self):
        for status, advice in ((403, 'may list services'), (401, 'token')):
            self.api.fail('GET', *[compute_api.answer(status)] * 3)
            with self.subTest(status=status):
                error = self.assertRaises(
                    exceptions.ConfigurationError, self.toggle().setUp
                )
                self.assertIn(advice, str(error))
            self.api.faults.clear()

    def test_another_endpoint_is_refused_before_a_byte_is_sent(self):
        toggle = self.toggle(
            self.client(), endpoint='https://cloud.example.com/compute'
        )
        error = self.assertRaises(exceptions.SafetyViolation, toggle.setUp)
        self.assertEqual('SF202', error.code)
        self.assertEqual([], self.api.requests)


class TestOthers(TestCase):
    """Somebody else changes services at the same time."""

    def hold(self, host):
        """Hold a service as another process does."""
        service = self.api.service(host)
        code = (
            'import sys\n'
            'from safe_fixtures.guards.services import journal\n'
            '_, directory, url, *service = sys.argv\n'
            'service = journal.Service(url, None, *service)\n'
            'lock = journal.ServiceLock(directory, service)\n'
            'lock.acquire(0, "the test of another run")\n'
            'print(flush=True)\n'
            'sys.stdin.read()\n'
        )
        holder = subprocess.Popen(
            [
                sys.executable,
                '-c',
                code,
                self.directory,
                self.api.url,
                service['id'],
                host,
                'nova-compute',
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(holder.wait)
        self.addCleanup(holder.communicate)
        holder.stdout.readline()
        return holder

    def test_service_that_another_run_holds(self):
        holder = self.hold('host1')
        with self.toggle() as toggle:
            toggle.disable('host2')
            with safe_fixtures.expect_violation('SF206'):
                toggle.disable('host1')
        self.assertRestored()
        holder.communicate()
        with self.toggle() as toggle:
            toggle.disable('host1')
        self.assertRestored()

    def test_request_for_a_service_that_another_run_holds(self):
        self.hold('host1')
        client = self.client()
        with self.toggle():
            with safe_fixtures.expect_violation('SF206'):
                client.put_service(
                    self.api.service('host1')['id'], {'status': 'disabled'}
                )
            self.assertEqual(0, self.api.count('PUT'))
        self.assertRestored()

    def test_prior_state_is_the_one_after_the_wait(self):
        self.configure(lock_timeout='60')
        holder = self.hold('host1')
        service = self.api.service('host1')
        service['forced_down'] = True

        def end():
            service['forced_down'] = False
            holder.communicate()

        other = threading.Timer(0.5, end)
        other.start()
        self.addCleanup(other.join)
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
            self.assertFalse(handle.before.forced_down)
        self.assertRestored()

    def test_locked_while_it_is_owed(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            self.assertTrue(self.is_locked())
        self.assertFalse(self.is_locked())
        with testtools.ExpectedException(exceptions.RestoreFailed):
            with self.toggle() as toggle:
                toggle.disable('host1')
                self.api.fail('PUT', compute_api.answer(400))
        # Until the process ends, as nobody else may build upon it.
        self.assertTrue(self.is_locked())

    def test_who_holds_it_is_named(self):
        holder = self.hold('host1')
        with self.toggle() as toggle:
            with safe_fixtures.expect_violation('SF206') as found:
                toggle.disable('host1')
        self.assertEqual(holder.pid, found[0].holder.pid)
        self.assertIn('the test of another run', str(found[0]))

    def test_service_that_another_machine_has_disabled(self):
        other = marker.Marker('0123abcd', 'ci-7', 4711)
        self.api.service('host1').update(
            status='disabled', disabled_reason=other.added_to('theirs')
        )
        before = self.api.state()
        for act in ('disable', 'enable', 'force_down'):
            with self.subTest(act=act):
                with self.toggle() as toggle:
                    with safe_fixtures.expect_violation('SF206') as found:
                        getattr(toggle, act)('host1')
                self.assertIn('ci-7 pid 4711', str(found[0]))
                self.assertEqual(before, self.api.state())

    def test_another_machine_that_is_as_fast(self):
        other = marker.Marker('0123abcd', 'ci-7', 4711)

        def disable():
            self.api.service('host1')['disabled_reason'] = str(other)

        with self.toggle() as toggle:
            self.api.fail('PUT', compute_api.after(disable))
            with safe_fixtures.expect_violation('SF206') as found:
                toggle.disable('host1')
            self.assertIn('ci-7 pid 4711', str(found[0]))
            # The other one restores what it found.
            self.api.service('host1').update(
                status='enabled', disabled_reason=None
            )
        self.assertRestored()

    def test_three_exits(self):
        """A violation that is swallowed fails the test in the end."""
        self.hold('host1')

        def use(test, host):
            toggle = test.useFixture(self.toggle())
            with contextlib.suppress(exceptions.SafetyViolation):
                toggle.disable(host)

        def case(host, in_set_up=False, end=lambda test: None):
            class Inner(testtools.TestCase):
                def setUp(self):
                    super().setUp()
                    use(self, host)
                    if in_set_up:
                        end(self)

                def test_it(self):
                    end(self)

            return Inner

        def fails(test):
            test.fail('planned')

        def breaks(test):
            raise ZeroDivisionError('planned')

        held, free = 'SF206 (CWE-362)', 'host2'
        self.assertFails(case('host1'), held)
        self.assertPasses(case(free))
        for in_set_up, end in ((False, fails), (True, breaks)):
            self.assertFails(case('host1', in_set_up, end), held, ': planned')
            result = self.assertFails(case(free, in_set_up, end), ': planned')
            self.assertNotIn(held, str(result.errors + result.failures))
        self.assertRestored()

    def test_other_reasons_are_a_prior_state(self):
        self.api.service('host1').update(
            status='disabled', disabled_reason='broken fan'
        )
        with self.toggle() as toggle:
            toggle.enable('host1')
            self.assertEqual(ENABLED, self.api.state()['host1'])
        self.assertEqual(
            ('disabled', 'broken fan', False), self.api.state()['host1']
        )

    def test_what_somebody_else_changed_is_left_alone(self):
        theirs = {'status': 'disabled', 'disabled_reason': 'broken fan'}
        with testtools.ExpectedException(
            exceptions.RestoreFailed, '.*somebody else'
        ):
            with self.toggle() as toggle:
                toggle.disable('host1')
                toggle.disable('host2')
                self.api.service('host1').update(theirs)
        self.assertEqual(
            ('disabled', 'broken fan', False), self.api.state()['host1']
        )
        self.assertEqual(ENABLED, self.api.state()['host2'])
        # It is on record what the state was.
        self.assertEqual(1, len(self.journals()))

    def test_nothing_is_built_upon_a_change_of_somebody_else(self):
        theirs = {'status': 'disabled', 'disabled_reason': 'broken fan'}
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
            self.api.service('host1').update(theirs)
            with safe_fixtures.expect_violation('SF206'):
                toggle.force_down('host1')
            self.api.service('host1').update(
                status='disabled',
                disabled_reason=toggle.ledger[0].after.disabled_reason,
            )
            handle.restore()
        self.assertRestored()


class Renewing(plugin.BaseAuthPlugin):
    """Has another token each time that the one before is invalid."""

    def __init__(self, url):
        super().__init__()
        self._url = url
        self.number = 0

    def get_token(self, session):
        return f'token-{self.number}'

    def get_endpoint(self, session, **kwargs):
        return self._url

    def invalidate(self):
        self.number += 1
        return True


class TestRestore(TestCase):
    """A restore that fights."""

    def test_api_that_comes_back(self):
        faults = (
            compute_api.answer(503),
            compute_api.drop,
            compute_api.answer(500),
        )
        for method in ('GET', 'PUT'):
            with self.subTest(method=method):
                with self.toggle() as toggle:
                    toggle.disable('host1')
                    self.api.fail(method, *faults)
                self.assertEqual([], self.api.faults)
                self.assertRestored()

    def test_deadline(self):
        self.configure(restore_deadline='0')
        with testtools.ExpectedException(exceptions.RestoreFailed, '.*503'):
            with self.toggle() as toggle:
                toggle.disable('host1')
                toggle.disable('host2')
                self.api.fail('PUT', compute_api.answer(503))
        # The others are restored all the same.
        self.assertEqual(
            ['disabled', 'enabled'],
            sorted(state[0] for state in self.api.state().values())[:2],
        )
        self.assertEqual(1, len(self.journals()))

    def test_what_does_not_pass_is_not_repeated(self):
        with testtools.ExpectedException(exceptions.RestoreFailed, '.*400'):
            with self.toggle() as toggle:
                toggle.disable('host1')
                self.api.fail('PUT', compute_api.answer(400))
        self.assertEqual(2, self.api.count('PUT'))

    def restored_untold(self, change):
        """Restore a service whose compute does not answer; return how."""
        self.configure(restore_timeout='2')
        before = self.api.state()
        with self.toggle() as toggle:
            change(toggle)
            self.api.fail('PUT', compute_api.never_answer)
        self.assertEqual(before, self.api.state())
        self.assertEqual([], self.journals())
        how = toggle.ledger[0].restored
        self.assertIn('record; its compute was not told', how)
        return how

    def test_compute_that_does_not_answer(self):
        self.api.traits['host1'] = {TRAIT}
        how = self.restored_untold(lambda toggle: toggle.disable('host1'))
        self.assertIn(f'it still has the trait {TRAIT}', how)

    def test_compute_that_answers_too_late(self):
        self.api.traits['host1'] = {'OTHER'}
        how = self.restored_untold(lambda toggle: toggle.disable('host1'))
        self.assertNotIn('trait', how)

    def test_compute_that_was_disabled_before(self):
        self.api.service('host1').update(
            status='disabled', disabled_reason='broken fan'
        )
        self.api.traits['host1'] = {TRAIT}
        how = self.restored_untold(lambda toggle: toggle.enable('host1'))
        self.assertNotIn('trait', how)

    def test_each_restore_has_a_deadline_of_its_own(self):
        now = [0.0]

        def pause(seconds):
            now[0] += seconds

        self.patch(retry.files, 'pause', pause)
        self.patch(retry.clock, 'monotonic', lambda: now[0])
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
            self.api.fail('GET', *[compute_api.answer(503)] * 1000)
            with safe_fixtures.expect_violation('SF201'):
                handle.restore()
            self.assertEqual(600, now[0])
            self.api.faults.clear()
            self.api.fail('GET', compute_api.answer(503))
        self.assertRestored()

    def test_cell_that_comes_back(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            toggle.disable('host2')
            self.api.silent.add('host1')
            # It is silent in the first listing.
            self.api.fail(
                'GET', lambda _: None, lambda _: self.api.silent.clear()
            )
        self.assertRestored()

    def test_cell_that_stays_silent(self):
        self.configure(restore_deadline='0')
        with testtools.ExpectedException(
            exceptions.RestoreFailed, '.*its cell does not answer'
        ):
            with self.toggle() as toggle:
                toggle.disable('host1')
                toggle.disable('host2')
                self.api.silent.add('host1')
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertEqual(ENABLED, self.api.state()['host2'])
        self.assertEqual(1, len(self.journals()))

    def test_somebody_else_between_two_attempts(self):
        theirs = {'status': 'disabled', 'disabled_reason': 'broken fan'}

        def fault(handler):
            self.api.service('host1').update(theirs)
            return compute_api.answer(503)(handler)

        with testtools.ExpectedException(
            exceptions.RestoreFailed, '.*somebody else'
        ):
            with self.toggle() as toggle:
                toggle.disable('host1')
                self.api.fail('PUT', fault)
        self.assertEqual('broken fan', self.api.state()['host1'][1])

    def test_token_that_is_renewed(self):
        auth = Renewing(self.api.url)
        with self.toggle(self.adapter(auth)) as toggle:
            toggle.disable('host1')
            # The library renews once by itself, and then gives up.
            self.api.token = f'token-{auth.number + 3}'
        self.assertRestored()

    def test_record_that_was_deleted(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            del self.api.nova._services[self.api.service('host1')['id']]
        self.assertIn('not restored', toggle.ledger[0].restored)
        self.assertEqual([], self.journals())

    def test_many_services_take_two_listings(self):
        with self.toggle() as toggle:
            for host in ('host1', 'host2', 'host3'):
                toggle.disable(host)
            before = self.api.count('GET')
        self.assertEqual(2, self.api.count('GET') - before)
        self.assertRestored()


class TestMixin(TestCase):
    """The services of a class of tests."""

    def test_class_of_unittest(self):
        adapter = self.adapter()
        seen = []

        class Inner(services.SafeServicesMixin, testtools.TestCase):
            @classmethod
            def service_toggle_api(cls):
                return adapter

            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                cls.service_toggle.disable('host1')

            def test_it(inner):
                seen.append(self.api.state()['host1'][0])

            test_again = test_it

        suite = unittest.defaultTestLoader.loadTestsFromTestCase(Inner)
        result = unittest.TestResult()
        suite.run(result)
        self.assertTrue(result.wasSuccessful(), result.errors)
        self.assertEqual(['disabled', 'disabled'], seen)
        self.assertRestored()

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

"""Tests that fail say the same as without any cure."""

from safe_fixtures import nova as safe_nova  # isort: skip

import collections
import re
import tempfile

from nova.api.openstack import common
from nova import context as nova_context
from nova.db.main import api as db
from nova import objects
from nova import policy
from nova.tests.functional import integrated_helpers
import sqlalchemy
import testtools

from safe_fixtures import conf
from tests.speed import base
from tests.support import settings

# What differs from run to run, whatever happens.
_CHANGING = (
    (r'0x[0-9a-f]+', '0x'),
    (r'req-[0-9a-f-]{36}', 'req'),
    (r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'uuid'),
    (r'\b[0-9a-f]{32}\b', 'uuid'),
    (r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?', 'time'),
    (r'\b\d\d:\d\d:\d\d[.,]\d+', 'time'),
    (re.escape(tempfile.gettempdir()) + r'/[\w./-]+', 'path'),
    (r'\b\d+\.\d{3,}\b|(?<=seconds: )[\d.]+', 'seconds'),
    (r'(?<=\s)\d{3,}(?=\s(DEBUG|INFO|WARNING|ERROR|CRITICAL))', 'pid'),
    (r'(?<=name=in:)[A-Z_,]+', 'traits'),
    (r'.* monitor/speed_up .*\n?', ''),
    # They are in the stack of every hardened test, and the cures are.
    (r'  File "[^"]*/safe_fixtures/[^"]*", .*\n(    .*\n)*', ''),
    (r' +[\^~]+\n', ''),
)


def stable(text):
    """Return a text without what differs from run to run."""
    for pattern, what in _CHANGING:
        text = re.sub(pattern, what, text)
    return text


class Failing(integrated_helpers._IntegratedTestBase):
    """Each fails where one of the cures has been at work."""

    api_major_version = 'v2.1'
    microversion = 'latest'

    def bad_request(self):
        self.api.post_server({'server': {'name': 5}})

    def bad_query(self):
        self.api.api_get('servers?limit=x')

    def no_route(self):
        self.api.api_get('no-such-thing')

    def forbidden(self):
        policy.authorize(
            nova_context.RequestContext('fake', 'fake', roles=['none']),
            'os_compute_api:os-services:list',
            {},
        )

    def no_rule(self):
        policy.authorize(nova_context.get_admin_context(), 'no:such:rule', {})

    def no_option(self):
        self.flags(no_such_option=1)

    def bad_statement(self):
        with db.main_context_manager.writer.using(
            nova_context.get_admin_context()
        ) as session:
            session.execute(sqlalchemy.text('SELECT nothing FROM services'))

    def twice(self):
        for _ in range(2):
            objects.Service(
                nova_context.get_admin_context(),
                host='twice',
                binary='nova-compute',
                topic='compute',
            ).create()

    def bad_inventory(self):
        answer = self.placement.put(
            '/resource_providers/x/inventories', {'inventories': 5}
        )
        self.assertEqual(200, answer.status, answer.body)

    def bad_limit(self):
        common.get_limit_and_marker(testtools.TestCase('run'))

    def an_assertion(self):
        self.assertEqual([], self.api.get_flavors()[0]['id'])


NAMES = [
    name
    for name in vars(Failing)
    if not name.startswith('_') and callable(vars(Failing)[name])
]


class TestFailing(base.TestCase):
    def told(self, name):
        """Return all that one of the tests tells when it fails."""
        told = {}

        class Result(testtools.TestResult):
            def addError(self, test, err=None, details=None):
                told.update(details)

            addFailure = addError

        safe_nova.hardened(Failing)(name).run(Result())
        # The order of what several threads log is chance.
        return {
            name: collections.Counter(stable(each.as_text()).splitlines())
            for name, each in told.items()
        }

    def test_same(self):
        self.assertLess(8, len(NAMES))
        # In the first test of a process, Nova logs what it does only once.
        self.told(NAMES[0])
        for name in NAMES:
            with self.subTest(name):
                with settings.options(speed_up='false'):
                    self.assertFalse(conf.load().speed_up)
                    stock = self.told(name)
                # What it remembers is there the second time.
                self.told(name)
                told = self.told(name)
                self.assertEqual(stock.keys(), told.keys())
                self.assertIn('traceback', stock)
                for part, lines in stock.items():
                    self.assertEqual({}, dict(lines - told[part]), part)
                    self.assertEqual({}, dict(told[part] - lines), part)


class TestInner(base.TestCase):
    def test_stable(self):
        self.assertEqual(
            'at 0x, req of uuid\n  File "/nova/x.py", line 5, in f\n    f()\n',
            stable(
                'at 0x7f1, req-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f of '
                '0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f\n'
                '  File "/x/safe_fixtures/nova/y.py", line 7, in g\n'
                '    g(\n    ^^^\n'
                '  File "/nova/x.py", line 5, in f\n    f()\n    ^^^\n'
            ),
        )

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

"""How long a call is repeated, and after which errors."""

import testtools

from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services import retry
from tests.support import base


class Api:
    """An API whose token can be renewed, or not."""

    def __init__(self, is_static=False):
        self.is_static = is_static
        self.renewed = 0

    def renews(self):
        return not self.is_static

    def renew(self):
        self.renewed += 1


class TestPatience(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.patch(retry.files, 'pause', self.pause)
        self.patch(retry.clock, 'monotonic', lambda: self.now)

    def pause(self, seconds):
        self.now += seconds

    def keep_trying(self, *outcomes, api=None, deadline=60.0):
        """Call what fails with each error, and then succeeds.

        :returns: how often it was called.
        """
        left, calls = list(outcomes), []

        def operation():
            calls.append(self.now)
            if left:
                raise left.pop(0)

        patience = retry.Patience(api or Api(), deadline)
        patience.keep_trying('trying', operation)
        return len(calls)

    def test_what_may_pass(self):
        for error in (
            *(
                clients.ApiError(status, 'no')
                for status in (401, 408, 425, 429, 500, 503)
            ),
            clients.ApiUnreachable('no'),
            ConnectionResetError('no'),
            TimeoutError('no'),
        ):
            with self.subTest(error=error):
                self.assertEqual(3, self.keep_trying(error, error))

    def test_what_does_not_pass(self):
        for error in (
            *(clients.ApiError(status, 'no') for status in (400, 403, 409)),
            ValueError('no'),
        ):
            with self.subTest(error=error):
                with testtools.ExpectedException(type(error)):
                    self.keep_trying(error)
                self.assertEqual(0, self.now)

    def test_token_is_renewed(self):
        api = Api()
        expired = clients.ApiError(401, 'no')
        self.keep_trying(expired, clients.ApiError(503, 'no'), api=api)
        self.assertEqual(1, api.renewed)

    def test_token_that_cannot_be_renewed(self):
        api = Api(is_static=True)
        with testtools.ExpectedException(clients.ApiError):
            self.keep_trying(clients.ApiError(401, 'no'), api=api)
        self.assertEqual(0, api.renewed)

    def test_deadline(self):
        errors = [clients.ApiError(503, 'no')] * 1000
        with testtools.ExpectedException(clients.ApiError):
            self.keep_trying(*errors, deadline=30.0)
        self.assertEqual(30.0, self.now)

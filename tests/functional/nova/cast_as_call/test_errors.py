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

"""What a cast raises, and the secrets in it."""

import safe_fixtures.nova  # isort: skip

import traceback

from nova import exception
import oslo_messaging as messaging
import testtools

from safe_fixtures.nova import cast_as_call
from safe_fixtures import redaction
from tests.functional.nova.cast_as_call import cases
from tests.support import subtests


class TestErrors(cases.InnerMixin, testtools.TestCase):
    def raised(self, error, **target):
        """Return what a cast raises if its server raises an error."""
        seen = []

        def body(inner):
            inner.serve('a', cases.Endpoint(inner.fail_with(error)))
            inner.useFixture(cast_as_call.SafeCastAsCall())
            try:
                inner.client(**target).cast({}, 'note')
            except Exception as raised:
                seen.append(raised)

        self.check(body)
        return seen[0]

    def test_of_nova(self):
        error = exception.InvalidRequest(
            cases.LEAK, code=400, token=cases.LEAK
        )
        for target in ({}, {'fanout': True}):
            with self.subTest(target=target):
                raised = self.raised(error, **target)
                self.assertIs(exception.InvalidRequest, type(raised))
                self.assertEqual('admin_password=***', str(raised))
                self.assertEqual('admin_password=***', raised.format_message())
                self.assertEqual(400, raised.kwargs['code'])
                text = ''.join(traceback.format_exception(raised))
                self.assertNotIn(cases.SECRET, text)
                self.assertIn('in note', text)
                # The object that the server raised.
                self.assertEqual((cases.LEAK,), error.args)
                self.assertEqual(cases.LEAK, error.kwargs['token'])

    def test_without_a_secret(self):
        error = exception.ComputeHostNotFound(host='host1')
        self.assertIs(error, self.raised(error))

    def test_of_a_guard(self):
        error = safe_fixtures.SafetyViolation('SF301', cases.LEAK)
        self.assertIs(error, self.raised(error))

    def test_causes_stay(self):
        cause = KeyError('cause')
        error = ValueError(cases.LEAK)
        error.__cause__ = cause
        raised = self.raised(error)
        self.assertIs(cause, raised.__cause__)
        self.assertIsNone(raised.__context__)
        self.assertTrue(raised.__suppress_context__)

    def test_contexts_stay(self):
        context = KeyError('context')
        error = ValueError(cases.LEAK)
        error.__context__ = context
        raised = self.raised(error)
        self.assertIsNone(raised.__cause__)
        self.assertIs(context, raised.__context__)
        self.assertFalse(raised.__suppress_context__)


class Strict(exception.NovaException):
    def __new__(cls, *, secret):
        return super().__new__(cls)

    def __init__(self, *, secret):
        super().__init__(f'password={secret}')
        self.seen = [{'password': secret}]


class Shown(OSError):
    def __init__(self, text, status):
        super().__init__(text)
        self.text = text
        self.status = status

    def __str__(self):
        return f'{self.status}: {self.text}'


class TestMasked(subtests.SubTests, testtools.TestCase):
    def masked(self, error):
        before = str(error), error.args, dict(vars(error))
        masked = cast_as_call._masked(error, redaction.Redactor())
        self.assertIs(type(error), type(masked))
        self.assertEqual(before, (str(error), error.args, vars(error)))
        return masked

    def test_any_kind_of_exception(self):
        for error in (
            ValueError(cases.LEAK, 1),
            KeyError(cases.LEAK),
            OSError(2, cases.LEAK, f'/{cases.LEAK}'),
            Shown(cases.LEAK, 3),
            Strict(secret=cases.SECRET),
            ImportError(cases.LEAK, name='name'),
            UnicodeDecodeError('utf-8', cases.LEAK.encode(), 0, 1, cases.LEAK),
            ExceptionGroup(cases.LEAK, [ValueError(1)]),
            messaging.RemoteError('ValueError', cases.LEAK, ['traceback']),
        ):
            with self.subTest(error=error):
                masked = self.masked(error)
                self.assertIsNot(error, masked)
                for text in (str(masked), repr(masked), repr(vars(masked))):
                    self.assertNotIn(cases.SECRET, text)
                self.assertIn('***', f'{masked}{masked!r}')

    def test_what_it_says_besides(self):
        self.assertEqual(3, self.masked(Shown(cases.LEAK, 3)).status)
        masked = self.masked(OSError(2, 'text', f'/{cases.LEAK}'))
        self.assertEqual(2, masked.errno)
        self.assertEqual('/admin_password=***', masked.filename)
        masked = self.masked(
            UnicodeDecodeError('ascii', b'x', 0, 1, cases.LEAK)
        )
        self.assertEqual('admin_password=***', masked.reason)
        self.assertEqual(
            [{'password': '***'}],
            self.masked(Strict(secret=cases.SECRET)).seen,
        )

    def test_exceptions_within(self):
        for error in (
            ExceptionGroup('some', [KeyError(1), ValueError(cases.LEAK)]),
            ExceptionGroup(
                'a', [ExceptionGroup('b', [ValueError(cases.LEAK)])]
            ),
            RuntimeError('failed', ValueError(cases.LEAK)),
            RuntimeError('failed', [(1, ValueError(cases.LEAK))]),
            cases.holding(ValueError(cases.LEAK)),
        ):
            with self.subTest(error=error):
                masked = self.masked(error)
                for text in (repr(masked), repr(vars(masked))):
                    self.assertNotIn(cases.SECRET, text)
                if isinstance(error, ExceptionGroup):
                    self.assertIn('***', repr(masked.exceptions))
                    self.assertNotIn(cases.SECRET, repr(masked.exceptions))
        innocent = KeyError(1)
        masked = self.masked(
            ExceptionGroup('x', [innocent, KeyError(cases.LEAK)])
        )
        self.assertIs(innocent, masked.exceptions[0])

    def test_one_that_holds_itself(self):
        error = ValueError('text')
        error.args = ('text', error)
        self.assertIs(error, self.masked(error))
        error.inner = error
        error.args = (cases.LEAK, error)
        self.assertEqual('admin_password=***', self.masked(error).args[0])

    def test_what_has_no_secret(self):
        guard = safe_fixtures.SafetyViolation('SF303', cases.LEAK)
        for error in (
            ValueError(),
            ExceptionGroup('some', [ValueError(1), KeyError('name')]),
            RuntimeError('failed', [ValueError(1)]),
            RuntimeError('failed', guard),
            OSError(2, 'No such file', 'name'),
            Shown('text', 3),
            KeyboardInterrupt(cases.LEAK),
        ):
            with self.subTest(error=error):
                self.assertIs(error, self.masked(error))

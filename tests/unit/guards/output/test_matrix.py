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


"""Every shape of a secret, in every way out of a test.

Each test is run with and without the fixture, by one run that is told to the
subunit stream and to the text results of testtools and unittest.
"""

import collections
import io
import logging
import sys
import unittest

import fixtures
import subunit
import testscenarios
import testtools
from testtools import content
from testtools import content_type

from safe_fixtures import audit
from safe_fixtures.guards import output
from tests.support import base
from tests.support import secret_shapes

# What is no secret, and is to be readable.
PLAIN = 'server vm on host1 is ACTIVE'


class Ways(testtools.TestCase):
    """An inner test for each way out; *value* is what carries a secret."""

    value = ''
    learned = ()
    redacted = True

    def setUp(self):
        super().setUp()
        if self.redacted:
            trail = self.useFixture(audit.AuditTrail(self.id()))
            type(self).trail = trail
            self.useFixture(output.RedactedOutput())
            for each in self.learned:
                trail.redactor.learn(each)

    @property
    def text(self):
        return f'{PLAIN}\n{self.value}'

    def message_of_a_failure(self):
        self.fail(self.text)

    def message_of_an_error(self):
        raise RuntimeError(self.text)

    def message_of_a_cause(self):
        try:
            raise KeyError(self.value)
        except KeyError as error:
            raise RuntimeError(PLAIN) from error

    def message_of_what_was_handled(self):
        try:
            raise ValueError(self.text)
        finally:
            self.fail()

    def note_and_group(self):
        error = ValueError(PLAIN)
        error.add_note(f'{self.value}')
        raise ExceptionGroup('several', [error, TypeError(self.value)])

    def message_of_a_cleanup(self):
        self.addCleanup(self.fail, self.text)

    def log_of_a_failure(self):
        self.useFixture(fixtures.FakeLogger())
        logging.warning('%s: %s', PLAIN, self.value)
        self.fail()

    def log_of_a_success(self):
        self.useFixture(fixtures.FakeLogger(format='%(asctime)s %(message)s'))
        logging.warning('%s: %s', PLAIN, self.value)

    def logged_traceback(self):
        self.useFixture(fixtures.FakeLogger())
        try:
            raise ValueError(self.text)
        except ValueError:
            logging.exception(PLAIN)

    def detail(self):
        value = self.value
        if not isinstance(value, bytes):
            value = str(value).encode()
        data = PLAIN.encode() + b'\n' + value
        self.addDetail(
            'said',
            # In pieces.
            content.Content(
                content_type.ContentType('application', 'octet-stream'),
                lambda: [data[at : at + 7] for at in range(0, len(data), 7)],
            ),
        )

    def mismatch(self):
        self.assertEqual(PLAIN, self.value)

    def verbose_mismatch(self):
        self.assertThat(
            [self.value], testtools.matchers.Contains(PLAIN), verbose=True
        )

    def skip(self):
        self.skipTest(self.text)

    def expected_failure(self):
        self.expectFailure(self.text, self.fail, self.text)

    @unittest.expectedFailure
    def unexpected_success(self):
        self.addDetail('said', content.text_content(self.text))

    def captured_stream(self):
        stream = self.useFixture(fixtures.StringStream('stdout')).stream
        with fixtures.MonkeyPatch('sys.stdout', stream):
            print(PLAIN, self.value)

    def stream(self):
        print(PLAIN, self.value)

    def stream_for_errors(self):
        print(PLAIN, self.value, file=sys.stderr)


WAYS = [
    name
    for name, value in vars(Ways).items()
    if callable(value) and name not in ('setUp',)
]


class Told(testtools.StreamResult):
    """What is told of a test, its details put together again."""

    def __init__(self):
        super().__init__()
        self.outcomes = []
        self.details = collections.defaultdict(bytes)

    def status(
        self, test_status=None, file_name=None, file_bytes=None, **kwargs
    ):
        if file_name is not None:
            self.details[file_name] += file_bytes
        if test_status not in (None, 'inprogress'):
            self.outcomes.append(test_status)


def told(case, way):
    """Run an inner test; return its outcome, and all that it puts out."""
    heard, packets, text = Told(), io.BytesIO(), io.StringIO()
    stream = testtools.ExtendedToStreamDecorator(
        testtools.testresult.CopyStreamResult(
            [subunit.StreamResultToBytes(packets), heard]
        )
    )
    of_unittest = unittest.TextTestResult(
        unittest.runner._WritelnDecorator(text), True, 2
    )
    result = testtools.MultiTestResult(
        stream, testtools.TextTestResult(text), of_unittest
    )
    with (
        fixtures.MonkeyPatch('sys.stdout', text),
        fixtures.MonkeyPatch('sys.stderr', text),
    ):
        result.startTestRun()
        case(way).run(result)
        result.stopTestRun()
        of_unittest.printErrors()
    shown = text.getvalue().encode('utf-8', 'backslashreplace')
    return heard.outcomes, b'\n'.join(
        [packets.getvalue(), *heard.details.values(), shown]
    )


class TestMatrix(testscenarios.WithScenarios, base.TestCase):
    scenarios = [(way, {'way': way}) for way in WAYS]

    def assertMasked(self, secrets, learned=()):
        leaks, lost = [], []
        for name, value, secret in secrets:
            stock = type('Stock', (Ways,), {'value': value, 'redacted': False})
            redacted = type(
                'Redacted', (Ways,), {'value': value, 'learned': learned}
            )
            expected, shown = told(stock, self.way)
            outcomes, data = told(redacted, self.way)
            self.assertEqual(expected, outcomes, name)
            forms = {each.encode() for each in secret_shapes.encodings(secret)}
            # It would have got out, all of it that is there.
            if any(form in str(value).encode() for form in forms):
                self.assertTrue(
                    any(form in shown for form in forms)
                    # As a mismatch shows it.
                    or repr(value)[1:-1].encode() in shown,
                    name,
                )
            found = [form for form in forms if form in data]
            if found:
                leaks.append((name, found))
            if PLAIN.encode() in shown and PLAIN.encode() not in data:
                lost.append(name)
        self.assertEqual([], leaks)
        self.assertEqual([], lost)

    def test_shapes(self):
        self.assertMasked(secret_shapes.SECRETS)

    def test_learned(self):
        secret = secret_shapes.PASSWORD
        self.assertMasked(
            [
                (form, f'is {form} here', secret)
                for form in sorted(set(secret_shapes.encodings(secret)))
            ],
            learned=[secret],
        )

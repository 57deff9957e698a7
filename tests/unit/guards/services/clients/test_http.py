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

"""What is sent, and how answers are read, whatever sends it."""

import json

from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services.clients import http
from tests.support import base


class Wire(http.HttpApi):
    """Answers with what is given, and notes what was sent."""

    kind = 'wire'

    def __init__(self, *answers):
        super().__init__(object, 'http://cloud.test/v2.1')
        self.answers = list(answers)
        self.sent = []

    def _send(self, method, url, headers, body, timeout):
        self.sent.append((method, url, headers, body))
        answer = self.answers.pop(0)
        if isinstance(answer, tuple):
            return http.Answer(*answer)
        return http.Answer(200, json.dumps(answer))


class TestUrls(base.TestCase):
    def test_of_the_compute_api(self):
        for given in (
            'http://cloud.test/v2.1',
            'http://cloud.test/v2.1/',
            'http://cloud.test/v2.1/6f70656e737461636b',
            'http://cloud.test/v2.1/6f70656e737461636b//',
            'http://cloud.test/v2/6f70656e737461636b',
            'http://cloud.test/v2',
            'http://cloud.test',
            'http://cloud.test/',
        ):
            with self.subTest(given):
                self.assertEqual(
                    'http://cloud.test/v2.1', http.compute_url(given)
                )

    def test_with_a_path(self):
        for given, wanted in (
            ('https://a/compute', 'https://a/compute/v2.1'),
            ('https://a/compute/v2.1/p', 'https://a/compute/v2.1'),
            ('https://a/v2/compute/', 'https://a/v2.1'),
            ('https://v2', 'https://v2/v2.1'),
            ('https://[::1]:8774/v2.1', 'https://[::1]:8774/v2.1'),
        ):
            with self.subTest(given):
                self.assertEqual(wanted, http.compute_url(given))

    def test_without_the_project(self):
        for given, wanted in (
            ('http://cloud.test/v2.1/project', 'http://cloud.test/v2.1'),
            ('http://cloud.test/v2/project/', 'http://cloud.test/v2'),
            ('http://cloud.test/v2.1', 'http://cloud.test/v2.1'),
            ('http://cloud.test/else', 'http://cloud.test/else'),
            ('http://cloud.test/', 'http://cloud.test'),
        ):
            with self.subTest(given):
                self.assertEqual(wanted, http.without_project(given))


class TestRequests(base.TestCase):
    def test_a_host_with_any_name(self):
        api = Wire({'services': []})
        api.list_services(1.0, 'a&b=c /é')
        self.assertEqual(
            'http://cloud.test/v2.1/os-services?host=a%26b%3Dc+%2F%C3%A9',
            api.sent[0][1],
        )

    def test_an_id_that_is_no_id(self):
        api = Wire({})
        api.put_service('../servers', {}, 1.0)
        self.assertEqual(
            'http://cloud.test/v2.1/os-services/..%2Fservers', api.sent[0][1]
        )

    def test_an_older_api_is_asked_again(self):
        api = Wire((406, ''), {'services': []})
        self.assertEqual([], api.list_services(1.0))
        self.assertEqual(
            ['compute 2.69', 'compute 2.53'],
            [sent[2]['OpenStack-API-Version'] for sent in api.sent],
        )

    def test_no_other_request_is_sent_again(self):
        for status in (401, 413, 429, 500, 503):
            api = Wire((status, ''))
            with self.subTest(status=status):
                self.assertRaises(clients.ApiError, api.list_services, 1.0)
                self.assertEqual(1, len(api.sent))


class TestAnswers(base.TestCase):
    def test_what_an_error_says(self):
        for content, message in (
            ('{"badRequest": {"code": 400, "message": "why"}}', 'why'),
            ('{"errors": [{"status": 400, "detail": "why"}]}', 'why'),
            ('{"error": {"message": "why", "code": 400}}', 'why'),
            ('{"message": "why"}', 'why'),
            ('"why"', '"why"'),
            ('<html>\n  <b>why</b>', '<html> <b>why</b>'),
            (b'\xff\xfe why', '\ufffd\ufffd why'),
            ('', 'without a word'),
            ('{}', '{}'),
            ('{"a": []}', '{"a": []}'),
            ('\x1b[31mwhy', '\\x1b[31mwhy'),
        ):
            with self.subTest(content=content):
                api = Wire((400, content))
                error = self.assertRaises(
                    clients.ApiError, api.list_services, 1.0
                )
                self.assertEqual(message, error.message)
                self.assertIn('400', str(error))

    def test_a_message_without_end(self):
        api = Wire((500, 'x' * 1000000))
        error = self.assertRaises(clients.ApiError, api.list_services, 1.0)
        self.assertLess(len(str(error)), 1000)

    def test_answers_that_make_no_sense(self):
        for content in (
            'no JSON',
            '[' * 100000,
            '[]',
            '7',
            '{}',
            '{"services": 7}',
            '{"services": [7]}',
        ):
            with self.subTest(content=content[:20]):
                self.assertRaises(
                    clients.ApiError, Wire((200, content)).list_services, 1.0
                )

    def test_redirection_is_no_answer(self):
        error = self.assertRaises(
            clients.ApiError, Wire((302, '')).list_services, 1.0
        )
        self.assertEqual(302, error.status)

    def test_an_empty_answer_to_a_put(self):
        Wire((204, b'')).put_service('uuid', {'status': 'enabled'}, 1.0)

    def test_pages_that_are_empty_end(self):
        empty = {'servers': [], 'servers_links': [{'rel': 'next'}]}
        self.assertEqual([], Wire(empty).servers_on('host1', 1.0))

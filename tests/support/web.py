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

"""A small web application that is served in this process."""

import json
import socketserver
import threading
from wsgiref import simple_server

import fixtures
from wsgi_intercept import interceptor

URL = 'http://served.test:80'


class Served(fixtures.Fixture):
    """Serves ``respond`` at :data:`URL`, and notes the requests.

    :param respond: called with the WSGI environment of a request; returns
        the status line, the headers (dict) and what to send as JSON.
    """

    def __init__(self, respond=None, url=URL):
        super().__init__()
        self.respond = respond
        self.url = url

    def _setUp(self):
        #: The environment of each request that arrived.
        self.requests = []
        served = interceptor.RequestsInterceptor(
            lambda: self._application, url=self.url
        )
        served.__enter__()
        self.addCleanup(served.__exit__, None, None, None)

    def _application(self, environ, start_response):
        self.requests.append(environ)
        status, headers, body = '200 OK', {}, {'path': environ['PATH_INFO']}
        if self.respond is not None:
            status, headers, body = self.respond(environ)
        start_response(
            status, [('Content-Type', 'application/json'), *headers.items()]
        )
        return [json.dumps(body).encode()]


class Loopback(fixtures.Fixture):
    """Serves ``respond`` on a port of the loopback; see :class:`Served`.

    It is for clients that no interception serves.
    """

    def __init__(self, respond=None):
        super().__init__()
        self.respond = respond

    def _setUp(self):
        #: The environment of each request that arrived, and its body.
        self.requests, self.bodies = [], []
        server = _Server(('127.0.0.1', 0), _Handler)
        server.set_app(self._application)
        #: Where it serves (str).
        self.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        self.addCleanup(server.server_close)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)

    def _application(self, environ, start_response):
        self.requests.append(environ)
        length = int(environ.get('CONTENT_LENGTH') or 0)
        self.bodies.append(environ['wsgi.input'].read(length))
        status, headers, body = '200 OK', {}, {'path': environ['PATH_INFO']}
        if self.respond is not None:
            status, headers, body = self.respond(environ)
        content = (
            body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        start_response(
            status,
            [
                ('Content-Type', 'application/json'),
                ('Content-Length', str(len(content))),
                *headers.items(),
            ],
        )
        return [content]


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _Handler(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        """Say nothing."""

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

"""A small compute API on a socket of loopback, with faults to order."""

import http.server
import json
import os
import threading
from urllib import parse

import fixtures

from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal
from safe_fixtures import testing


class ComputeApi(fixtures.Fixture):
    """Serves ``os-services`` of some hosts at :attr:`url`.

    ``faults`` are what becomes of the next requests: each is called with the
    handler, and says whether it has answered itself. What they do to the
    services is theirs.

    :param hosts: the hosts (list of str).
    """

    def __init__(self, hosts=('host1', 'host2', 'host3')):
        super().__init__()
        self._hosts = list(hosts)
        #: What becomes of the next requests: (method, fault), in order.
        self.faults = []
        #: The token that a request needs; None for any.
        self.token = None
        #: The traits of each compute, by host.
        self.traits = {}
        #: The hosts whose cell does not answer.
        self.silent = set()
        #: Set when the API ends.
        self.ended = threading.Event()

    def _setUp(self):
        self.nova = testing.FakeComputeClient(self._hosts)
        #: Every request: its method, path and body.
        self.requests = []
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), type('Bound', (_Handler,), {'api': self})
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(self.ended.set)
        self.url = f'http://127.0.0.1:{server.server_port}/v2.1'

    def services(self):
        return list(self.nova._services.values())

    def service(self, host):
        (found,) = (each for each in self.services() if each['host'] == host)
        return found

    def state(self):
        return {
            each['host']: (
                each['status'],
                each['disabled_reason'],
                each['forced_down'],
            )
            for each in self.services()
        }

    def fail(self, method, *faults):
        """Order faults for the next requests with a method."""
        self.faults += [(method, fault) for fault in faults]

    def owe(self, directory, *hosts, before=None, after=None, url=None):
        """Change services as a process that has been killed.

        :param directory: where its journal is.
        :param before: the state before (ServiceState); default: enabled.
        :param after: the state now; default: disabled for maintenance.
        :param url: the endpoint that its journal names; default: this one.
        """
        before = before or services.ServiceState()
        after = after or services.ServiceState(True, 'maintenance')
        found = list(map(self.service, hosts))
        child = os.fork()
        if not child:
            try:
                books = journal.Journal(directory)
                for each in found:
                    books.intend(
                        journal.Service(
                            url or self.url,
                            None,
                            each['id'],
                            each['host'],
                            each['binary'],
                        ),
                        before,
                        after,
                    )
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        for each in found:
            each.update(
                status=after.status,
                disabled_reason=after.disabled_reason,
                forced_down=after.forced_down,
            )

    def count(self, method):
        return sum(request[0] == method for request in self.requests)


def answer(status):
    """Return a fault: the API answers with an error, and does nothing."""

    def fault(handler):
        handler.answer(status, {'error': {'message': 'ordered'}})
        return True

    return fault


def drop(handler):
    """Close the connection without an answer."""
    handler.close_connection = True
    return True


def never_answer(handler):
    """Do what is asked, and do not answer before the API ends."""
    handler.act()
    handler.api.ended.wait()
    return drop(handler)


def after(act):
    """Return a fault: the API does what it is asked, and then something."""

    def fault(handler):
        answer = handler.act()
        act()
        handler.answer(*answer)
        return True

    return fault


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_GET(self):
        self._serve()

    do_PUT = do_GET

    def _serve(self):
        length = int(self.headers.get('Content-Length') or 0)
        text = self.rfile.read(length)
        self.given = json.loads(text) if text else None
        self.api.requests.append((self.command, self.path, self.given))
        if self.api.token not in (None, self.headers.get('X-Auth-Token')):
            self.answer(401, {'error': {'message': 'no such token'}})
            return
        for number, (method, fault) in enumerate(self.api.faults):
            if method == self.command:
                del self.api.faults[number]
                if fault(self):
                    return
                break
        self.answer(*self.act())

    def act(self):
        """Do what is asked; return the status and the body."""
        asked = parse.urlsplit(self.path)
        query = dict(parse.parse_qsl(asked.query))
        _, _, path = asked.path.partition('/v2.1')
        if path == '/resource_providers':
            host = query['name']
            found = [{'uuid': host}] if host in self.api.traits else []
            return 200, {'resource_providers': found}
        if path.startswith('/resource_providers/'):
            found = self.api.traits[path.split('/')[2]]
            return 200, {'traits': sorted(found)}
        version = self.headers.get('OpenStack-API-Version', 'compute 2.1')
        if version.split() < ['compute', '2.53']:
            return 400, {'badRequest': {'message': version}}
        if path == '/os-services':
            found = self.api.nova.get_services(
                binary=query.get('binary'), host=query.get('host')
            )
            return 200, {'services': list(map(self._seen, found))}
        if path == '/servers/detail':
            found = self.api.nova.get_servers(search_opts=query)
            return 200, {'servers': found}
        try:
            found = self.api.nova.put_service(
                path.rpartition('/')[2], self.given
            )
        except LookupError as error:
            return 404, {'itemNotFound': {'message': str(error)}}
        except ValueError as error:
            return 400, {'badRequest': {'message': str(error)}}
        return 200, {'service': found}

    def _seen(self, service):
        """Return a service as it is listed if its cell may not answer."""
        if service['host'] not in self.api.silent:
            return service
        known = {key: service[key] for key in ('host', 'binary')}
        return {**known, 'status': 'UNKNOWN'}

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass

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

"""Servers on loopback whose connections fail in all kinds of ways."""

import socket
import threading

import fixtures


class BrokenServer(fixtures.Fixture):
    """Takes connections, and does something wrong with each.

    :param how: ``drop`` closes the connection after the request, ``cut``
        does so in the middle of an answer, ``hang`` never answers, and
        ``refuse`` takes no connection.
    """

    def __init__(self, how):
        super().__init__()
        self._how = how

    def _setUp(self):
        self._taken = []
        self._socket = socket.create_server(('127.0.0.1', 0))
        port = self._socket.getsockname()[1]
        self.url = f'http://127.0.0.1:{port}/v2.1'
        if self._how == 'refuse':
            self._socket.close()
            return
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self._close)

    def _close(self):
        # The thread wakes up from accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in self._taken:
            each.close()

    def _serve(self):
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._taken.append(taken)
            getattr(self, f'_{self._how}')(taken)

    @staticmethod
    def _drop(taken):
        taken.recv(65536)
        taken.close()

    @staticmethod
    def _cut(taken):
        taken.recv(65536)
        taken.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"se')
        taken.close()

    @staticmethod
    def _hang(taken):
        """Answer nothing."""

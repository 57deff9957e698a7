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

"""What a script of these tests begins with; see ``scripts``."""

from http import client as http_client
import itertools
import os
import signal

import safe_fixtures
from tests.live import base
from tests.live import clients
from tests.live import scripts

__all__ = ['make_client', 'make_toggle', 'point', 'stop_at_puts']

point = scripts.point
# A shell may have started all of this with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def make_client():
    """Return a client of the kind that KIND names."""
    kind = os.environ.get('KIND', 'openstacksdk compute')
    return clients.KINDS[kind](base.running())


def make_toggle(api=None):
    """Return a toggle that is set up, with a client of its own."""
    toggle = safe_fixtures.SafeServiceToggle(api=api or make_client())
    toggle.setUp()
    return toggle


def stop_at_puts():
    """Stop before a service is changed, and when the answer is there.

    The points are "sending 1", "answered 1", "sending 2" and so on.
    """
    connection = http_client.HTTPConnection
    send, receive = connection.putrequest, connection.getresponse
    numbers, pending = itertools.count(1), {}

    def putrequest(self, method, url, *args, **kwargs):
        if method == 'PUT' and '/os-services/' in url:
            pending[self] = next(numbers)
            point(f'sending {pending[self]}')
        return send(self, method, url, *args, **kwargs)

    def getresponse(self, *args, **kwargs):
        response = receive(self, *args, **kwargs)
        if number := pending.pop(self, None):
            point(f'answered {number}')
        return response

    connection.putrequest = putrequest
    connection.getresponse = getresponse

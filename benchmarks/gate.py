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

"""What the gate adds to a request that no guard looks at."""

import contextlib
import statistics
import timeit

import requests
import urllib3

from safe_fixtures import ApiGate
from safe_fixtures import MicroversionPin
from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient

_URL = 'http://127.0.0.1/resource_providers'


class _Adapter(requests.adapters.HTTPAdapter):
    """Answers at once, so that only the gate is measured."""


class _Nobody:
    def before(self, call):
        pass

    def after(self, call):
        pass


@contextlib.contextmanager
def _replaced(owner, name, replacement):
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


def main(rounds=7, calls=20000):
    """Print microseconds a request, without and with the gate."""
    request = requests.Request('GET', _URL).prepare()
    response = requests.Response()
    response.status_code = 200
    answer = urllib3.HTTPResponse(b'{}', status=200)
    pool = urllib3.HTTPConnectionPool('127.0.0.1', 80)
    adapter = _Adapter()

    def urlopen(self, method, url, body=None, headers=None, retries=None):
        return answer

    def send(self, request):
        return response

    def send_on(self, request):
        pool.urlopen(method='GET', url='/', headers=request.headers)
        return response

    def microseconds(send):
        return timeit.timeit(send, number=calls) / (calls / 1e6)

    def measure(send):
        bare, gated, guarded = [], [], []
        for _ in range(rounds):
            bare.append(microseconds(send))
            with ApiGate(_Nobody()):
                gated.append(microseconds(send))
            client = FakeComputeClient(['host1'])
            with MicroversionPin('2.53'), SafeServiceToggle(api=client):
                guarded.append(microseconds(send))
        base = statistics.median(bare)
        return statistics.median(gated) - base, (
            statistics.median(guarded) - base
        )

    print(f'a request that no guard looks at ({rounds} rounds)')
    with _replaced(urllib3.HTTPConnectionPool, 'urlopen', urlopen):
        for name, sender, measured in (
            ('', send, lambda: adapter.send(request)),
            ('through urllib3', send_on, lambda: adapter.send(request)),
            ('of urllib3', send, lambda: pool.urlopen('GET', '/')),
        ):
            with _replaced(requests.adapters.HTTPAdapter, 'send', sender):
                gated, guarded = measure(measured)
            if name:
                print(f' {name}')
            print(f'  gate                {gated:.2f} us')
            print(f'  pin and toggle      {guarded:.2f} us')

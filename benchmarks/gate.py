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

import statistics
import timeit

import requests

from safe_fixtures import ApiGate
from safe_fixtures import MicroversionPin
from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient


class _Adapter(requests.adapters.HTTPAdapter):
    """Answers at once, so that only the gate is measured."""


def main(rounds=7, calls=20000):
    """Print microseconds a request, without and with the gate."""
    request = requests.Request(
        'GET', 'http://127.0.0.1/resource_providers'
    ).prepare()
    response = requests.Response()
    response.status_code = 200
    original = requests.adapters.HTTPAdapter.send
    requests.adapters.HTTPAdapter.send = lambda *args, **kwargs: response
    adapter = _Adapter()

    def microseconds():
        return timeit.timeit(lambda: adapter.send(request), number=calls) / (
            calls / 1e6
        )

    class Nobody:
        def before(self, call):
            pass

        def after(self, call):
            pass

    try:
        bare, gated, guarded = [], [], []
        for _ in range(rounds):
            bare.append(microseconds())
            with ApiGate(Nobody()):
                gated.append(microseconds())
            client = FakeComputeClient(['host1'])
            with MicroversionPin('2.53'), SafeServiceToggle(api=client):
                guarded.append(microseconds())
    finally:
        requests.adapters.HTTPAdapter.send = original
    base = statistics.median(bare)
    print(f'a request that no guard looks at ({rounds} rounds)')
    print(f'  gate                {statistics.median(gated) - base:.2f} us')
    print(f'  pin and toggle      {statistics.median(guarded) - base:.2f} us')

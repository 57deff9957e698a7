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

"""Nova's own test client, with a token for a real API."""

import importlib.util

from tests.live import clients
from tools.live_cloud import settings

__all__ = ['client']


def client(cloud):
    """Return a client that sends a token.

    Its module is loaded from the environment of the cloud: importing the
    package that it is in would import all of Nova.
    """
    (path,) = settings.Layout().venv.glob(
        'servers/lib/python3*/site-packages/nova/tests/functional/api/'
        'client.py'
    )
    spec = importlib.util.spec_from_file_location('nova_test_client', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    session = clients.session(cloud)

    class TokenClient(module.TestOpenStackClient):
        """Sends a token with each request."""

        def request(self, url, method='GET', body=None, headers=None):
            headers = {**(headers or {}), 'X-Auth-Token': session.get_token()}
            return super().request(url, method, body, headers)

    return TokenClient('admin', cloud.compute_url)

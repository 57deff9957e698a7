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

import requests
import testtools
from wsgi_intercept import interceptor

from safe_fixtures import MicroversionPin

URL = 'http://nova.example.com/v2.1'


class TestBad(testtools.TestCase):
    def stub(self, environ, start_response):
        # Whatever was asked for.
        headers = [('OpenStack-API-Version', 'compute 2.79')]
        start_response('200 OK', headers)
        return [b'{}']

    def test(self):
        self.useFixture(MicroversionPin('2.53'))
        with interceptor.RequestsInterceptor(lambda: self.stub, url=URL):
            requests.get(
                URL, headers={'OpenStack-API-Version': 'compute latest'}
            )


class TestMended(TestBad):
    def stub(self, environ, start_response):
        version = environ['HTTP_OPENSTACK_API_VERSION']
        start_response('200 OK', [('OpenStack-API-Version', version)])
        return [b'{}']

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

"""Send a request by each library that the gate stands at."""

import asyncio
import json
from typing import Any, NamedTuple

import httpx
import requests
import urllib3

__all__ = ['SENDERS', 'Answer']


class Answer(NamedTuple):
    """What a client gets."""

    status: int
    headers: Any
    body: Any


def _requests(method, url, headers, content):
    response = requests.request(method, url, headers=headers, data=content)
    return Answer(response.status_code, response.headers, response.content)


def _urllib3(method, url, headers, content):
    with urllib3.PoolManager() as http:
        response = http.request(method, url, headers=headers, body=content)
    return Answer(response.status, response.headers, response.data)


def _httpx(method, url, headers, content):
    response = httpx.request(
        method, url, headers=headers, content=content, verify=False
    )
    return Answer(response.status_code, response.headers, response.content)


def _httpx_async(method, url, headers, content):
    async def send():
        async with httpx.AsyncClient(verify=False) as client:
            return await client.request(
                method, url, headers=headers, content=content
            )

    response = asyncio.run(send())
    return Answer(response.status_code, response.headers, response.content)


def _sender(send):
    def sender(method, url, *, headers=None, body=None):
        """Send a request, and its body as JSON; return an Answer."""
        content = None if body is None else json.dumps(body).encode()
        headers = {'Content-Type': 'application/json', **(headers or {})}
        answer = send(method, url, headers, content)
        return answer._replace(body=json.loads(answer.body or 'null'))

    return sender


#: By the name of the library.
SENDERS = {
    'requests': _sender(_requests),
    'urllib3': _sender(_urllib3),
    'httpx': _sender(_httpx),
    'httpx, async': _sender(_httpx_async),
}

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


"""Learn the secrets that pass the gate, to know them wherever they show."""

from collections.abc import Iterator, Mapping
import re
from typing import Any

from safe_fixtures.core import gate
from safe_fixtures import redaction

__all__ = ['SecretsAtGate']

_TOKENS = ('X-Auth-Token', 'X-Service-Token', 'X-Subject-Token')
_PASSWORD = 'adminPass'
_CONSOLE = re.compile(
    r'(?:[?&]|%3F|%26|\\u0026)token(?:=|%3D)([\w.~-]+)', re.IGNORECASE
)
_SEPARATORS = re.compile(r'[,:;\s]+')


class SecretsAtGate:
    """Has a redactor learn admin passwords and tokens; see ``Observer``.

    What it looks into, so that it costs nearly nothing: the tokens in the
    headers of each request, and the bodies of ``POST`` that name an admin
    password or a console.

    :param redactor: learns them.
    """

    def __init__(self, redactor: redaction.Redactor) -> None:
        self._redactor = redactor
        self._known: set[str] = set()

    def before(self, call: gate.ApiCall) -> None:
        """Learn what is sent."""
        self._learn_tokens(call.request.headers)
        if call.method == 'POST' and _names(call.request.body):
            self._learn_passwords(call.body)

    def after(self, call: gate.ApiCall) -> None:
        """Learn what is answered."""
        response = call.response
        # A server of its own may answer without any.
        headers = response.headers or {}
        self._learn_tokens(headers)
        if call.method != 'POST' or 'json' not in _text(
            headers.get('Content-Type', '')
        ):
            return
        content = response.content or b''
        if _names(content):
            self._learn_passwords(call.response_body)
        if b'token' in content:
            for token in _CONSOLE.findall(_text(content)):
                self._learn(token)

    def _learn_tokens(self, headers: Any) -> None:
        for name in _TOKENS:
            token = headers.get(name)
            if token is None:
                continue
            token = _text(token)
            # What Nova's own tests send is the name of a user or a project.
            if token not in self._known and not set(
                _SEPARATORS.split(token)
            ) <= set(_identities(headers)):
                self._learn(token)

    def _learn_passwords(self, value: Any) -> None:
        for password in _values(value):
            self._learn(password)

    def _learn(self, secret: str) -> None:
        if secret not in self._known:
            self._known.add(secret)
            self._redactor.learn(secret)


def _names(content: Any) -> bool:
    """Whether a body may name an admin password."""
    if isinstance(content, str):
        return _PASSWORD in content
    if isinstance(content, (bytes, bytearray)):
        return _PASSWORD.encode() in content
    # Of a stream nothing is known before it is read.
    return content is not None


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == _PASSWORD and isinstance(item, str):
                yield item
            else:
                yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)


def _identities(headers: Any) -> Iterator[str]:
    for name, value in headers.items():
        if _text(name).title() not in _TOKENS:
            yield from _SEPARATORS.split(_text(value))


def _text(value: Any) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)

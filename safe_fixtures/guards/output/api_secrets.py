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

"""Learn the secrets in API requests, to mask them wherever they appear."""

from collections.abc import Iterable, Iterator, Mapping
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
    """Teaches a redactor admin passwords and tokens; see ``Observer``.

    To cost nearly nothing, it reads only the tokens in the headers of each
    request, and the bodies of ``POST`` that name an admin password or a
    console.

    :param redactor: learns the secrets.
    """

    def __init__(self, redactor: redaction.Redactor) -> None:
        self._redactor = redactor
        self._known: set[str] = set()

    def before(self, call: gate.ApiCall) -> None:
        """Learn the secrets of a request."""
        self._learn_tokens(call.request.headers)
        if call.method == 'POST' and _may_name_password(call.request.body):
            self._learn(_passwords(call.body))

    def after(self, call: gate.ApiCall) -> None:
        """Learn the secrets of a response."""
        response = call.response
        # A test's own server may answer without headers.
        headers = response.headers or {}
        self._learn_tokens(headers)
        content_type = _text(headers.get('Content-Type', ''))
        if call.method != 'POST' or 'json' not in content_type:
            return
        content = response.content or b''
        if _may_name_password(content):
            self._learn(_passwords(call.response_body))
        if b'token' in content:
            self._learn(_CONSOLE.findall(_text(content)))

    def _learn_tokens(self, headers: Any) -> None:
        sent = {_text(headers.get(name) or '') for name in _TOKENS}
        tokens = sent - self._known - {''}
        if tokens:
            # Nova's own tests send the name of a user or a project as token.
            who = set(_identities(headers))
            self._learn(
                token
                for token in tokens
                if not who.issuperset(_SEPARATORS.split(token))
            )

    def _learn(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            if secret not in self._known:
                self._known.add(secret)
                self._redactor.learn(secret)


def _may_name_password(content: Any) -> bool:
    if isinstance(content, str):
        return _PASSWORD in content
    if isinstance(content, (bytes, bytearray)):
        return _PASSWORD.encode() in content
    # The content of a stream is unknown until it is read.
    return content is not None


def _passwords(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == _PASSWORD and isinstance(item, str):
                yield item
            else:
                yield from _passwords(item)
    elif isinstance(value, list):
        for item in value:
            yield from _passwords(item)


def _identities(headers: Any) -> Iterator[str]:
    """Yield the words in all headers but those of tokens."""
    for name, value in headers.items():
        if _text(name).title() not in _TOKENS:
            yield from _SEPARATORS.split(_text(value))


def _text(value: Any) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)

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

"""Keep real-looking data out of requests."""

from collections.abc import Iterable, Iterator, Mapping
import json
from typing import Any
import unittest
from urllib import parse

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.boundary import endpoints
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.payload import real_data
from safe_fixtures.redaction import encoded
from safe_fixtures.redaction import names

__all__ = ['PayloadGuard']

# Findings in the message and in the record of one request.
_MOST_SHOWN = 10
_LONGEST_KEY = 40  # characters of a key that are shown
_FORM = 'application/x-www-form-urlencoded'


class PayloadGuard(guard.Guard):
    """Keeps real-looking data out of the requests of a test (SF303).

    While it is active, it checks the body and the URL of each request before
    the request is served: nested JSON, forms and plain text, and whatever is
    in base64 in them, such as user data. It finds private keys, tokens and
    credentials that look live, public addresses, and e-mail addresses at
    domains that are not reserved for documentation and tests. A violation
    says where each is, and never quotes a secret. The guard changes no
    request, uses up no stream, and has nothing to restore.

    Example::

        self.useFixture(PayloadGuard())
        with expect_violation('SF303') as seen:
            self.api.get_servers(search_opts={'ip': '8.8.8.8'})
        self.assertIn('query.ip: public address 8.8.8.8', seen[0].message)

    :param allowed_hosts: addresses, networks and e-mail domains that are
        allowed (list of str); default: ``[safe_fixtures] allowed_hosts``, as
        it is at set-up.
    :param test: the test case; default: the test that uses the fixture.
    :param trail: where to record; default: the active trail.
    :raises: ConfigurationError at set-up for an invalid entry.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Iterable[str] | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_hosts = allowed_hosts

    def _prepare(self) -> None:
        hosts = self._given_hosts
        if hosts is None:
            hosts = self._settings.allowed_hosts
        else:
            hosts = conf.check('allowed_hosts', hosts)
        self._allowed = endpoints.Hosts(hosts)

    def _setUp(self) -> None:
        super()._setUp()
        if self._settings.mode_of('SF303') == 'off':
            return
        self._counts: dict[str, Any] = {'requests': 0, 'bytes': 0, 'unread': 0}
        self.addCleanup(self._record_requests)
        self.useFixture(gate.ApiGate(self))

    def before(self, call: gate.ApiCall) -> None:
        """Check a request; see ``gate.Observer``."""
        self._counts['requests'] += 1
        findings = {*self._in_url(call.url), *self._in_body(call)}
        if findings:
            self._report(call, sorted(findings))

    def after(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``; there is nothing left to check."""

    def _in_url(self, url: str) -> Iterator[real_data.Finding]:
        # The host is where the request goes; it is not sent.
        _, _, rest = url.partition('://')
        _, _, rest = rest.partition('/')
        if not self._is_suspect(parse.unquote_plus(rest)):
            return
        path, _, query = rest.partition('?')
        yield from self._in_text('path', '', parse.unquote(path))
        yield from self._in_fields('query', _pairs(query))

    def _in_body(self, call: gate.ApiCall) -> Iterator[real_data.Finding]:
        if not call.request.body:
            return
        content = _as_bytes(call.content)
        if content is None:
            self._counts['unread'] += 1
            return
        self._counts['bytes'] += len(content)
        content = encoded.unpacked(content)
        text = content.decode(json.detect_encoding(content), 'replace')
        is_form = _is_form(call.request.headers)
        # A text without escapes holds all that its fields hold.
        if not is_form and '\\' not in text and not self._is_suspect(text):
            return
        body = call.body
        if body is not None:
            found = list(self._in_fields('', body))
            yield from found
            if not any(finding.is_secret for finding in found):
                # A key whose lines are the items of a list.
                yield from (
                    finding
                    for finding in self._in_text('body', '', text)
                    if finding.is_secret
                )
        elif is_form:
            yield from self._in_fields('', _pairs(text))
        else:
            yield from self._in_text('body', '', text)

    def _in_fields(self, where: str, body: Any) -> Iterator[real_data.Finding]:
        # Without recursion: a body can be too deep for it.
        fields = [(where, '', body)]
        while fields:
            where, name, value = fields.pop()
            if isinstance(value, str):
                yield from self._in_text(where or 'body', name, value)
            elif isinstance(value, list):
                fields += (
                    (f'{where}[{index}]', name, item)
                    for index, item in enumerate(value)
                )
            elif isinstance(value, dict):
                for key, item in value.items():
                    found = list(
                        self._in_text(f'{where or "body"} (a key)', '', key)
                    )
                    yield from found
                    is_secret = any(each.is_secret for each in found)
                    shown = names.MASK if is_secret else _shortened(key)
                    fields.append(
                        (f'{where}.{shown}' if where else shown, key, item)
                    )

    def _in_text(
        self, where: str, name: str, text: str
    ) -> Iterator[real_data.Finding]:
        return real_data.find(text, self._allowed, where, name)

    def _is_suspect(self, text: str) -> bool:
        return any(real_data.find(text, self._allowed))

    def _report(
        self, call: gate.ApiCall, findings: list[real_data.Finding]
    ) -> None:
        shown = [str(finding) for finding in findings[:_MOST_SHOWN]]
        if len(findings) > len(shown):
            shown.append(f'and {len(findings) - len(shown)} more')
        # A path with a secret in it is not quoted.
        has_secret = any(
            each.is_secret and each.where.startswith('path')
            for each in findings
        )
        target = call.method if has_secret else str(call)
        self._violate(
            exceptions.SafetyViolation(
                'SF303',
                f'{target} holds real-looking data: {"; ".join(shown)}',
            ),
            target,
            findings=shown,
        )

    def _record_requests(self) -> None:
        if self._counts['requests']:
            self.trail.record(
                events.PAYLOAD,
                'requests',
                event_type='monitor',
                **self._counts,
            )


def _as_bytes(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode('utf-8', 'surrogatepass')
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    return None


def _is_form(headers: Mapping[str, Any]) -> bool:
    content_type = headers.get('Content-Type') or ''
    if isinstance(content_type, bytes):
        content_type = content_type.decode('latin-1')
    return str(content_type).lower().startswith(_FORM)


def _pairs(query: str) -> dict[str, Any]:
    pairs = parse.parse_qs(query, keep_blank_values=True)
    return {
        name: values if len(values) > 1 else values[0]
        for name, values in pairs.items()
    }


def _shortened(key: str) -> str:
    if len(key) <= _LONGEST_KEY:
        return key
    return f'{key[:_LONGEST_KEY]}...'

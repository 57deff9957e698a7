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
from typing import Any, NamedTuple
import unittest
from urllib import parse

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.payload import addresses
from safe_fixtures.guards.payload import real_data
from safe_fixtures.redaction import encoded

__all__ = ['PayloadGuard']

# Of one request, in its message and in its record.
_MOST_SHOWN = 10
_LONGEST_KEY = 40
_MASK = '***'
_FORM = 'application/x-www-form-urlencoded'


class _Finding(NamedTuple):
    where: str
    what: str
    is_secret: bool

    def __str__(self) -> str:
        return f'{self.where}: {self.what}'


class PayloadGuard(guard.Guard):
    """Keeps real-looking data out of the requests of a test (SF303).

    While it is active, the body and the URL of each request are looked into
    before it is served: nested JSON, forms and plain text, and what is in
    base64 in them, such as user data. What should not be there is a private
    key, a token or a credential that looks live, a public address, and an
    e-mail address at a domain that is not reserved for documentation and
    tests. A violation says where each is, and never quotes a secret. No
    request is changed, no stream used up, and there is nothing to restore.

    Example::

        self.useFixture(PayloadGuard())
        with expect_violation('SF303') as seen:
            self.api.get_servers(search_opts={'ip': '8.8.8.8'})
        self.assertIn('query.ip: public address 8.8.8.8', seen[0].message)

    :param allowed_hosts: addresses, networks and e-mail domains that may be
        there (list of str); default: ``[safe_fixtures] allowed_hosts``, as
        it is at set-up.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up for an entry that makes no sense.
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
        self._allowed = addresses.Allowed(hosts)

    def _setUp(self) -> None:
        super()._setUp()
        if conf.mode_of('SF303') == 'off':
            return
        self._requests = self._bytes = self._unread = 0
        self.addCleanup(self._record_requests)
        self.useFixture(gate.ApiGate(self))

    def before(self, call: gate.ApiCall) -> None:
        """Look into a request; see ``gate.Observer``."""
        self._requests += 1
        findings = {*self._in_url(call.url), *self._in_body(call)}
        if findings:
            self._report(call, sorted(findings))

    def after(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``; all is checked before."""

    def _in_url(self, url: str) -> Iterator[_Finding]:
        # Its host is where it goes, not what is sent there.
        _, _, rest = url.partition('://')
        _, _, rest = rest.partition('/')
        if not self._is_suspect(parse.unquote_plus(rest)):
            return
        path, _, query = rest.partition('?')
        yield from self._in_text('path', '', parse.unquote(path))
        yield from self._in_fields('query', _pairs(query))

    def _in_body(self, call: gate.ApiCall) -> Iterator[_Finding]:
        if not call.request.body:
            return
        content = _as_bytes(call.content)
        if content is None:
            self._unread += 1
            return
        self._bytes += len(content)
        content = encoded.unpacked(content)
        text = content.decode(json.detect_encoding(content), 'replace')
        is_form = _is_form(call.request.headers)
        # What is in a field is in the whole too, unless it is escaped.
        if not is_form and '\\' not in text and not self._is_suspect(text):
            return
        body = call.body
        if body is not None:
            found = list(self._in_fields('', body))
            yield from found
            if not any(finding.is_secret for finding in found):
                # One whose lines are the items of a list.
                yield from (
                    finding
                    for finding in self._in_text('body', '', text)
                    if finding.is_secret
                )
        elif is_form:
            yield from self._in_fields('', _pairs(text))
        else:
            yield from self._in_text('body', '', text)

    def _in_fields(self, where: str, body: Any) -> Iterator[_Finding]:
        # Not by recursion, which a body could be too deep for.
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
                    shown = _MASK if any(f.is_secret for f in found) else key
                    shown = _shortened(shown)
                    fields.append(
                        (f'{where}.{shown}' if where else shown, key, item)
                    )

    def _in_text(self, where: str, name: str, text: str) -> Iterator[_Finding]:
        for found in real_data.find(text, self._allowed, name):
            yield _Finding(
                f'{where} (base64)' if found.encoded else where,
                f'{found.kind} {found.value}'
                if found.value
                else f'{found.kind} ({found.length} characters)',
                found.value is None,
            )

    def _is_suspect(self, text: str) -> bool:
        return any(real_data.find(text, self._allowed))

    def _report(self, call: gate.ApiCall, findings: list[_Finding]) -> None:
        shown = [str(finding) for finding in findings[:_MOST_SHOWN]]
        if len(findings) > len(shown):
            shown.append(f'and {len(findings) - len(shown)} more')
        # A path that holds a secret is not quoted.
        target = str(call)
        if any(f.is_secret and f.where.startswith('path') for f in findings):
            target = call.method
        self._violate(
            exceptions.SafetyViolation(
                'SF303',
                f'{target} holds real-looking data: {"; ".join(shown)}',
            ),
            target,
            findings=shown,
        )

    def _record_requests(self) -> None:
        if self._requests:
            self.trail.record(
                'evaluate/payload',
                'requests',
                event_type='monitor',
                requests=self._requests,
                bytes=self._bytes,
                unread=self._unread,
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

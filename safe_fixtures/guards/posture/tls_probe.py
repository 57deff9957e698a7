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

"""Compare how connections are verified by default."""

from collections.abc import Iterator
import sys
from typing import Any
import warnings

from safe_fixtures.guards.posture import probe

__all__ = ['TlsProbe', 'tls_faults']


class TlsProbe(probe.Probe):
    """Whether connections are verified by default, and by what."""

    name = 'tls'
    remedy = 'Patch with useFixture(fixtures.MonkeyPatch(...)).'

    # The attributes, by module and class.
    _ATTRIBUTES = {
        ('ssl', ''): (
            '_create_default_https_context', 'create_default_context',
            'SSLContext',
        ),
        ('http.client', ''): ('HTTPSConnection',),
        ('requests.sessions', 'Session'): (
            '__init__', 'merge_environment_settings', 'request', 'send',
            'verify',
        ),
        ('requests.adapters', ''): ('DEFAULT_CA_BUNDLE_PATH',),
        ('requests.adapters', 'HTTPAdapter'): ('cert_verify', 'send'),
        ('urllib3.connection', ''): ('ssl_wrap_socket',),
        ('urllib3.connection', 'HTTPSConnection'): (
            'assert_hostname', 'cert_reqs', 'connect',
        ),
        ('urllib3.connectionpool', 'HTTPSConnectionPool'): ('ConnectionCls',),
        ('urllib3.util.ssl_', ''): (
            'create_urllib3_context', 'resolve_cert_reqs',
        ),
    }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (module, cls), attributes in self._ATTRIBUTES.items():
            owner: Any = sys.modules.get(module)
            owner = getattr(owner, cls, None) if cls else owner
            for name in attributes if owner is not None else ():
                value = vars(owner).get(name, probe.ABSENT)
                if value is not probe.ABSENT and not isinstance(
                    value, (str, int, type(None))
                ):
                    value = probe.Thing(value)
                found['.'.join(filter(None, (module, cls, name)))] = value
        action = _action_on_insecure_requests()
        if action is not None:
            found['urllib3 InsecureRequestWarning'] = action
        return found

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key, old, new in super().changes(before, after):
            # Otherwise its module was imported meanwhile.
            if key in before and key in after:
                yield key, old, new


def tls_faults() -> list[str]:
    """Return why connections would not be verified; empty if they are."""
    found = []
    ssl = sys.modules.get('ssl')
    if ssl is not None:
        for name in (
            'create_default_context',
            '_create_default_https_context',
        ):
            context = getattr(ssl, name)()
            if context.verify_mode != ssl.CERT_REQUIRED:
                found.append(f'ssl.{name}() does not verify')
            elif not context.check_hostname:
                found.append(f'ssl.{name}() does not check host names')
    requests = sys.modules.get('requests')
    if requests is not None:
        session = requests.Session()
        settings = session.merge_environment_settings(
            'https://verified.invalid/', {}, None, None, None
        )
        if not (session.verify and settings['verify']):
            found.append('requests.Session() does not verify')
    if _action_on_insecure_requests() == 'ignore':
        found.append('InsecureRequestWarning of urllib3 is silenced')
    return found


def _action_on_insecure_requests() -> str | None:
    exceptions = sys.modules.get('urllib3.exceptions')
    if exceptions is None:
        return None
    for action, message, category, module, line in warnings.filters:
        if not (message or module or line) and issubclass(
            exceptions.InsecureRequestWarning, category
        ):
            return action
    return 'default'

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

"""The catalogue of rules: the only list of codes, titles and modes."""

from collections.abc import Mapping
import dataclasses
import types
from typing import Literal

from safe_fixtures.runtime import values

__all__ = ['MODES', 'RULES', 'Mode', 'Rule', 'get']

Mode = Literal['enforce', 'audit', 'off']

MODES: tuple[Mode, ...] = ('enforce', 'audit', 'off')


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a guard enforces or records.

    :ivar code: its name, such as ``SF301``.
    :ivar title: what violates it, in one line.
    :ivar remedy: what to do about a violation.
    :ivar cwe: the weakness it prevents, such as ``CWE-531``; None if MITRE
        lists no exact one.
    :ivar finding: the review finding it comes from, such as ``A2``; ``-`` if
        none.
    :ivar default: its mode when ``[safe_fixtures] mode`` is ``default``.
    :ivar always: whether it is enforced whatever the configuration says.
    """

    code: str
    title: str
    remedy: str
    cwe: str | None = None
    finding: str = '-'
    default: Mode = 'enforce'
    always: bool = False


_CATALOGUE = (
    Rule(
        'SF101',
        'microversion latest that is not pinned, or refused',
        'Request a concrete microversion, or set [safe_fixtures] '
        'latest_policy = pin.',
        finding='A3',
    ),
    Rule(
        'SF102',
        'microversion that the API does not support',
        'Request a microversion between the minimum and the maximum of the '
        'API.',
        finding='A3',
    ),
    Rule(
        'SF103',
        'response at another microversion than requested',
        'Find what rewrites the version: a proxy, a middleware or a stub.',
        finding='A3',
    ),
    Rule(
        'SF104',
        'drift: the API supports more than the pin',
        'Vet the newer microversions, then move the pin.',
        finding='A3',
        default='audit',
    ),
    Rule(
        'SF201',
        'service not restored to its prior state',
        'Restore the service by hand to the state named here, and remove what '
        'makes the restore fail.',
        cwe='CWE-459',
        finding='A4, B5',
    ),
    Rule(
        'SF202',
        'service toggled outside a test',
        'Toggle services only between set-up and cleanup, at an endpoint that '
        'is intercepted in this process, on loopback or listed in '
        '[safe_fixtures] allowed_endpoints.',
        cwe='CWE-749',
        finding='A4',
        always=True,
    ),
    Rule(
        'SF203',
        'undeclared outage of a compute with servers on it',
        'Move or delete the servers first, or declare why the test needs this '
        'order: with expecting_servers=True and a reason, or with @waive.',
        cwe='CWE-696',
        finding='B5',
        default='audit',
    ),
    Rule(
        'SF204',
        'service started that the test may not start',
        'Start only the services that the test is about.',
        cwe='CWE-862',
        finding='B2',
    ),
    Rule(
        'SF205',
        'started service left running',
        'Use self.start_service(), or stop the service in a cleanup.',
        cwe='CWE-459',
        finding='B2',
    ),
    Rule(
        'SF206',
        'service held by another run',
        'Wait until the other run has ended, give each run computes of its '
        'own, or set [safe_fixtures] lock_timeout to how long it may take.',
        cwe='CWE-362',
    ),
    Rule(
        'SF301',
        'image that is not dummy',
        'Use an image of the fake Glance: little data, and no location, URL '
        'or import source outside the test.',
        cwe='CWE-531',
        finding='A2',
    ),
    Rule(
        'SF302',
        'flavor that is not dummy',
        'Use a default flavor, or create one in the test through the API or '
        'with Flavor.create().',
        cwe='CWE-531',
        finding='A2',
    ),
    Rule(
        'SF303',
        'real-looking data in a request',
        'Use documentation addresses, example domains and made-up secrets, or '
        'list the host in [safe_fixtures] allowed_hosts.',
        cwe='CWE-531',
        finding='A2',
        default='audit',
    ),
    Rule(
        'SF401',
        'network egress',
        'Talk to fakes or to loopback, or list the host in [safe_fixtures] '
        'allowed_hosts.',
        cwe='CWE-668',
        finding='A1',
    ),
    Rule(
        'SF402',
        "database that is not the test's own",
        'Use SQLite in memory or in a temporary directory.',
        cwe='CWE-668',
        finding='A1',
    ),
    Rule(
        'SF403',
        'message bus that is not fake',
        'Use the fake:// transport.',
        cwe='CWE-668',
        finding='A1',
    ),
    Rule(
        'SF404',
        'real credentials within reach',
        'Run the tests without cloud credentials in the environment.',
        cwe='CWE-668',
        finding='A1',
        default='audit',
    ),
    Rule(
        'SF405',
        "write to the host's files",
        'Write in a temporary directory, or list the path in '
        '[safe_fixtures] allowed_paths.',
        cwe='CWE-668',
        finding='A1',
        default='audit',
    ),
    Rule(
        'SF406',
        'process spawned',
        'Stub the call, or list the program in [safe_fixtures] '
        'allowed_programs.',
        cwe='CWE-668',
        finding='A1',
        default='audit',
    ),
    Rule(
        'SF501',
        'posture changed and not restored',
        'Undo the change in a cleanup: use a fixture, or addCleanup().',
        cwe='CWE-459',
        finding='A5',
    ),
    Rule(
        'SF502',
        'server permissions wrong',
        'Find the policy rule named here, and what weakened it.',
        cwe='CWE-732',
        finding='B4',
    ),
    Rule(
        'SF503',
        'thread, descriptor, process or client left behind',
        'End, stop, close or wait for it in a cleanup.',
        cwe='CWE-459',
        finding='A5',
        default='audit',
    ),
    Rule(
        'SF601',
        'secret about to be printed (it was masked)',
        'Do not print or log the secret.',
        cwe='CWE-532',
        finding='B1',
        default='audit',
    ),
    Rule(
        'SF901',
        'waiver that never applied',
        'Remove the waiver.',
        default='audit',
    ),
)

RULES: Mapping[str, Rule] = types.MappingProxyType(
    {rule.code: rule for rule in _CATALOGUE}
)


def get(code: str) -> Rule:
    """Return the rule that has a code.

    :param code: a rule code, such as ``SF301``.
    :raises: ValueError if the catalogue has no such rule.
    """
    try:
        return RULES[values.plain(code)]
    except (KeyError, TypeError):
        raise ValueError(
            f'{code!r} is not a rule; the rules are {", ".join(RULES)}'
        ) from None

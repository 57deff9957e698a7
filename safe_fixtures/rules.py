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

__all__ = ['MODES', 'RULES', 'Mode', 'Rule', 'get']

Mode = Literal['enforce', 'audit', 'off']

MODES: tuple[Mode, ...] = ('enforce', 'audit', 'off')


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a guard enforces or records.

    :ivar code: its name, such as ``SF301``.
    :ivar title: what violates it, in one line.
    :ivar cwe: the weakness it prevents, such as ``CWE-531``; None if MITRE
        lists no exact one.
    :ivar finding: the review finding it comes from, such as ``A2``.
    :ivar remedy: what to do about a violation.
    :ivar default: its mode when ``[safe_fixtures] mode`` is ``default``.
    :ivar always: whether it is enforced whatever the configuration says.
    """

    code: str
    title: str
    cwe: str | None
    finding: str
    remedy: str
    default: Mode
    always: bool = False


_CATALOGUE = (
    Rule(
        'SF101',
        'microversion latest that is not pinned, or refused',
        None,
        'A3',
        'Request a concrete microversion, or set [safe_fixtures] '
        'latest_policy = pin.',
        'enforce',
    ),
    Rule(
        'SF102',
        'microversion that the API does not support',
        None,
        'A3',
        'Request a microversion between the minimum and the maximum of the '
        'API.',
        'enforce',
    ),
    Rule(
        'SF103',
        'response at another compute microversion than requested',
        None,
        'A3',
        'Find what rewrites the version: a proxy, a middleware or a stub.',
        'enforce',
    ),
    Rule(
        'SF104',
        'drift: the API supports more than the pin',
        None,
        'A3',
        'Vet the newer microversions, then move the pin.',
        'audit',
    ),
    Rule(
        'SF201',
        'service not restored to its prior state',
        'CWE-459',
        'A4, B5',
        'Restore the service by hand to the state named here, and remove '
        'what makes the restore fail.',
        'enforce',
    ),
    Rule(
        'SF202',
        'service toggled outside a test',
        'CWE-749',
        'A4',
        'Toggle services only between set-up and cleanup, at an endpoint '
        'that is intercepted in this process, on loopback or listed in '
        '[safe_fixtures] allowed_endpoints.',
        'enforce',
        always=True,
    ),
    Rule(
        'SF203',
        'undeclared outage of a compute with servers on it',
        'CWE-696',
        'B5',
        'Move or delete the servers first, or declare why the test needs '
        'this order: with expecting_servers=True and a reason, or with '
        '@waive.',
        'audit',
    ),
    Rule(
        'SF204',
        'service started that the test may not start',
        'CWE-862',
        'B2',
        'Start only the services that the test is about.',
        'enforce',
    ),
    Rule(
        'SF205',
        'started service left running',
        'CWE-459',
        'B2',
        'Use self.start_service(), or stop the service in a cleanup.',
        'enforce',
    ),
    Rule(
        'SF301',
        'image that is not dummy',
        'CWE-531',
        'A2',
        'Use an image of the fake Glance: little data, and no location, '
        'URL or import source outside the test.',
        'enforce',
    ),
    Rule(
        'SF302',
        'flavor that is not dummy',
        'CWE-531',
        'A2',
        'Use a default flavor, or create one in the test through the API '
        'or with Flavor.create().',
        'enforce',
    ),
    Rule(
        'SF303',
        'real-looking data in a request',
        'CWE-531',
        'A2',
        'Use documentation addresses, example domains and made-up secrets, '
        'or list the host in [safe_fixtures] allowed_hosts.',
        'audit',
    ),
    Rule(
        'SF401',
        'network egress',
        'CWE-668',
        'A1',
        'Talk to fakes or to loopback, or list the host in [safe_fixtures] '
        'allowed_hosts.',
        'enforce',
    ),
    Rule(
        'SF402',
        "database that is not the test's own",
        'CWE-668',
        'A1',
        'Use SQLite in memory or in a temporary directory.',
        'enforce',
    ),
    Rule(
        'SF403',
        'message bus that is not fake',
        'CWE-668',
        'A1',
        'Use the fake:// transport.',
        'enforce',
    ),
    Rule(
        'SF404',
        'real credentials within reach',
        'CWE-668',
        'A1',
        'Run the tests without cloud credentials in the environment.',
        'audit',
    ),
    Rule(
        'SF405',
        "write to the host's files",
        'CWE-668',
        'A1',
        'Write in a temporary directory, or list the path in '
        '[safe_fixtures] allowed_paths.',
        'audit',
    ),
    Rule(
        'SF406',
        'process spawned',
        'CWE-668',
        'A1',
        'Stub the call, or list the program in [safe_fixtures] '
        'allowed_programs.',
        'audit',
    ),
    Rule(
        'SF501',
        'posture changed and not restored',
        'CWE-459',
        'A5',
        'Undo the change in a cleanup: use a fixture, or addCleanup().',
        'enforce',
    ),
    Rule(
        'SF502',
        'server permissions wrong',
        'CWE-732',
        'B4',
        'Find the policy rule named here, and what weakened it.',
        'enforce',
    ),
    Rule(
        'SF601',
        'secret about to be printed (it was masked)',
        'CWE-532',
        'B1',
        'Do not print or log the secret.',
        'audit',
    ),
    Rule(
        'SF901',
        'waiver that never applied',
        None,
        '-',
        'Remove the waiver.',
        'audit',
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
        return RULES[code]
    except (KeyError, TypeError):
        raise ValueError(
            f'{code!r} is not a rule; the rules are {", ".join(RULES)}'
        ) from None

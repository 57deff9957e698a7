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

"""The catalogue of rules: the single source of codes, titles and modes."""

from collections.abc import Mapping
import dataclasses
import types
from typing import Literal

__all__ = ['MODES', 'RULES', 'Mode', 'Rule', 'get']

Mode = Literal['enforce', 'audit', 'off']

MODES: tuple[Mode, ...] = ('enforce', 'audit', 'off')


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a guard watches over.

    :ivar code: its name, such as ``SF301``.
    :ivar title: what breaks it, in one line.
    :ivar cwe: the weakness it answers, such as ``CWE-531``; None where
        MITRE lists no exact one.
    :ivar finding: the review finding it comes from, such as ``A2``.
    :ivar remedy: what a person does about a violation.
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
        'microversion latest where no pin is known, or where it is refused',
        None,
        'A3',
        'Ask for a concrete microversion, or set [safe_fixtures] '
        'latest_policy = pin.',
        'enforce',
    ),
    Rule(
        'SF102',
        'a microversion outside what the API supports',
        None,
        'A3',
        'Ask for a microversion between the minimum and the maximum that '
        'the API supports.',
        'enforce',
    ),
    Rule(
        'SF103',
        'a response served at another compute microversion than was sent',
        None,
        'A3',
        'Find out what rewrites the version on its way: a proxy, a '
        'middleware, a stub.',
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
        'a service could not be given back its prior state',
        'CWE-459',
        'A4, B5',
        'Bring the service back by hand to the state named here, and undo '
        'in the test whatever makes the restore fail.',
        'enforce',
    ),
    Rule(
        'SF202',
        'a service toggled outside a test',
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
        'a compute that hosts servers disabled, forced down or stopped '
        'without declaring it',
        'CWE-696',
        'B5',
        'Move or delete the servers first, or declare that the test needs '
        'this order and why: by a toggle with expecting_servers=True, or with '
        '@waive.',
        'audit',
    ),
    Rule(
        'SF204',
        'a service started that this test may not start',
        'CWE-862',
        'B2',
        'Start only the services that the test is about.',
        'enforce',
    ),
    Rule(
        'SF205',
        'a started service left running',
        'CWE-459',
        'B2',
        'Stop the service in a cleanup.',
        'enforce',
    ),
    Rule(
        'SF301',
        'an image that is not dummy',
        'CWE-531',
        'A2',
        'Use an image of the fake Glance: little data, and no location, '
        'URL or import source outside the test.',
        'enforce',
    ),
    Rule(
        'SF302',
        'a flavor that is not dummy',
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
        'Use documentation addresses, example domains and made-up secrets, or '
        'list what is part of the test in [safe_fixtures] allowed_hosts.',
        'audit',
    ),
    Rule(
        'SF401',
        'network egress',
        'CWE-668',
        'A1',
        'Talk to fakes or to loopback, or list what is a part of the test in '
        '[safe_fixtures] allowed_hosts.',
        'enforce',
    ),
    Rule(
        'SF402',
        "a database that is not the test's own",
        'CWE-668',
        'A1',
        'Use sqlite in memory or under the temporary directory of the test.',
        'enforce',
    ),
    Rule(
        'SF403',
        'a message bus that is not fake',
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
        "a write to the host's files",
        'CWE-668',
        'A1',
        'Write under the temporary directory of the test, or list what is its '
        'own in [safe_fixtures] allowed_paths.',
        'audit',
    ),
    Rule(
        'SF406',
        'a process spawned',
        'CWE-668',
        'A1',
        'Stub the call, or list the program in [safe_fixtures] '
        'allowed_programs.',
        'audit',
    ),
    Rule(
        'SF501',
        'posture changed',
        'CWE-459',
        'A5',
        'Restore what the test changed in a cleanup.',
        'enforce',
    ),
    Rule(
        'SF502',
        'server permissions wrong',
        'CWE-732',
        'B4',
        'Find the policy rule that is named here and who weakened it.',
        'enforce',
    ),
    Rule(
        'SF601',
        'a secret reached an output (and was masked)',
        'CWE-532',
        'B1',
        'Do not print or log the secret.',
        'audit',
    ),
    Rule(
        'SF901',
        'a waiver that waived nothing',
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
    """Return the rule of that code.

    :param code: a rule code, such as ``SF301``.
    :raises: ValueError if the catalogue has no such rule.
    """
    try:
        return RULES[code]
    except (KeyError, TypeError):
        raise ValueError(
            f'{code!r} is not a rule; the rules are {", ".join(RULES)}'
        ) from None

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

"""Check the facts that ``assert_posture`` is given."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oslo_config import cfg

from safe_fixtures import exceptions
from safe_fixtures.guards.posture import config_probe
from safe_fixtures.guards.posture import source

__all__ = ['option_faults', 'policy_faults']


def policy_faults(
    facts: Iterable[tuple[str, str]], *, allowed: bool
) -> Iterator[str]:
    """Yield where the policy in force does not do what is said.

    :param facts: rules and personas.
    :param allowed: whether all of them must be allowed, or all denied.
    :raises: ConfigurationError for an unknown rule or persona, and if no
        project with a policy is imported.
    """
    for fact in facts:
        posture = source.SOURCE.require('assert_posture')
        rule, persona = fact
        try:
            actual = posture.is_allowed(rule, persona)
        except LookupError as error:
            raise exceptions.ConfigurationError(
                'assert_posture', fact, str(error.args[0])
            ) from error
        if actual != allowed:
            verb = 'allows' if actual else 'denies'
            yield f'policy {verb} {rule} to {persona}'


def option_faults(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options whose effective value is another.

    :param options: the wanted values, by ``group.name``.
    :raises: ConfigurationError for an unknown option.
    """
    describe = config_probe.ConfigProbe().describe
    for key, wanted in options.items():
        group, _, name = key.rpartition('.')
        try:
            opts = cfg.CONF if group in ('', 'DEFAULT') else cfg.CONF[group]
            actual = opts[name]
        except cfg.Error as error:
            raise exceptions.ConfigurationError(
                'assert_posture options', key, str(error)
            ) from error
        if actual != wanted:
            yield (
                f'option {key} is {describe(name, actual)}, '
                f'not {describe(name, wanted)}'
            )

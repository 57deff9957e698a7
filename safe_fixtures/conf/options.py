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

"""The options of group ``[safe_fixtures]``, and what each may be."""

from collections.abc import Callable, Mapping
import copy
import ipaddress
import math
import os
import re
from typing import Any
from urllib import parse

from oslo_config import cfg
from oslo_config import types

from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures.runtime import values

__all__ = [
    'GROUP',
    'OFF',
    'OPTS',
    'added_to_defaults',
    'check',
    'is_microversion',
    'list_opts',
    'microversion_form',
]

GROUP = cfg.OptGroup(
    'safe_fixtures',
    title='Hardened fixtures',
    help='How the guards of safe_fixtures behave.',
)
#: The value of ``journal_dir`` that switches the journal off.
OFF = 'off'
_MICROVERSION = re.compile(r'([1-9])\.(?:0|[1-9][0-9]*)')
_NAME = re.compile(r'[\w-]+(?:\.[\w-]+)*\.?')
_HOST = re.compile(r'[\w.-]+|[0-9a-f:.]+')
_HOST_AND_PORT = re.compile(r'[\w.-]+(?::[0-9]{1,5})?|[0-9a-f:.]+')


class _Checked(types.String):
    """A string that a function checks.

    :param check: raises ValueError, with what is allowed.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        super().__init__()
        self._check = check

    def __call__(self, value: Any) -> str:
        text: str = super().__call__(value)
        self._check(text)
        return text


class _CheckedList(types.List):
    def __call__(self, value: Any) -> list[str]:
        # Split first: oslo.config joins an invalid entry with the next one.
        if isinstance(value, str):
            value = types.List()(value)
        checked: list[str] = super().__call__(value)
        return checked


class _Seconds(types.Float):
    def __call__(self, value: Any) -> float | None:
        number: float | None = super().__call__(value)
        # NaN passes a minimum.
        if number is not None and not math.isfinite(number):
            raise ValueError('it must be a finite number')
        return number


class _RuleModes(types.Dict):
    def __call__(self, value: Any) -> dict[str, str]:
        modes: dict[str, str] = super().__call__(value)
        for code, mode in modes.items():
            rules.get(code)
            if mode not in rules.MODES:
                raise ValueError(
                    f'{mode!r} is no mode for {code}: use '
                    + ', '.join(rules.MODES)
                )
        return modes


def is_microversion(value: Any, major: str = '2') -> bool:
    """Whether *value* is a concrete microversion of a major, as '2.53' is."""
    found = _MICROVERSION.fullmatch(value) if isinstance(value, str) else None
    return bool(found and found[1] == major)


def microversion_form(example: str = '2.53') -> str:
    """Return how a microversion with the major of *example* looks."""
    return (
        f'a string such as {example!r}: major {example[0]}, a dot, and a '
        'minor without leading zeros'
    )


def _check_microversion(value: str) -> None:
    if not is_microversion(value):
        raise ValueError(f'give {microversion_form()}')


def _check_endpoint(value: str) -> None:
    # An IPv6 address has no brackets here, as in a parsed URL.
    pattern, host, port = _HOST_AND_PORT, value, None
    if '://' in value:
        try:
            parts = parse.urlsplit(value)
            pattern, host, port = _HOST, parts.hostname or '', parts.port
        except ValueError:
            host = ''
    if port == 0 or not pattern.fullmatch(host):
        raise ValueError(
            f'{value!r} must be a host, host:port, or a URL with a host, '
            'without wildcards'
        )


def _check_host(value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        if not _NAME.fullmatch(value):
            raise ValueError(
                f'{value!r} must be a host name, an address or a network, '
                'without scheme, port and wildcards'
            ) from None


def _check_not_everything(value: str) -> None:
    if not value.strip() or not value.strip('./*'):
        raise ValueError(f'{value!r} is refused: it stands for everything')


def _check_expression(value: str) -> None:
    if not value:
        raise ValueError('it must not be empty')
    try:
        re.compile(value)
    except re.error as why:
        raise ValueError(f'it must be a regular expression ({why})') from None


def _check_directory(value: str) -> None:
    # It is made when it is needed, and may be on no machine yet.
    if not value.strip() or '\0' in value:
        raise ValueError(f'it must be a directory, or {OFF}')


def _check_writable(value: str) -> None:
    directory = os.path.dirname(os.path.abspath(value))
    if not value or os.path.isdir(value) or not os.access(directory, os.W_OK):
        raise ValueError(
            'it must be a file in a directory that exists and is writable'
        )


# As safe_fixtures.nova.speed calls them.
_CURES = (
    'collection', 'statements', 'connections', 'policy', 'options', 'routes',
    'databases', 'schemas', 'aliases', 'transactions', 'fields',
)  # fmt: skip

OPTS = [
    cfg.StrOpt(
        'mode',
        default='default',
        choices=[
            ('default', "each rule's own mode"),
            ('enforce', 'a violation of any rule fails the test'),
            ('audit', 'violations are recorded and fail nothing'),
            ('off', 'no rule is checked'),
        ],
        help='What a violation does. SF202 is enforced in every mode.',
    ),
    cfg.Opt(
        'rule_modes',
        type=_RuleModes(),
        default={},
        help='Modes of single rules, which override ``mode``: '
        '``SF203:enforce,SF104:off``.',
    ),
    cfg.Opt(
        'pinned_microversion',
        type=_Checked(_check_microversion),
        help='The compute microversion to send instead of ``latest``. '
        'Default: the vetted one of the installed Nova release.',
    ),
    cfg.StrOpt(
        'latest_policy',
        default='pin',
        choices=[
            ('pin', 'send the pin instead'),
            ('refuse', 'it is a violation of SF101'),
        ],
        help='What happens to a request for microversion ``latest``.',
    ),
    cfg.Opt(
        'restore_timeout',
        type=_Seconds(min=0.1),
        default=10.0,
        help='How many seconds changing or restoring one service may wait '
        'for its compute or its client.',
    ),
    cfg.Opt(
        'restore_deadline',
        type=_Seconds(min=0),
        default=60.0,
        help='How many seconds a restore at an endpoint outside this process '
        'is tried again while the API cannot be reached, answers with 5xx or '
        'asks for authentication.',
    ),
    cfg.Opt(
        'journal_dir',
        type=_Checked(_check_directory),
        sample_default='$XDG_STATE_HOME/safe-fixtures',
        help='The directory for the journals of services that are changed at '
        'an endpoint outside this process, and for the locks of these '
        'services. It is made if it is missing. ``off`` switches both off, '
        'which only an endpoint on loopback allows. Default: '
        '``safe-fixtures`` in ``$XDG_STATE_HOME``, else in '
        '``~/.local/state``.',
    ),
    cfg.Opt(
        'lock_timeout',
        type=_Seconds(min=0),
        default=30.0,
        help='How many seconds to wait for a service that another run on '
        'this machine holds (SF206).',
    ),
    cfg.StrOpt(
        'dead_journals',
        default='name',
        choices=[
            ('name', 'name them, and the command that restores'),
            ('restore', 'restore what they owe, then name what is left'),
        ],
        help='What the set-up of a toggle does about the journals that runs '
        'which have ended left for its endpoint.',
    ),
    cfg.BoolOpt(
        'watcher',
        default=False,
        help='Whether a process beside the tests restores the services as '
        'soon as the tests are killed. It applies to endpoints outside this '
        'process.',
    ),
    cfg.Opt(
        'allowed_endpoints',
        type=_CheckedList(_Checked(_check_endpoint)),
        default=[],
        help='Endpoints where services may be toggled, besides intercepted '
        'ones and loopback: ``host``, ``host:port`` or a URL prefix.',
    ),
    cfg.Opt(
        'allowed_hosts',
        type=_CheckedList(_Checked(_check_host)),
        default=[],
        help='Hosts that a test may connect to, besides loopback, and that '
        'may stand in a request, besides made-up ones: host names, domains, '
        'addresses, and networks such as ``10.0.0.0/8``.',
    ),
    cfg.Opt(
        'allowed_programs',
        type=_CheckedList(_Checked(_check_not_everything)),
        default=['grep', 'ldconfig'],
        help='Programs that a test may start: paths, and names of programs '
        "in the system's directories. They are added to the default, which "
        'is what importing Nova starts; ``=`` before the first replaces it.',
    ),
    cfg.Opt(
        'allowed_paths',
        type=_CheckedList(_Checked(_check_not_everything)),
        default=[
            '__pycache__',
            '.coverage*',
            '.stestr',
            '.testrepository',
            'python-entrypoints',
        ],
        help='Files and directories that a test may write, besides temporary '
        'ones: paths, and patterns without a slash for a file or directory '
        'of that name anywhere. They are added to the default: import '
        'caches, coverage data, the repository of stestr, and the cache of '
        'stevedore (``~/.cache/python-entrypoints``). ``=`` before the first '
        'replaces it.',
    ),
    cfg.IntOpt(
        'max_image_bytes',
        default=1024 * 1024,
        min=0,
        help='How many bytes of stored data a dummy image may have.',
    ),
    *(
        cfg.Opt(
            f'dummy_{what}_name',
            type=_Checked(_check_expression),
            help='A regular expression that the whole name of every '
            f'{what} must match. Default: any name.',
        )
        for what in ('image', 'flavor')
    ),
    cfg.BoolOpt(
        'wait_for_change',
        default=True,
        help="Whether the waits of Nova's test helpers end as soon as what "
        'they wait for is there, rather than at their next poll, and whether '
        'pauses that only time ends are short.',
    ),
    cfg.BoolOpt(
        'speed_up',
        default=True,
        help="Whether Nova's tests are set up from what earlier tests of "
        'the process left, with the same results.',
    ),
    cfg.Opt(
        'speed_up_without',
        type=_CheckedList(types.String(choices=_CURES)),
        default=[],
        help='What not to speed up: ' + ', '.join(_CURES) + '.',
    ),
    cfg.BoolOpt(
        'plugins',
        default=True,
        help='Whether sinks, probes, alert rules and sections of other '
        'packages are loaded.',
    ),
    cfg.Opt(
        'plugins_without',
        type=_CheckedList(_Checked(_check_not_everything)),
        default=[],
        help='Plugins not to load: the names of their entry points.',
    ),
    cfg.Opt(
        'audit_file',
        type=_Checked(_check_writable),
        help='A file to which every audit event is appended, as one line of '
        'JSON. Its directory must exist. ``{pid}`` in its name stands for '
        'the process id, so that each process has a file of its own. '
        'Default: events stay in memory.',
    ),
    cfg.StrOpt(
        'waivers_file',
        help='A TOML file with the waivers of the whole suite: tables '
        '``[[waiver]]``, each with ``rule``, ``tests`` (a pattern for test '
        'ids) and ``reason``. Default: only the waivers that tests state.',
    ),
    cfg.StrOpt(
        'baseline_file',
        help='A TOML file with the violations that the suite still owes, as '
        '``safe-fixtures baseline`` writes it. They are recorded and fail '
        'nothing. Default: there are none.',
    ),
    cfg.StrOpt(
        'posture_leaks_file',
        help='A TOML file with changes that no test makes but a library: '
        'tables ``[[leak]]``, each with ``probe``, ``key``, ``after`` and '
        '``reason``. Default: those that are known of shared libraries.',
    ),
]

_TYPES = {opt.name: opt.type for opt in OPTS}


def added_to_defaults(given: Mapping[str, str]) -> dict[str, str]:
    """Return what somebody sets, with the lists added to their defaults.

    :param given: texts by option. One of a list that begins with ``=`` is
        the whole list.
    """
    added = dict(given)
    for opt in OPTS:
        text = given.get(opt.name)
        if text is None or not isinstance(opt.type, types.List):
            continue
        whole, replaces, entries = text.lstrip().partition('=')
        if replaces and not whole:
            added[opt.name] = entries
        else:
            added[opt.name] = ','.join(filter(None, (*opt.default, text)))
    return added


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return copies of the options, for ``oslo-config-generator``."""
    return [(GROUP, copy.deepcopy(OPTS))]


def check(name: str, value: Any) -> list[str]:
    """Check a list that a caller gives in the place of an option.

    :param name: the name of the option and of the argument (str).
    :returns: the value as a list.
    :raises: ConfigurationError that names the argument.
    """
    allowed = 'give a list of strings'
    if not isinstance(value, str):
        value = list(map(values.plain, value))
        if all(isinstance(entry, str) for entry in value):
            try:
                checked: list[str] = _TYPES[name](value)
                return checked
            except ValueError as error:
                allowed = str(error)
    raise exceptions.ConfigurationError(name, value, allowed)

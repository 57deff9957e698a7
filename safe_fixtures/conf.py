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

"""The options of the package: group ``[safe_fixtures]`` of its own."""

from collections.abc import Callable, Iterator
import copy
import ipaddress
import math
import os
import re
from typing import Any
from urllib import parse

from oslo_config import cfg

from safe_fixtures import exceptions
from safe_fixtures import rules

__all__ = [
    'CONF',
    'GROUP',
    'MICROVERSION_FORM',
    'is_microversion',
    'list_opts',
    'load',
]

GROUP = cfg.OptGroup(
    'safe_fixtures',
    title='Hardened fixtures',
    help='How the guards of safe_fixtures behave.',
)
MICROVERSION_FORM = (
    "a string such as '2.53': major 2, a dot, and a minor without leading "
    'zeros'
)
_MICROVERSION = re.compile(r'2\.(0|[1-9][0-9]*)')
_NAME = re.compile(r'[\w-]+(?:\.[\w-]+)*\.?')
_HOST = re.compile(r'[\w.-]+|[0-9a-f:.]+')
_HOST_AND_PORT = re.compile(r'[\w.-]+(?::[0-9]{1,5})?|[0-9a-f:.]+')

_OPTS = [
    cfg.StrOpt(
        'mode',
        default='default',
        choices=[
            ('default', "each rule's own mode"),
            ('enforce', 'a violation of any rule fails the test'),
            ('audit', 'violations are recorded and change no outcome'),
            ('off', 'no rule is checked'),
        ],
        help='What a violation does. SF202 is enforced in every mode.',
    ),
    cfg.DictOpt(
        'rule_modes',
        default={},
        help='Modes of single rules, which go before ``mode``: '
        '``SF203:enforce,SF104:off``.',
    ),
    cfg.StrOpt(
        'pinned_microversion',
        help='The compute microversion that ``latest`` is served at. '
        'Default: the vetted one of the installed Nova release.',
    ),
    cfg.StrOpt(
        'latest_policy',
        default='pin',
        choices=[
            ('pin', 'latest is served at the pin'),
            ('refuse', 'latest is SF101'),
        ],
        help='What becomes of a request for microversion ``latest``.',
    ),
    cfg.FloatOpt(
        'restore_timeout',
        default=10.0,
        min=0.1,
        help='Seconds that toggling one service, or giving it back its '
        'state, may wait for its compute or its client.',
    ),
    cfg.ListOpt(
        'allowed_endpoints',
        default=[],
        help='Endpoints, besides intercepted ones and loopback, where '
        'services may be toggled: ``host``, ``host:port`` or a URL prefix.',
    ),
    cfg.ListOpt(
        'allowed_hosts',
        default=[],
        help='What the network may lead to, besides loopback, and what a '
        'request may hold, besides made-up data: host names, domains, '
        'addresses, and networks such as ``10.0.0.0/8``.',
    ),
    cfg.ListOpt(
        'allowed_programs',
        default=['grep', 'ldconfig'],
        help="What may be started: paths, and names of programs in the "
        "system's directories. Default: what importing Nova starts.",
    ),
    cfg.ListOpt(
        'allowed_paths',
        default=[
            '__pycache__',
            '.coverage*',
            '.stestr',
            '.testrepository',
            'python-entrypoints',
        ],
        help='Files and directories that may be written, besides temporary '
        'ones: paths, and patterns without a slash for a file or directory '
        'of that name anywhere. A value replaces the default: import caches, '
        'coverage, the repository of stestr, and the cache of stevedore '
        '(``~/.cache/python-entrypoints``).',
    ),
    cfg.IntOpt(
        'max_image_bytes',
        default=1024 * 1024,
        min=0,
        help='Bytes of stored data above which an image is not dummy.',
    ),
    cfg.StrOpt(
        'dummy_image_name',
        help='A regular expression that the whole name of every image must '
        'match. Default: any name.',
    ),
    cfg.StrOpt(
        'dummy_flavor_name',
        help='A regular expression that the whole name of every flavor must '
        'match. Default: any name.',
    ),
    cfg.BoolOpt(
        'wait_for_change',
        default=True,
        help="Whether the waits of Nova's test helpers end as soon as what "
        'they wait for is there, rather than at their next poll.',
    ),
    cfg.StrOpt(
        'audit_file',
        help='A file to which every audit event is appended, as one line of '
        'JSON. Its directory must exist. ``{pid}`` in its name is the number '
        'of the process, so that each has a file of its own. Default: events '
        'stay in memory.',
    ),
    cfg.StrOpt(
        'waivers_file',
        help='A TOML file with waivers of the whole suite: tables '
        '``[[waiver]]``, each with ``rule``, ``tests`` (a pattern for the '
        'ids of the tests) and ``reason``. Default: there are none but '
        'those that the tests state.',
    ),
]


class _ConfigOpts(cfg.ConfigOpts):
    """Options that know whether they were read, and checked, as they are."""

    #: What the values were read from; None before and after.
    sources: tuple[str | None, ...] | None = None
    #: Whether each of them was found valid, as they are. To clear a default
    #: makes nothing invalid: those of the options themselves are valid.
    checked = False

    def __init__(self) -> None:
        super().__init__()
        #: What others derived from the values. Emptied when they are read
        #: again.
        self.derived: dict[str, Any] = {}

    def clear(self) -> None:
        super().clear()
        self.sources = None
        self.derived = {}

    def set_default(self, *args: Any, **kwargs: Any) -> None:
        super().set_default(*args, **kwargs)
        self.checked = False

    def set_override(self, *args: Any, **kwargs: Any) -> None:
        super().set_override(*args, **kwargs)
        self.checked = False

    def clear_override(self, *args: Any, **kwargs: Any) -> None:
        super().clear_override(*args, **kwargs)
        self.checked = False


_PREFIX = f'OS_{GROUP.name.upper()}__'
_VARIABLES = tuple(f'{_PREFIX}{opt.name.upper()}' for opt in _OPTS)

CONF = _ConfigOpts()
CONF.register_group(GROUP)
CONF.register_opts(_OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return copies of the options, for ``oslo-config-generator``."""
    return [(GROUP, copy.deepcopy(_OPTS))]


def is_microversion(value: Any) -> bool:
    """Whether *value* is a concrete compute microversion, such as '2.53'."""
    return isinstance(value, str) and bool(_MICROVERSION.fullmatch(value))


def load() -> Any:
    """Read and validate the settings.

    They come from ``OS_SAFE_FIXTURES__<OPTION>`` in the environment and
    from the file that ``SAFE_FIXTURES_CONFIG`` names; nothing is read from
    ``/etc`` or the home directory.

    :returns: the option group, with every value checked.
    :raises: ConfigurationError that names the option, the value and what is
        allowed.
    """
    path = os.environ.get('SAFE_FIXTURES_CONFIG') or None
    # oslo.config keeps the values it read from the environment.
    sources = (path, *map(os.environ.get, _VARIABLES))
    if CONF.sources != sources:
        _read(path)
        CONF.sources = sources
        CONF.checked = False
    # Guards ask dozens of times in a test.
    if not CONF.checked:
        for opt in _OPTS:
            _check(opt)
        CONF.checked = True
    return CONF.safe_fixtures


def check(name: str, value: Any) -> Any:
    """Check a list that is given in the place of an option.

    :param name: of the option, and of the argument (str).
    :returns: the value as a list.
    :raises: ConfigurationError that names the argument.
    """
    allowed: str | None = 'give a list of strings'
    if not isinstance(value, str):
        value = list(value)
        if all(isinstance(entry, str) for entry in value):
            allowed = _CHECKS[name](value)
    if allowed:
        raise exceptions.ConfigurationError(name, value, allowed)
    return value


def _read(path: str | None) -> None:
    if path is not None and not os.path.isfile(path):
        raise exceptions.ConfigurationError(
            'SAFE_FIXTURES_CONFIG', path, 'it must name a readable file'
        )
    try:
        CONF(
            [],
            project='safe_fixtures',
            default_config_files=[] if path is None else [path],
            default_config_dirs=[],
        )
    except (cfg.Error, OSError, UnicodeError) as error:
        raise exceptions.ConfigurationError(
            'SAFE_FIXTURES_CONFIG', path, str(error)
        ) from None
    known = {opt.name for opt in _OPTS}
    for name, value in _given(path):
        # A misspelt option would leave a guard as it is by default.
        if name not in known:
            raise exceptions.ConfigurationError(
                f'[{GROUP.name}] {name}',
                value,
                'there is no such option; there are '
                + ', '.join(sorted(known)),
            )


def _given(path: str | None) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each option that somebody set."""
    for name, value in os.environ.items():
        if name.startswith(_PREFIX):
            yield name.removeprefix(_PREFIX).lower(), value
    if path is not None:
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(path, sections).parse()
        for group, section in sections.items():
            # oslo.config takes the name of a group in any case.
            if group.lower() == GROUP.name:
                for name, values in section.items():
                    yield name, values[-1]


def _raw_value(opt: cfg.Opt) -> str | None:
    # The environment goes before the file.
    for name, value in _given(os.environ.get('SAFE_FIXTURES_CONFIG')):
        if name == opt.name:
            return value
    return None


def _check(opt: cfg.Opt) -> None:
    option = f'[{GROUP.name}] {opt.name}'
    try:
        value = CONF.safe_fixtures[opt.dest]
    except (ValueError, cfg.Error) as error:
        raise exceptions.ConfigurationError(
            option, _raw_value(opt), str(error)
        ) from None
    # oslo.config reads an empty number as None, and None as a default.
    if value is None and opt.default is not None:
        raise exceptions.ConfigurationError(
            option, _raw_value(opt), 'it must not be empty'
        )
    check = _CHECKS.get(opt.name)
    if check is not None and value is not None:
        allowed = check(value)
        if allowed:
            raise exceptions.ConfigurationError(option, value, allowed)


def _rule_modes(value: dict[str, str]) -> str | None:
    if all(
        code in rules.RULES and mode in rules.MODES
        for code, mode in value.items()
    ):
        return None
    return (
        f'each must be one of {", ".join(rules.RULES)}, a colon, and one of '
        f'{", ".join(rules.MODES)}'
    )


def _microversion(value: str) -> str | None:
    return None if is_microversion(value) else f'give {MICROVERSION_FORM}'


def _finite(value: float) -> str | None:
    # A minimum does not keep out what compares with nothing.
    return None if math.isfinite(value) else 'it must be a finite number'


def _endpoints(value: list[str]) -> str | None:
    if all(_is_endpoint(entry) for entry in value):
        return None
    return (
        'each must be a host, host:port, or a URL that has a host, without '
        'wildcards'
    )


def _hosts(value: list[str]) -> str | None:
    if all(_is_host(entry) for entry in value):
        return None
    return (
        'each must be a host name, an address or a network, without scheme, '
        'port and wildcards'
    )


def _is_host(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return bool(_NAME.fullmatch(entry))
    return True


def _entries(value: list[str]) -> str | None:
    if all(entry.strip() and entry.strip('./*') for entry in value):
        return None
    return 'each must name something; what stands for everything is refused'


def _is_endpoint(entry: str) -> bool:
    # An IPv6 address stands without its brackets, as in a parsed URL.
    if '://' not in entry:
        return bool(_HOST_AND_PORT.fullmatch(entry))
    try:
        parts = parse.urlsplit(entry)
        port = parts.port
    except ValueError:
        return False
    return port != 0 and bool(_HOST.fullmatch(parts.hostname or ''))


def _expression(value: str) -> str | None:
    if not value:
        return 'it must not be empty'
    try:
        re.compile(value)
    except re.error as error:
        return f'it must be a regular expression ({error})'
    return None


def _writable_file(value: str) -> str | None:
    directory = os.path.dirname(os.path.abspath(value))
    if not value or os.path.isdir(value) or not os.access(directory, os.W_OK):
        return 'it must be a file in a directory that exists and is writable'
    return None


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    'rule_modes': _rule_modes,
    'pinned_microversion': _microversion,
    'restore_timeout': _finite,
    'allowed_endpoints': _endpoints,
    'allowed_hosts': _hosts,
    'allowed_programs': _entries,
    'allowed_paths': _entries,
    'dummy_image_name': _expression,
    'dummy_flavor_name': _expression,
    'audit_file': _writable_file,
}


def mode_of(code: str) -> rules.Mode:
    """Return the mode of a rule, as the settings have it.

    :param code: the rule.
    :raises: ConfigurationError if a setting is invalid.
    """
    rule = rules.get(code)
    if rule.always:
        return 'enforce'
    settings = load()
    mode = settings.rule_modes.get(code, settings.mode)
    return rule.default if mode == 'default' else mode

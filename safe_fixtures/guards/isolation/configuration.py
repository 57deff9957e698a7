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

"""Find options of oslo.config that lead outside a test."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import functools
import ipaddress
import os
import re
from typing import Any

from oslo_config import cfg
from oslo_config import types

from safe_fixtures.boundary import references
from safe_fixtures.guards.isolation import concern

__all__ = ['faults', 'judge_url']

_CODES = {'database': 'SF402', 'transport': 'SF403', 'endpoint': 'SF401'}
# The types of options that lead to a host, whatever they are called.
_ADDRESS_TYPES = (
    types.HostAddress,
    types.HostDomain,
    types.Hostname,
    types.IPAddress,
    types.URI,
)
# What options are called that lead to a host.
_ADDRESS_WORDS = frozenset([
    'addr', 'address', 'addresses', 'addrs', 'broker', 'brokers',
    'connection', 'endpoint', 'endpoints', 'host', 'hostname', 'hostnames',
    'hosts', 'ip', 'ips', 'peer', 'peers', 'sentinels', 'server', 'servers',
    'uri', 'uris', 'url', 'urls',
])  # fmt: skip
# Options that say what this machine is called or where it listens.
_OWN_WORDS = frozenset(['bind', 'listen', 'my'])
# Four numbers with dots are no address in these.
_NUMBER_WORDS = frozenset([
    'mask', 'netmask', 'release', 'version', 'versions',
])  # fmt: skip
# An option that is called a connection is one to a database, unless its URL
# says that it is this.
_OTHER_SCHEMES = frozenset([
    'etcd', 'etcd3', 'file', 'http', 'https', 'ldap', 'ldaps', 'libvirt',
    'qemu', 'redis', 'rediss', 'ssh', 'ssl', 'tcp', 'test', 'tls', 'udp',
    'unix', 'ws', 'wss',
])  # fmt: skip
_WHOLE_URL = re.compile(r'([a-z][\w.+-]*):/', re.IGNORECASE)
_BETWEEN = re.compile(r'[\s,;\'"<>|]+')
_BARE = re.compile(
    r"""
    (?:inet6?:)? (?:[^@/\s]*@)?
    (?P<host>
        \[[0-9a-f:.]+(?:%\w+)?\] | (?:[0-9a-f]*:){2,}[0-9a-f.:]*(?:%\w+)?
        | [\w-]+(?:\.[\w-]+)+\.?
    )
    (?P<port>:[0-9]{1,5})? (?P<path>/.*)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TOP_LEVEL = re.compile(r'.*\.(?:[a-z]{2,}|xn--[a-z0-9-]+)\.?', re.IGNORECASE)
_NOTHING: Any = object()


def faults(
    conf: cfg.ConfigOpts, allowed: Iterable[str] = ()
) -> Iterator[concern.Finding]:
    """Yield what each option of *conf* leads to outside the test.

    Options are judged by their types, names and effective values; one that
    has none, as it refers to what is not there, leads nowhere.

    :param conf: all of its groups are gone through.
    :param allowed: what endpoints may lead to: hosts, ``host:port`` pairs,
        networks and URL prefixes.
    """
    allowed = tuple(allowed)
    own: frozenset[str] | None = None
    is_given = _given(conf)
    for group, opts in _groups(conf):
        given = is_given(group)
        for dest, info in list(opts.items()):
            opt = info['opt']
            value = info.get('override', _NOTHING)
            if value is _NOTHING:
                value = info.get('default', opt.default)
            if given and given(dest):
                value = _effective(conf, group, dest)
            if value is None or value.__class__ in (bool, int, float):
                continue
            # Most are; the rest costs more to find out about.
            is_plain = opt.type.__class__ is types.String
            texts = (value,) if value.__class__ is str else _texts(value)
            name = dest if group else f'DEFAULT.{dest}'
            is_address = not is_plain and _is_address_type(opt.type)
            if _is_to_be_read(name, is_address, texts) or (
                not is_plain
                and value.__class__ is str
                and isinstance(opt.type, types.Dict)
            ):
                texts = _texts(_effective(conf, group, dest))
            for reference in _suspects(
                name, is_address, bool(opt.secret), texts
            ):
                if _is_unset(reference, info, opt):
                    continue
                if own is None:
                    own = _own_hosts(conf)
                if references.leads_outside(reference, allowed, own):
                    target = f'[{group or "DEFAULT"}] {dest}'
                    yield concern.Finding(
                        _CODES[reference.kind],
                        f'{target} leads outside the test '
                        f'({references.shown(reference)})',
                        target,
                    )


def judge_url(kind: str, url: str) -> concern.Finding | None:
    """Judge what an engine or a transport is made for.

    :param kind: ``database`` or ``transport``.
    :param url: its URL (str), with the credentials or without.
    """
    reference = references.Reference(kind, url)
    if not references.leads_outside(reference):
        return None
    if kind == 'database' and references.is_made_here(url):
        return None
    what = {'database': 'engine', 'transport': 'transport'}[kind]
    where = references.shown(reference)
    return concern.Finding(
        _CODES[kind], f'{what} that leads outside the test ({where})', where
    )


def _groups(
    conf: cfg.ConfigOpts,
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    # What is public tells neither the types nor what was set, and reading
    # every value takes a hundred times as long.
    yield None, conf._opts
    for name, group in list(conf._groups.items()):
        yield name, group._opts


def _given(
    conf: cfg.ConfigOpts,
) -> Callable[[str | None], Callable[[str], bool] | None]:
    """Tell which options may have a value from outside the process.

    :returns: a function of a group, which returns a function of an option.
    """
    if (
        conf._args
        or conf._sources
        or any(
            namespace is not None and any(namespace._parsed)
            for namespace in (conf._namespace, conf._mutable_ns)
        )
    ):
        return lambda group: lambda dest: True
    variables = (
        [name for name in os.environ if name.startswith('OS_')]
        if conf._use_env
        else []
    )

    def of_group(group: str | None) -> Callable[[str], bool] | None:
        prefix = f'OS_{(group or "DEFAULT").upper()}__'
        names = {
            name.removeprefix(prefix)
            for name in variables
            if name.startswith(prefix)
        }
        return (lambda dest: dest.upper() in names) if names else None

    return of_group


@functools.lru_cache(maxsize=4096)
def _is_to_be_read(
    name: str, is_address: bool, texts: tuple[str, ...]
) -> bool:
    """Whether what a value refers to makes it lead to somewhere.

    A path that begins with another option does so only if that one does.
    """
    text = '\n'.join(texts)
    return '$' in text and (
        is_address or ':' in text or _words(name)[-1] in _ADDRESS_WORDS
    )


def _words(name: str) -> list[str]:
    return re.split('[_.-]', name)


def _effective(conf: cfg.ConfigOpts, group: str | None, dest: str) -> Any:
    try:
        return conf[dest] if group is None else conf[group][dest]
    except Exception:
        # Whatever its type raises; nobody else gets a value either.
        return None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple, set, frozenset)):
        return ()
    return tuple(text for item in value for text in _texts(item))


def _is_address_type(kind: Any) -> bool:
    if isinstance(kind, types.List):
        kind = kind.item_type
    elif isinstance(kind, types.Dict):
        kind = kind.value_type
    return isinstance(kind, _ADDRESS_TYPES)


def _is_unset(
    reference: references.Reference, info: Mapping[str, Any], opt: cfg.Opt
) -> bool:
    # Every project has the option, with such a default, whether it uses a
    # bus or not. Whoever does is seen when the transport is made.
    return (
        reference.kind == 'transport'
        and reference.url == opt.default
        and 'override' not in info
        and 'default' not in info
        and reference.url.endswith('://')
    )


def _own_hosts(conf: cfg.ConfigOpts) -> frozenset[str]:
    """Return what options say that this machine is called."""
    return frozenset(
        text.lower()
        for group, opts in _groups(conf)
        for dest in list(opts)
        if dest.startswith('my_')
        for text in _texts(_effective(conf, group, dest))
    )


# Most values are the same in every test.
@functools.lru_cache(maxsize=4096)
def _suspects(
    name: str, is_address: bool, secret: bool, texts: tuple[str, ...]
) -> tuple[references.Reference, ...]:
    """Return what may lead outside, of what the value of an option says.

    :param name: of the option, preceded by its group if that is DEFAULT.
    :param is_address: whether its type says that it leads to a host.
    :param secret: whether what it says is a secret.
    """
    *_, last = words = _words(name)
    # Who serves, not where: in every project it is called so.
    is_own = not _OWN_WORDS.isdisjoint(words) or name == 'DEFAULT.host'
    is_address = is_address or last in _ADDRESS_WORDS
    return tuple(
        reference
        for text in texts
        for reference in (
            *_urls(text.strip(), words),
            *(() if is_own or secret else _bare(text, words, is_address)),
        )
        if references.may_lead_outside(reference)
    )


def _urls(text: str, words: list[str]) -> Iterator[references.Reference]:
    whole = _WHOLE_URL.match(text)
    if whole is not None:
        scheme = whole[1]
        if {'transport', 'url'}.issubset(words) or references.is_transport(
            scheme
        ):
            yield references.Reference('transport', text)
            return
        if references.is_dialect(scheme) or (
            words[-1] == 'connection'
            and scheme.partition('+')[0].lower() not in _OTHER_SCHEMES
        ):
            yield references.Reference('database', text)
            return
    for url in references.urls_in(text):
        scheme = url.partition(':')[0]
        kind = 'endpoint'
        if references.is_dialect(scheme):
            kind = 'database'
        elif references.is_transport(scheme):
            kind = 'transport'
        yield references.Reference(kind, url)


def _bare(
    text: str, words: list[str], is_address: bool
) -> Iterator[references.Reference]:
    for token in _BETWEEN.split(text):
        match = None if '//' in token else _BARE.fullmatch(token)
        if match is None:
            continue
        host, port, path = match['host'], match['port'], match['path']
        number = host.strip('[]')
        if _is_plain_address(number) or (
            is_address and references.address(number) is not None
        ):
            if (
                not _NUMBER_WORDS.isdisjoint(words)
                # A network, or the mask of one.
                or (path and not port)
                or number.startswith('255.')
            ):
                continue
        elif not _TOP_LEVEL.fullmatch(host) or not (port or is_address):
            continue
        if ':' in host and not host.startswith('['):
            host = f'[{host}]'
        yield references.Reference('endpoint', f'//{host}{port or ""}')


def _is_plain_address(text: str) -> bool:
    # Neither 1.2, which is a version to all but the C library, nor a:b::c,
    # which is what a catalog has.
    try:
        found = ipaddress.ip_address(text.partition('%')[0])
    except ValueError:
        return False
    return found.version == 4 or text.find(':') == 4

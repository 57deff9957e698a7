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

"""Check options, engines and transports (SF401, SF402, SF403)."""

from collections.abc import Iterable, Iterator, Mapping
import functools
import ipaddress
import os
import re
from typing import Any

from oslo_config import cfg
from oslo_config import types

from safe_fixtures.boundary import references
from safe_fixtures.guards.isolation import check
from safe_fixtures.runtime import values

__all__ = ['faults', 'check_url']

# Bound at import, so that a test that patches them changes nothing here.
_ip_address = ipaddress.ip_address

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


def faults(
    conf: cfg.ConfigOpts, allowed: Iterable[str] = ()
) -> Iterator[check.Finding]:
    """Yield a finding for each option of *conf* that leads outside the test.

    Options are checked by their types, names and effective values. An option
    without a value, because it refers to what is not there, leads nowhere.

    :param conf: the options; all groups are checked.
    :param allowed: where endpoints may lead: hosts, ``host:port`` pairs,
        networks and URL prefixes.
    """
    allowed = tuple(allowed)
    own_hosts = functools.cache(lambda: _own_hosts(conf))
    given = _given(conf)
    for group, each in _groups(conf).items():
        for dest, info in list(each._opts.items()):
            if given is None or (given and _variable(group, dest) in given):
                value = _effective(conf, group, dest)
            else:
                # What this process gave it.
                default = info.get('default', info['opt'].default)
                value = info.get('override', default)
            if value is None or value.__class__ in (bool, int, float):
                continue
            for reference in _references(conf, group, dest, info, value):
                if references.leads_outside(reference, allowed, own_hosts()):
                    target = f'[{group or "DEFAULT"}] {dest}'
                    yield check.Finding(
                        _CODES[reference.kind],
                        f'{target} leads outside the test '
                        f'({references.shown(reference)})',
                        target,
                    )


def check_url(kind: str, url: str) -> check.Finding | None:
    """Check where an engine or a transport leads.

    :param kind: ``database`` or ``transport``.
    :param url: its URL (str), with the credentials or without.
    """
    reference = references.Reference(kind, url)
    if not references.leads_outside(reference):
        return None
    if kind == 'database' and references.is_made_here(url):
        return None
    what = 'engine' if kind == 'database' else kind
    where = references.shown(reference)
    return check.Finding(
        _CODES[kind], f'{what} that leads outside the test ({where})', where
    )


def _references(
    conf: cfg.ConfigOpts,
    group: str | None,
    dest: str,
    info: Mapping[str, Any],
    value: Any,
) -> Iterator[references.Reference]:
    """Yield what may lead outside, of what an option says.

    :param value: its value, in which options may be named.
    """
    opt = info['opt']
    name = dest if group else f'DEFAULT.{dest}'
    # Most options are plain; the others cost more to look at.
    is_plain = opt.type.__class__ is types.String
    texts = (value,) if type(value) is str else _texts(value)
    is_address = not is_plain and _is_address_type(opt.type)
    is_dict_text = values.is_text(value) and isinstance(opt.type, types.Dict)
    if is_dict_text or _is_interpolated(name, is_address, texts):
        texts = _texts(_effective(conf, group, dest))
    for reference in _suspects(name, is_address, bool(opt.secret), texts):
        if not _is_unset(reference, info):
            yield reference


def _groups(conf: Any) -> dict[str | None, Any]:
    """Return what has options: the object itself, and its groups by name."""
    # The public interface has neither the types nor what was set, and to read
    # every value takes a hundred times as long.
    return {None: conf, **conf._groups}


def _given(conf: cfg.ConfigOpts) -> set[str] | None:
    """Return the environment variables that may give an option its value.

    :returns: None if the command line, a file or another source may do so.
    """
    namespaces = filter(None, (conf._namespace, conf._mutable_ns))
    is_parsed = any(any(each._parsed) for each in namespaces)
    if conf._args or conf._sources or is_parsed:
        return None
    return {name for name in os.environ if conf._use_env and '__' in name}


def _variable(group: str | None, dest: str) -> str:
    return f'OS_{group or "DEFAULT"}__{dest}'.upper()


def _is_interpolated(
    name: str, is_address: bool, texts: tuple[str, ...]
) -> bool:
    """Whether the options that a value names can make it lead somewhere.

    They cannot if it is a path that begins with another option.
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
        # Whatever its type raises: nobody gets a value then.
        return None


def _texts(value: Any) -> tuple[str, ...]:
    if values.is_text(value):
        return (values.text(value),)
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


def _is_unset(found: references.Reference, info: Mapping[str, Any]) -> bool:
    # Every project has this option, with such a default, even if it uses no
    # bus. If it does, it is seen when the transport is made.
    return (
        found.kind == 'transport'
        and found.url == info['opt'].default
        and 'override' not in info
        and 'default' not in info
        and found.url.endswith('://')
    )


def _own_hosts(conf: cfg.ConfigOpts) -> frozenset[str]:
    """Return the names that options give this machine."""
    return frozenset(
        text.lower()
        for group, each in _groups(conf).items()
        for dest in list(each._opts)
        if dest.startswith('my_')
        for text in _texts(_effective(conf, group, dest))
    )


# Most values are the same in every test.
@functools.lru_cache(maxsize=4096)
def _suspects(
    name: str, is_address: bool, secret: bool, texts: tuple[str, ...]
) -> tuple[references.Reference, ...]:
    """Return what may lead outside, of the texts in an option.

    :param name: of the option, with its group if that is DEFAULT.
    :param is_address: whether its type says that it leads to a host.
    :param secret: whether it holds a secret.
    """
    *_, last = words = _words(name)
    # DEFAULT.host says who serves, not where.
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
    if _WHOLE_URL.match(text):
        kind = references.kind_of(text)
        if {'transport', 'url'}.issubset(words):
            kind = 'transport'
        elif (
            kind == 'endpoint'
            and words[-1] == 'connection'
            and references.family(text) not in _OTHER_SCHEMES
        ):
            kind = 'database'
        if kind != 'endpoint':
            yield references.Reference(kind, text)
            return
    for url in references.urls_in(text):
        yield references.Reference(references.kind_of(url), url)


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
    # Not 1.2, a version to all but the C library, nor a:b::c, as in the
    # catalog.
    try:
        found = _ip_address(text.partition('%')[0])
    except ValueError:
        return False
    return found.version == 4 or text.find(':') == 4

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

"""Which names hold a secret.

:data:`SECRET_NAMES` is the one list. All that looks for the name of a
secret, in data and in text, is derived from it.
"""

from collections.abc import Collection, Mapping
import functools
import itertools
import re
from typing import Any

__all__ = ['MASK', 'SECRET_NAMES', 'is_secret', 'is_secret_name']

MASK = '***'

# How the names of secrets end: regular expressions in lower case. They stand
# under their root, a plain word that each of them has in it: texts are
# searched for the roots first, which is fast, and few texts have any. A root
# that ends in "=" counts only in a text, with that sign right after the name.
# A number may follow each name, as in password_0. To add a name, add it here.
#
# The names that oslo.utils masks are among them (a test compares).
SECRET_NAMES = {
    'pass': (
        'passw(?:or)?ds?', 'passphrase', 'passcode', 'adminpass', '[_-]pass',
    ),
    'pwd': ('pwd',),
    'rootpw': ('rootpw',),
    'psk': ('(?:^|[_.-]|[a-z]{4})psk',),
    'pswd': ('sys_pswd',),
    'token': ('token', '(?:auth|access)[_-]?tokens'),
    'secret': ('secrets?', 'secret_uuid', 'secret_value'),
    'key': (
        '(?:access|secret|api|account|shared|encryption|signing|master|storage'
        '|auth|client|private|session|hmac|rndc)[_-]?keys?',
        'access[_-]?key[_-]?id', 'encrypted_key', 'fernet_?key', 'sslkey',
        'cephadminkey', 'cephmdskey', 'cephmonkey', 'cephrgwkey',
        'migrationsshkey', 'octaviaheartbeatkey',
    ),
    'cookie': ('cookies?',),
    'authorization': ('authorization',),
    'credential': ('x-amz-credential', 'keystonecredential'),
    'signature': ('(?:x-amz-|temp_url_|^)signature',),
    'url_sig': ('temp_url_sig',),
    'sig=': ('(?:x-amz-|^)sig',),
    'configdrive': ('configdrive',),
    'barbicansimplecrypto': ('barbicansimplecryptokek',),
    'cephclusterfsid': ('cephclusterfsid',),
    'swifthashsuffix': ('swifthashsuffix',),
}  # fmt: skip
# The same for fields that may hold a secret in base64.
_HOLDER_NAMES = {
    'user_data': ('user_data',),
    'userdata': ('userdata',),
    'content': ('contents?',),
}
# For each root, a pattern for the rest of the name, from the root on.
FIELD_NAMES = {
    root: '|'.join(
        ending[ending.index(root.rstrip('=')) :] for ending in endings
    )
    for root, endings in (SECRET_NAMES | _HOLDER_NAMES).items()
}
ROOTS = tuple(FIELD_NAMES)
_ENDINGS = '|'.join(itertools.chain(*SECRET_NAMES.values()))
NUMBER = '(?:[_-]?[0-9]+)?'
_SECRET_NAME = re.compile(rf'(?:{_ENDINGS}){NUMBER}\s*$')
_HOLDER_NAME = re.compile(
    rf'(?:{"|".join(itertools.chain(*_HOLDER_NAMES.values()))})$'
)
# Values that are no secrets: a mask, a type, a variable, a placeholder, a
# policy rule, a hash that keystoneauth logs, a public key.
_NO_SECRET = re.compile(
    r'\*+|[.?-]*|none|null|nil|true|false|undefined|str|string|bytes|bool|int'
    r'|optional\b[\w .\[\]]*|<[\w .-]*>?|\{\w*\}?|%[sdr]'
    r'|%\(\w+\)[sdr]|\$\{\w+\}?'
    r'|\$[a-z]+(?:_[a-z]+)+|(?-i:\$[A-Z_]+)'
    r'|(?:rule|role|is_admin):[\w.:%() -]*|@|!'
    r'|\{SHA(?:1|256)\}[0-9a-f]+'
    r'|(?:ssh|ecdsa)-[\w@.-]+ [\w+/]+=*(?: [\w@.-]*)*|<SANITIZED>',
    re.IGNORECASE | re.DOTALL,
)
_UUID = re.compile('[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.I)
_HEX_ID = re.compile(r'[0-9a-f]{32}')
# One word after a colon, as in "no token: expired". No sentence has a name
# such as auth_token, however.
_PROSE = re.compile(r'[A-Za-z]{1,12}')
_FIELD_NAME = re.compile('[_-](?:token|key|secret)$', re.IGNORECASE)
# What a request to create a secret in Barbican may have.
_PAYLOAD_KEYS = frozenset({
    'payload', 'payload_content_type', 'payload_content_encoding',
    'secret_type', 'name', 'algorithm', 'bit_length', 'mode', 'expiration',
})  # fmt: skip
# What names another field, whose value stands beside.
_NAMING_KEYS = ('name', 'key', 'id', 'field', 'param', 'Name', 'Key')
# oslo.utils masks a name that only begins as one of a secret, too, in a
# mapping. These are none, and say what the value is.
_SECRET_WORD = re.compile(
    rf'(?:{_ENDINGS}|admin_?pass|new_?pass)[0-9]*(?=[_-]|[A-Z]|[a-z])'
)
_ABOUT = re.compile(
    r'(?:id|ids|uuid|ref|refs|href|url|uri|type|types|name|names|hash|file'
    r'|path|dir|policy|rule|count|num|number|len|length|size|enabled|format'
    r'|algorithm|mode|state|status|ttl|version|driver|backend|class|method'
    r'|scope|host|port|at|by|list|info|required|reset|expir\w*|valid\w*'
    r'|life\w*|time\w*|auth|manager|service|provider|api|usage|index|field'
    r'|fields|config|test|tests)s?[0-9]*$',
    re.IGNORECASE,
)
_WORDS_OF_NAME = re.compile(r'[a-z0-9]+|[A-Z][a-z0-9]*')
_CHANCE = re.compile(
    r'(?!\d{4}-\d\d-\d\d)(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[^\s/\\]{6,}'
)
# Source code: a variable, an attribute, a call.
_EXPRESSION = re.compile(r'(?:[A-Za-z_]\w*\.)*+([A-Za-z_]\w*)')
_CALL = re.compile(r'(?=\w*[._])(?:[A-Za-z_]\w*\.)*+[a-z_]\w*\(')


@functools.lru_cache(maxsize=4096)
def has_root(name: str) -> bool:
    """Whether a name may be one of the listed names (a quick check)."""
    lowered = name.lower()
    return any(root.rstrip('=') in lowered for root in ROOTS)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, for example adminPass."""
    return bool(_SECRET_NAME.search(name.lower().rpartition('.')[2]))


@functools.lru_cache(maxsize=1024)
def is_holder(name: str) -> bool:
    """Whether a field of this name may hold encoded data with secrets."""
    return bool(_HOLDER_NAME.search(name.lower()))


def may_be_secret(name: str) -> bool:
    """Whether a name hints at a secret anywhere, for example TOKEN_FILE."""
    name = name.lower()
    return (
        any(root in name for root in SECRET_NAMES)
        or 'private' in name
        or name.endswith('auth')
    )


def is_secret(
    name: str, value: str, quoted: bool, colon: bool = False, after: str = ''
) -> bool:
    """Whether the value of a field that is named as a secret is one.

    :param name: the name of the field (str).
    :param value: its value (str).
    :param quoted: whether the value stands in quotes.
    :param colon: whether a colon separates the two.
    :param after: the character after the value (str).
    """
    if _NO_SECRET.fullmatch(value):
        return False
    kind = kind_of(name)
    if kind == 'secret' and (
        _UUID.fullmatch(value)
        or (name.lower().endswith('uuid') and _HEX_ID.fullmatch(value))
    ):
        # An id: it says which secret is meant.
        return False
    if quoted:
        return True
    if (
        colon
        and kind != 'password'
        and not _FIELD_NAME.search(name)
        and _PROSE.fullmatch(value)
    ):
        return False
    expression = _EXPRESSION.fullmatch(value)
    if expression and (
        after == '('
        or expression[1].lower() == name.lower().rpartition('.')[2]
        or ('.' in value and is_secret_name(expression[1]))
    ):
        return False
    return not _CALL.match(value)


def is_paired(value: str) -> bool:
    """Whether the second of two items is a value: no name, no plain word."""
    return not is_secret_name(value) and not _PROSE.fullmatch(value)


@functools.lru_cache(maxsize=1024)
def kind_of(name: str) -> str:
    """Return the kind of a secret by its name, to count it: ``password``."""
    name = name.lower()
    for kind in ('pass', 'pwd', 'token', 'cookie', 'authorization', 'key'):
        if kind in name:
            return 'password' if kind in ('pass', 'pwd') else kind
    return 'secret'


def is_payload_secret(keys: Collection[str]) -> bool:
    """Whether the payload of a mapping is a secret, as for Barbican.

    :param keys: all keys of the mapping. A notification has others.
    """
    return len(keys) > 1 and _PAYLOAD_KEYS.issuperset(keys)


def secret_beside(value: Mapping[Any, Any]) -> str | None:
    """Return the key of a mapping whose value is a secret by the others.

    ``{'name': 'DB_PASSWORD', 'value': 'x'}``, a secret of Barbican, one of
    QEMU, and the accounts of cloud-init.
    """
    for key in ('value', 'Value'):
        if key in value and any(
            isinstance(value.get(naming), str)
            and is_secret_name(value[naming])
            for naming in _NAMING_KEYS
        ):
            return key
    if 'payload' in value and is_payload_secret(value):
        return 'payload'
    if value.get('qom-type') == 'secret':
        return 'data'
    return None


@functools.lru_cache(maxsize=1024)
def begins_as_secret(name: str) -> bool:
    """Whether a name only begins as that of a secret: ``password_old``.

    Names that say what is known about a secret, as ``token_expires``, do
    not count.
    """
    last = name.rpartition('.')[2]
    words = _WORDS_OF_NAME.findall(last)
    return bool(
        len(name) <= 60
        and words
        and _SECRET_WORD.search(last.lower())
        and not _ABOUT.match(words[-1])
    )


def is_chance(value: str) -> bool:
    """Whether a value looks like chance: no id, no date, no plain word."""
    return bool(
        _CHANCE.fullmatch(value)
        and not _UUID.fullmatch(value)
        and not _HEX_ID.fullmatch(value)
    )

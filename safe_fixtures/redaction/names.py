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

import functools
import itertools
import re

__all__ = ['MASK', 'SECRET_NAMES', 'is_secret', 'is_secret_name']

MASK = '***'

# How the names of secrets end: regular expressions in lower case. Digits may
# follow. They stand under their root, a plain word that each of them has in
# it: texts are searched for the roots first, which is fast, and few texts
# have any. A root that ends in "=" counts only in a text, with that sign
# right after the name. To add a name, add it here.
#
# The names that oslo.utils masks are among them (a test compares).
SECRET_NAMES = {
    'pass': (
        'passw(?:or)?ds?', 'passphrase', 'passcode', 'adminpass', '[_-]pass',
    ),
    'pwd': ('pwd',),
    'pswd': ('sys_pswd',),
    'token': ('token', '(?:auth|access)[_-]?tokens'),
    'secret': ('secrets?', 'secret_uuid', 'secret_value'),
    'key': (
        '(?:access|secret|api|account|shared|encryption|signing|master|storage'
        '|auth|client|private|session|hmac|rndc)[_-]?keys?',
        'access[_-]?key[_-]?id', 'encrypted_key', 'fernetkey', 'sslkey',
        'cephadminkey', 'cephmdskey', 'cephmonkey', 'cephrgwkey',
        'migrationsshkey', 'octaviaheartbeatkey',
    ),
    'cookie': ('cookies?',),
    'authorization': ('authorization',),
    'credential': ('x-amz-credential', 'keystonecredential'),
    'signature': ('(?:x-amz-|temp_url_|^)signature',),
    'sig=': ('(?:x-amz-|temp_url_|^)sig',),
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
_SECRET_NAME = re.compile(rf'(?:{_ENDINGS})[0-9]*\s*$')
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
# Source code: a variable, an attribute, a call.
_EXPRESSION = re.compile(r'(?:[A-Za-z_]\w*\.)*+([A-Za-z_]\w*)')
_CALL = re.compile(r'(?=\w*[._])(?:[A-Za-z_]\w*\.)*+[a-z_]\w*\(')


@functools.lru_cache(maxsize=4096)
def has_root(name: str) -> bool:
    """Whether a name may be one of the listed names (a quick check)."""
    lowered = name.lower()
    return any(root in lowered for root in ROOTS)


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
        or expression[1].lower() == name.lower()
        or ('.' in value and is_secret_name(expression[1]))
    ):
        return False
    return not _CALL.match(value)


@functools.lru_cache(maxsize=1024)
def kind_of(name: str) -> str:
    """Return the kind of a secret by its name, to count it: ``password``."""
    name = name.lower()
    for kind in ('pass', 'pwd', 'token', 'cookie', 'authorization', 'key'):
        if kind in name:
            return 'password' if kind in ('pass', 'pwd') else kind
    return 'secret'

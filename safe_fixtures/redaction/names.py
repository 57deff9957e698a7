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

"""Which names hold a secret."""

import functools
import re

from oslo_utils import strutils

__all__ = [
    'MASK',
    'ROOTS',
    'has_root',
    'is_holder',
    'is_secret',
    'is_secret_name',
    'kind_of',
]


MASK = '***'
# What the name of a secret, or of what may hold one, has in it. To look for
# these takes a small part of the time of a regular expression, and few texts
# have any.
ROOTS = (
    'pass', 'wd', 'token', 'secret', 'key', 'cookie', 'authorization',
    'credential', 'signature', 'sig=', 'configdrive', 'barbicansimplecrypto',
    'cephclusterfsid', 'swifthashsuffix', 'user_data', 'userdata', 'content',
)  # fmt: skip
# Of a secret, besides those that oslo.utils knows.
_SECRET_NAME = re.compile(
    r'(?:passw(?:or)?ds?|passphrase|passcode|pwd|[_-]pass|authorization'
    r'|cookies?|(?:x-amz-|temp_url_|^)sig(?:nature)?|x-amz-credential'
    r'|(?:access|secret|api|account|shared|encryption|signing|master|storage'
    r'|auth|client|private|session|hmac|rndc)[_-]?keys?|access[_-]?key[_-]?id'
    r'|(?:auth|access)[_-]?tokens|secrets|secret_value)[0-9]*$'
)
_HOLDER_NAME = re.compile(r'(?:user_?data|contents?)$')
# What is written in the place of a secret: a type, a variable, a place holder,
# a rule of a policy, a hash that keystoneauth has made of it, a public key.
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
_UUID = re.compile(
    r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
    re.IGNORECASE,
)
# What follows a colon in a sentence, but not a name that no sentence has.
_PROSE = re.compile(r'[A-Za-z]{1,12}')
_FIELD_NAME = re.compile('[_-](?:token|key|secret)$', re.IGNORECASE)
_HEX_ID = re.compile(r'[0-9a-f]{32}')
_EXPRESSION = re.compile(r'(?:[A-Za-z_]\w*\.)*+([A-Za-z_]\w*)')
_CALL = re.compile(r'(?=\w*[._])(?:[A-Za-z_]\w*\.)*+[a-z_]\w*\(')


def has_root(name: str) -> bool:
    lowered = name.lower()
    return any(root in lowered for root in ROOTS)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what is of that name is a secret."""
    name = name.lower().rpartition('.')[2]
    if _SECRET_NAME.search(name):
        return True
    # As one in a text, so that it has to end like those oslo.utils knows.
    masked: str = strutils.mask_password(f'{name}=x', secret=MASK)
    return masked == f'{name}={MASK}'


@functools.lru_cache(maxsize=1024)
def is_holder(name: str) -> bool:
    return bool(_HOLDER_NAME.search(name.lower()))


def is_secret(
    name: str,
    value: str,
    quoted: bool,
    colon: bool = False,
    after: str = '',
) -> bool:
    """Whether a value is a secret, given that it is named so."""
    if _NO_SECRET.fullmatch(value):
        return False
    kind = kind_of(name)
    if kind == 'secret' and (
        _UUID.fullmatch(value)
        or (name.lower().endswith('uuid') and _HEX_ID.fullmatch(value))
    ):
        # It says which secret.
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
    # A line of source.
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
    name = name.lower()
    for kind in ('pass', 'pwd', 'token', 'cookie', 'authorization', 'key'):
        if kind in name:
            return 'password' if kind in ('pass', 'pwd') else kind
    return 'secret'

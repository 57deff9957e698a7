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
"""Find secrets in statements of scripts, SQL, URLs and configurations.

What names the secret there is no field: ``echo root:x | chpasswd``.
"""

from collections.abc import Iterator
import re

from safe_fixtures.redaction import names
from safe_fixtures.redaction import quotes
from safe_fixtures.redaction import shapes

__all__ = ['GATES', 'ROOTS', 'Reader']

_Q = quotes.QUOTE
_GAP = r'(?:\s|\\+[nrt])'
# echo x | passwd --stdin; printf '%s' 'x' | cryptsetup luksFormat
_PIPE = re.compile(
    r'(?:echo|printf)[ ]++(?:-\w+[ ]++){0,3}'
    r'(?:["\']?%s(?:\\+n)?["\']?[ ]++)?'
    rf'(?:(?P<quote>{_Q})(?P<quoted>[^\'"|\r\n]{{1,999}}?)(?P=quote)'
    r'|(?P<secret>[^\s\'"|&;<>]{1,999}+))[ ]*+\|[ ]*+'
    r'(?:sudo[ ]++-\w*S|(?:sudo[ ]++(?:-\w+[ ]++)*+)?(?:/[\w/]{0,30}/)?'
    r'(?:(?:ch|smb|vnc)?passwd|saslpasswd2?|cryptsetup|docker|podman|helm'
    r'|kinit|ssh-add))'
)
# create user a identified by 'x'
_SQL = re.compile(
    r'identified\s++(?:with\s++\S{1,60}\s++)?(?:by|as)\s++'
    rf'(?:password\s++)?(?P<open>{_Q})',
    re.IGNORECASE,
)
# By the root of a name: what else may begin there.
_AT_ROOTS = {
    # The id of a token is the token.
    'token': re.compile(
        r'(?:(?<=/auth/)|(?<=/v2\.0/)|(?<=-auth-))tokens/'
        r'(?P<secret>[^\s/?&\'"<>\\%#,;)\]]++)',
        re.IGNORECASE,
    ),
    # An object of QEMU
    'secret': re.compile(
        r'secret,(?:[\w-]{1,20}=[^,\s\'"\\]{0,99},){0,6}data='
        r'(?P<secret>[^,\s\'"\\]++)'
    ),
    # .netrc, preseed
    'pass': re.compile(
        r'password\s++(?P<secret>[^\s\'"]++)'
        r'|passwd/[\w-]{0,30}password(?:-again)?[ \t]++(?:password|string)'
        r'[ \t]++(?P<answer>[^\s\'"]++)',
    ),
    # Kickstart
    'rootpw': re.compile(
        r'rootpw[ ]++(?:--\w++[ ]++)*+'
        r'(?P<secret>[^\s\'"-][^\s\'"]*+)',
    ),
}
# What a statement begins with, by the root it begins with.
ROOTS = {
    'token': ('tokens/',),
    'secret': ('secret,', 'secret"', "secret'", 'secret\\', 'secret&'),
    'pass': ('passwd', 'password ', 'password\t', 'password\r', 'password\n'),
    'rootpw': ('rootpw ',),
}
# What must stand before.
_BEFORE_PASSWORD = re.compile(r'\blogin\s+\S+\s+\Z')
# The same object in JSON
_QOM_TYPE = re.compile(rf'qom-type{_Q}\s*+:{_GAP}*+{_Q}\Z')
_QOM_DATA = re.compile(
    rf'secret{_Q}[^{{}}]{{0,300}}?\bdata{_Q}\s*+:{_GAP}*+(?P<open>{_Q})'
)
_LONGEST_BEFORE = 100
# {'payload': 'x', 'payload_content_type': 'text/plain'}, for Barbican
_PAYLOAD = re.compile(rf'payload{_Q}\s*+:{_GAP}*+(?P<open>[bu]?{_Q})', re.I)
_KEYS = re.compile(rf'{_Q}(\w{{1,40}}){_Q}\s*+:')
_MOST_AROUND = 1000
# By gate: how its statements begin, their kind, and the rest of them.
_BEGINS = {
    '|': (('echo', 'password', _PIPE), ('printf', 'password', _PIPE)),
    'identified': (('identified', 'password', _SQL),),
    'payload': (('payload', 'secret', _PAYLOAD),),
}
# What has to be in a text that has a statement, but for the roots of names.
GATES = tuple(_BEGINS)
# What chpasswd reads, line by line. After the colon of a field of YAML
# stands a space.
_ACCOUNTS_BEGIN = re.compile(
    r'(?<=ch)passwd(?:'
    # chpasswd: {expire: false, list: |
    rf'(?:{_Q})?:(?:{_GAP}|["\'{{,]|\\++(?=["\']))*+'
    rf'(?:(?:{_Q})?expire(?:{_Q})?:[ ]?\w++(?:{_GAP}|["\'{{,])*+)?'
    rf'(?:{_Q})?list(?:{_Q})?:(?=\W)'
    # chpasswd <<< x; chpasswd <<EOF
    r'|[^\r\n<]{0,60}<<(?:<|-?["\']?\w{1,30}["\']?(?=[\r\n\\]))'
    r')',
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    rf'(?:{_GAP}|["\'\[,|>-]|\\++(?=["\']))*+[A-Za-z_][\w.-]{{0,31}}:'
    r'(?P<secret>(?:[^\s\'"\\\]},]|,(?![\s"\'])|\\++(?![nrt"\'\\]))++)'
)
_NO_SECRET = frozenset({'revoked', 'os-pki', 'r', 'random'})


class Reader:
    """Finds the secrets in the statements of a text.

    :param text: the text (str).
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._strings = quotes.Quotes(text)
        # Accounts were read up to here.
        self._done = 0

    def at_gate(self, gate: str, lowered: str) -> Iterator[shapes.Shape]:
        """Find those that need no name of a secret.

        :param gate: one of :data:`GATES` (str).
        :param lowered: the text in lower case.
        """
        for begin, kind, pattern in _BEGINS.get(gate, ()):
            for position in shapes.positions(lowered, begin):
                found = pattern.match(self._text, position)
                if found and (
                    gate != 'payload' or self._is_for_barbican(found)
                ):
                    yield from self._shape(kind, found)

    def at_root(self, root: str, position: int) -> Iterator[shapes.Shape]:
        """Find those that begin with the root of a name.

        :param root: one of :data:`ROOTS` (str).
        :param position: where it is in the text (int).
        """
        text = self._text
        before = text[max(0, position - _LONGEST_BEFORE) : position]
        if root == 'pass':
            yield from self._accounts(position)
        pattern = _AT_ROOTS[root]
        if root == 'secret' and 'qom-type' in before:
            pattern = _QOM_DATA if _QOM_TYPE.search(before) else pattern
        found = pattern.match(text, position)
        if found is None or (
            root == 'pass'
            and found['secret']
            and not _BEFORE_PASSWORD.search(before)
        ):
            return
        kind = 'password' if root == 'rootpw' else names.kind_of(root)
        yield from self._shape(kind, found)

    def _accounts(self, position: int) -> Iterator[shapes.Shape]:
        if position < self._done:
            return
        begin = _ACCOUNTS_BEGIN.match(self._text, position)
        if begin is None:
            return
        self._done = begin.end()
        while account := _ACCOUNT.match(self._text, self._done):
            self._done = account.end()
            yield from self._checked('password', account.span('secret'))

    def _is_for_barbican(self, found: re.Match[str]) -> bool:
        _, end = self._strings.span(found['open'], found.end())
        start = found.start()
        before = self._text[max(0, start - _MOST_AROUND) : start]
        after = self._text[end : end + _MOST_AROUND]
        inside = before.rpartition('{')[2], after.partition('}')[0]
        keys = {key for part in inside for key in _KEYS.findall(part)}
        return '/v1/secrets' in before or names.is_payload_secret(
            {*keys, 'payload'}
        )

    def _shape(
        self, kind: str, found: re.Match[str]
    ) -> Iterator[shapes.Shape]:
        groups = found.groupdict()
        if groups.get('open'):
            span = self._strings.span(groups['open'], found.end())
        else:
            span = next(
                found.span(group)
                for group in ('secret', 'quoted', 'answer')
                if groups.get(group)
            )
        yield from self._checked(kind, span)

    def _checked(
        self, kind: str, span: tuple[int, int]
    ) -> Iterator[shapes.Shape]:
        value = self._text[slice(*span)]
        if value.lower() not in _NO_SECRET and names.is_secret(
            'password', value, quoted=True
        ):
            yield shapes.Shape(kind, *span)

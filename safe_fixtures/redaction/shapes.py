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

"""Find secrets by their shape alone: keys, tokens, password hashes."""

from collections.abc import Iterable, Iterator
import re
from typing import NamedTuple

__all__ = ['Shape', 'by_rarest', 'find', 'those_in']

# The characters of logs, from the rarest on; all others are common.
_RAREST = 'QZXJKVYWqzjxHGBkwyPFUbvLMOAECSNRDT'

# For each shape: how it begins, its kind, a pattern for the rest. To search
# for a fixed string takes a small part of the time of a regular expression.
# What matches the group "none" is no secret, and is passed over as a whole.
# No pattern backtracks. None depends on the text before it, so that masking
# one secret cannot uncover another.
_WORD = r'[A-Za-z0-9_-]'
# Between the lines of a key: white space, also escaped, quotes, and the signs
# with which logs, diffs and mails quote.
_BREAK = r'(?>(?:\s|\\+[nrt]|%0[AaDd]|["\'|>+,()]|&#(?:10|13|xA|xD);)++)'
_SHAPES = {
    anchor: (kind, re.compile(re.escape(anchor) + rest))
    for anchor, kind, rest in (
        ('gAAAA', 'fernet token', rf'{_WORD}{{60,}}+(?:=|%3[Dd]){{0,2}}'),
        ('AKIA', 'AWS key', r'[A-Z0-9]{16}'),
        ('ASIA', 'AWS key', r'[A-Z0-9]{16}'),
        ('ghp_', 'GitHub token', r'[A-Za-z0-9]{36,}+'),
        ('gho_', 'GitHub token', r'[A-Za-z0-9]{36,}+'),
        ('ghs_', 'GitHub token', r'[A-Za-z0-9]{36,}+'),
        ('github_pat_', 'GitHub token', r'\w{40,}+'),
        ('glpat-', 'GitLab token', rf'{_WORD}{{20,}}+'),
        ('xox', 'Slack token', r'[abeoprs]-[A-Za-z0-9-]{10,}+'),
        ('hooks.slack.com/services/', 'Slack token', r'[A-Za-z0-9/]{20,}+'),
        ('AIza', 'Google key', rf'{_WORD}{{35}}'),
        ('GOCSPX-', 'Google key', rf'{_WORD}{{28}}'),
        ('ya29.', 'Google token', rf'{_WORD}{{20,}}+'),
        ('k_live_', 'Stripe key', r'[A-Za-z0-9]{16,}+'),
        ('npm_', 'npm token', r'[A-Za-z0-9]{36}'),
        ('pypi-AgE', 'PyPI token', rf'{_WORD}{{40,}}+'),
        (
            'Bearer',
            'token',
            r'(?: |\+|%20)(?=[A-Za-z_.~+/-]*+[0-9])(?=[0-9_.~+/-]*+[A-Za-z])'
            r'[\w.~+/-]{20,}+=*+',
        ),
        ('hvs.', 'Vault token', rf'{_WORD}{{24,}}+'),
        ('AGE-SECRET-KEY-', 'private key', r'1[A-Z0-9]{58}'),
        # As crypt() makes them: $6$salt$hash.
        (
            '$',
            'password hash',
            r'(?:(?:1|5|6|y|gy|7|apr1)\$'
            r'(?:rounds=[0-9]+\$|j[./A-Za-z0-9]{2,8}\$)?'
            r'[./A-Za-z0-9]{1,32}\$[./A-Za-z0-9]{22,}+'
            r'|2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}'
            r'|argon2[a-z]{1,2}\$[A-Za-z0-9=,+/$-]{40,}+)',
        ),
        # A signed JWT, or an encrypted one; or just a header.
        (
            'eyJ',
            'JWT',
            rf'(?:{_WORD}{{8,}}+\.(?:eyJ{_WORD}{{2,}}+\.{_WORD}*+'
            rf'|{_WORD}*+(?:\.{_WORD}++){{3}})|(?P<none>{_WORD}*+))',
        ),
        # The line that PuTTY writes before the data of a key.
        (
            'Private-Lines:',
            'private key',
            rf' *[0-9]+(?:{_BREAK}[A-Za-z0-9+/=]{{16,}}+)*+'
            rf'(?:{_BREAK}[A-Za-z0-9+/]++={{1,2}})?',
        ),
    )
}

# A key in PEM (OpenSSL, OpenSSH, PGP), in SSH2's format, or URL-quoted.
_BEGIN = re.compile(
    r'-{4,5}(?: |\+|%20)?BEGIN(?:(?: |\+|%20)[A-Z0-9]+)*(?: |\+|%20)\Z'
)
_KEY = re.compile(r'PRIVATE(?: |\+|%20)KEY(?:(?: |\+|%20)BLOCK)? ?-{4,5}')
_END_OF_KEY = re.compile(
    r'-{4,5}(?: |\+|%20)?END(?:(?: |\+|%20)[A-Z0-9]+)*(?: |\+|%20)?-{4,5}'
)
_LONGEST_BEGIN = 60
_LONGEST_KEY = 100_000
_LINES = re.compile(
    rf'(?:{_BREAK}(?:(?:Proc-Type|DEK-Info|Comment|Version):[^\n\\]*+'
    rf'|[A-Za-z0-9+/=%]{{16,}}+(?:{_BREAK}[A-Za-z0-9+/]++={{1,2}})?))*+'
)
# In a key without its first line: how OpenSSH begins the data, in base64; the
# algorithm of PKCS 8.
_BARE_BEGINS = ('b3BlbnNzaC1rZXktdjE', 'BgkqhkiG9w0BAQEFAASC')
_BARE_LINES = rf'[A-Za-z0-9+/=]*+(?:{_BREAK}[A-Za-z0-9+/=]{{16,}}+)*+'
_SHORTEST_BARE = 64


_Groups = tuple[tuple[str, tuple[str, ...]], ...]


def by_rarest(parts: Iterable[str]) -> _Groups:
    """Group strings by their rarest character, for :func:`those_in`."""
    groups: dict[str, list[str]] = {}
    for part in parts:
        rarest = min(part, key=lambda each: _RAREST.find(each) % 99)
        groups.setdefault(rarest, []).append(part)
    return tuple((rarest, tuple(alike)) for rarest, alike in groups.items())


def those_in(groups: _Groups, text: str) -> list[str]:
    """Return which strings are in a text.

    To search for one character takes a tenth of the time of a string.
    """
    return [
        part
        for rarest, alike in groups
        if rarest in text
        for part in alike
        if part in text
    ]


_ANCHORS = by_rarest(_SHAPES)
_KEYS = by_rarest(('PRIVATE', *_BARE_BEGINS))


class Shape(NamedTuple):
    """Where a secret is in a text.

    :ivar kind: such as ``private key`` (str).
    :ivar start: where it begins (int).
    :ivar end: where it ends (int).
    :ivar quote: what goes around its mask (str): a number has none, and the
        text stays JSON.
    """

    kind: str
    start: int
    end: int
    quote: str = ''


def find(text: str, words: str | None = None) -> Iterator[Shape]:
    """Find secrets that are known by their shape.

    :param text: any text.
    :param words: a shorter text with the same words, to search faster.
    :returns: an iterator of :class:`Shape`, in no order; one can be within
        another.
    """
    if words is None:
        words = text
    for anchor in those_in(_ANCHORS, words):
        kind, shape = _SHAPES[anchor]
        position = text.find(anchor)
        while position >= 0:
            match = shape.match(text, position)
            if match and match.lastgroup is None:
                yield Shape(kind, *match.span())
            end = match.end() if match else position + 1
            position = text.find(anchor, end)
    for begin in those_in(_KEYS, words):
        if begin == 'PRIVATE':
            yield from _private_keys(text)
            continue
        for match in re.finditer(begin + _BARE_LINES, text):
            if len(match[0]) >= _SHORTEST_BARE:
                yield Shape('private key', *match.span())


def _private_keys(text: str) -> Iterator[Shape]:
    # The next END line, once found; beyond the text if there is none.
    end_at = end = -1
    position = text.find('PRIVATE')
    while position >= 0:
        following = position + 1
        key = _KEY.match(text, position)
        begin = key and _BEGIN.search(
            text[max(0, position - _LONGEST_BEGIN) : position]
        )
        if key and begin:
            start = position - (begin.endpos - begin.start())
            following = key.end()
            if end_at < following:
                found = _END_OF_KEY.search(text, following)
                end_at, end = found.span() if found else (len(text) + 1, -1)
            limit = min(end_at, following + _LONGEST_KEY)
            if (
                limit == end_at <= len(text)
                and text.find('BEGIN', following, limit) < 0
            ):
                following = end
            else:
                lines = _LINES.match(text, following)
                assert lines
                following = lines.end()
            if following > key.end():
                yield Shape('private key', start, following)
        position = text.find('PRIVATE', following)


def positions(text: str, part: str) -> Iterator[int]:
    """Yield where *part* is in a text."""
    position = text.find(part)
    while position >= 0:
        yield position
        position = text.find(part, position + len(part))


def lowered(text: str) -> str:
    """Return a text in lower case, with all positions kept."""
    lowered = text.lower()
    if len(lowered) != len(text):
        # This is the only letter that becomes two.
        lowered = text.replace('\u0130', 'I').lower()
    return lowered

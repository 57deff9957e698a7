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

"""Mask the secrets in a value before it is stored or shown."""

import collections
from collections.abc import Iterable, Mapping
import re
import threading
from typing import TypeVar

from safe_fixtures.redaction import learned
from safe_fixtures.redaction import names
from safe_fixtures.redaction import passes

__all__ = ['Redactor']

_T = TypeVar('_T')
_Counts = collections.Counter[str]
_Learned = Mapping[str, learned.Learned]

# Not learned, without - and _: masking one of these would wreck every text.
_WORDS = frozenset(
    """
    access accesskey accesstoken active adminpass adminpassword apikey
    authorization authtoken bearer compute configdrive contents cookie
    credential credentials default encryptionkey fernetkey instance keystone
    openstack passphrase passwd password passwords personality private
    privatekey project public secret secretkey secrets secretuuid server
    servers servicetoken setcookie signature sslkey string subjecttoken tenant
    token tokens userdata username xauthtoken xservicetoken xsubjecttoken
    """.split()
)
# Guards concurrent calls of learn().
_learning = threading.RLock()


class Redactor:
    """Masks secrets: those that look like one, and those it has learned.

    It does no I/O and never changes the value it is given. Names of secrets
    are those that ``oslo_utils.strutils`` masks, and those that web services
    and clouds use. Redacting again changes nothing. The time it takes grows
    only with the size of the text.

    Example::

        >>> Redactor().redact('rabbit://nova:s3cret@bus:5672/')
        'rabbit://***@bus:5672/'

    :param secrets: secrets to learn at once (iterable of str or bytes).
    """

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._learned: _Learned = {}
        for secret in secrets:
            self.learn(secret)

    def learn(self, value: str | bytes) -> bool:
        """Mask a secret from now on, in whatever encoding it appears.

        These are: as it is, URL-quoted, in base64, in hexadecimal, and
        escaped as in JSON, in Python or in XML; also within other text. It
        refuses to learn what would wreck ordinary texts: less than 6
        characters, one character repeated, anything with a mask (``***``) in
        it, and words such as ``password``, ``adminPass`` or
        ``X-Auth-Token``.

        :param value: the secret (str or bytes).
        :returns: whether it is known now.
        """
        value = passes.plain(value)
        if value in self._learned:
            return True
        if (
            len(value.strip()) < learned.SHORTEST
            or len(set(value)) == 1
            or names.MASK in value
            or re.sub('[_-]', '', value).lower() in _WORDS
        ):
            return False
        made = learned.Learned(value)
        with _learning:
            # The longest first, as one may be a part of another. The dict is
            # replaced as a whole: another thread may be redacting.
            secrets = {**self._learned, value: made}
            longest_first = sorted(secrets, key=len, reverse=True)
            self._learned = {each: secrets[each] for each in longest_first}
        return True

    def redact(self, value: _T) -> _T:
        """Return *value* with its secrets masked.

        :param value: text, bytes, a mapping, a list, tuple or set of such;
            any other object is returned as it is. It is never changed. The
            keys of a mapping are kept, except for secrets in them.
        :returns: a value of the same type; if that type cannot be made from
            its items, a plain dict or list. Text and bytes are plain.
        :raises: ValueError if a container holds itself.
        """
        masked: _T = passes.Pass(
            self._learned, collections.defaultdict(int)
        ).any(value)
        return masked

    def redact_and_count(self, value: _T) -> tuple[_T, _Counts]:
        """Return *value* with its secrets masked, and how many there were.

        :param value: as for :meth:`redact`.
        :returns: what :meth:`redact` returns; and how many secrets of each
            kind, such as ``password``, were masked. A mask that was there
            already does not count.
        """
        counts: _Counts = collections.Counter()
        masked: _T = passes.Pass(self._learned, counts).any(value)
        return masked, counts

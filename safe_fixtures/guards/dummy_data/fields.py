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

"""Find the images and flavors that the body of a request refers to."""

from collections.abc import Iterator
import dataclasses
from typing import Any, Literal

__all__ = ['EACH', 'KNOWN', 'Field']

#: The step of a path that stands for each entry of a list.
EACH = '*'


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field that refers to an image or a flavor.

    :ivar kind: ``image`` or ``flavor``.
    :ivar path: the keys that lead to it (tuple of str); :data:`EACH` stands
        for each entry of a list.
    :ivar given: the name and the value of a field beside it that must be
        there too, or None.
    """

    kind: Literal['image', 'flavor']
    path: tuple[str, ...]
    given: tuple[str, str] | None = None

    def values(self, body: Any) -> Iterator[Any]:
        """Yield what a request's body has in this field.

        :param body: as read from JSON.
        """
        *steps, last = self.path
        found = [body]
        for step in steps:
            found = [item for part in found for item in _below(part, step)]
        for part in found:
            if isinstance(part, dict) and (
                self.given is None or part.get(self.given[0]) == self.given[1]
            ):
                yield part.get(last)


def _below(part: Any, step: str) -> list[Any]:
    if step == EACH:
        return part if isinstance(part, list) else []
    return [part[step]] if isinstance(part, dict) and step in part else []


#: The fields of Nova 31 to 34, and of clouds before them.
KNOWN = (
    Field('image', ('cache', EACH, 'id')),
    Field('image', ('rebuild', 'imageRef')),
    Field('image', ('rescue', 'rescue_image_ref')),
    Field('flavor', ('resize', 'flavorRef')),
    # Of the same type as an image's id; it resolves to nothing.
    Field('image', ('server', 'block_device_mapping', EACH, 'snapshot_id')),
    Field(
        'image',
        ('server', 'block_device_mapping', EACH, 'uuid'),
        ('source_type', 'image'),
    ),
    Field('image', ('server', 'block_device_mapping_v2', EACH, 'image_id')),
    Field(
        'image',
        ('server', 'block_device_mapping_v2', EACH, 'uuid'),
        ('source_type', 'image'),
    ),
    Field('flavor', ('server', 'flavorRef')),
    Field('image', ('server', 'imageRef')),
)

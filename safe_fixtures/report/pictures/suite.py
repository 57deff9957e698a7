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

"""The timeline of a suite: workers as lanes, tests as blocks."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import math

import markupsafe

from safe_fixtures.report import model
from safe_fixtures.report.pictures import texts

__all__ = ['draw']

_LEFT, _PLOT, _RIGHT = 110, 960, 90  # pixels: names, times, figures
_LANE = 44  # of a lane
_BLOCK = 26  # of a block in it; the style has it, too
_BAD = 3  # the width of a failure at least
_LANES = 64
_BLOCKS = 1500  # more would make the page large
_TICKS = 12
_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400,
)  # fmt: skip

_SVG = markupsafe.Markup(
    '<div class="pic-box" tabindex="0" role="region" aria-label="Timeline">'
    '<svg class="pic-svg" role="group" aria-label="{label}" width="{width}" '
    'height="{height}" viewBox="0 0 {width} {height}">{parts}</svg></div>'
    '<ul class="pic-legend">{legend}</ul>{note}'
)
_LANE_OF = markupsafe.Markup(
    '<g class="pic-lane" transform="translate({left},{y})">'
    '<text class="pic-name pic-end" x="-10" y="30">{name}</text>'
    '<rect class="pic-idle" width="{plot}"/>{blocks}'
    '<text class="pic-busy" x="{figures}" y="30">{busy:.0%} busy</text></g>'
)
_RECT = markupsafe.Markup(
    '<rect{kind} x="{x:.1f}" width="{width:.1f}"><title>{title}</title></rect>'
)
_FLAG = markupsafe.Markup('<path class="pic-flag" d="M{x:.1f},0h8l-4,7z"/>')
_LINK = markupsafe.Markup('<a href="#test-{place}"{tab}>{inner}</a>')
_TICK = markupsafe.Markup(
    '<path class="pic-grid" d="M{x:.1f},0V{bottom}"/>'
    '<text class="pic-tick" x="{x:.1f}" y="{y}">{text}</text>'
)
_KEY = markupsafe.Markup(
    '<li><svg class="pic-key" width="28" height="16" aria-hidden="true">'
    '<rect class="{kind}" width="28" height="16"/></svg>{text}</li>'
)
_NOTE = markupsafe.Markup('<p class="note">{}</p>')


@dataclasses.dataclass
class _Block:
    """Tests that are drawn as one, as they are narrow and alike.

    :ivar kind: ``passed``, ``failed`` or ``other``.
    :ivar start: when the first began, in seconds.
    :ivar end: when the last ended, in seconds.
    :ivar tests: their places and themselves.
    """

    kind: str
    start: float
    end: float
    tests: list[tuple[int, model.Test]]


def draw(tests: Sequence[model.Test]) -> markupsafe.Markup:
    """Return the timeline of some tests; empty without tests.

    :param tests: the tests; their places are the targets of links.
    """
    if not tests:
        return markupsafe.Markup('')
    begin = min(test.start for test in tests)
    end = max(test.start + test.seconds for test in tests)
    scale = _PLOT / max(end - begin, 0.001)
    lanes = _lanes(tests)
    left_out = len(lanes) - _LANES
    shown = lanes[:_LANES]
    height = len(shown) * _LANE
    near = 1.0
    while True:
        blocks = [list(_blocks(lane, near / scale)) for _, lane in shown]
        if sum(map(len, blocks)) <= _BLOCKS or near > _PLOT:
            break
        near *= 1.5
    parts = [
        *_axis(begin, end, scale, height),
        *(
            _lane(number * _LANE, name, found, begin, end, scale)
            for number, ((name, _), found) in enumerate(
                zip(shown, blocks, strict=True)
            )
        ),
    ]
    note = (
        _NOTE.format(f'{left_out} more workers are not shown.')
        if left_out > 0
        else ''
    )
    return _SVG.format(
        label=f'{len(tests)} tests of {texts.counted(len(lanes), "worker")}',
        width=_LEFT + _PLOT + _RIGHT,
        height=height + 24,
        parts=markupsafe.Markup('').join(parts),
        legend=markupsafe.Markup('').join(
            _KEY.format(kind=f'pic-{kind}', text=text)
            for kind, text in (
                ('passed', 'passed, or failed as expected'),
                ('failed', 'failed'),
                ('other', 'skipped or unknown'),
                ('idle', 'idle'),
            )
        ),
        note=note,
    )


def _lanes(
    tests: Sequence[model.Test],
) -> list[tuple[str, list[tuple[int, model.Test]]]]:
    """Return the name and the tests of each worker of each run."""
    found: dict[tuple[str, int], list[tuple[int, model.Test]]] = {}
    for place, test in enumerate(tests):
        worker = -1 if test.worker is None else test.worker
        found.setdefault((test.directory, worker), []).append((place, test))
    runs = list(dict.fromkeys(directory for directory, _ in sorted(found)))
    lanes = []
    for (directory, worker), lane in sorted(
        found.items(), key=lambda item: item[0]
    ):
        name = 'no worker' if worker < 0 else f'worker {worker}'
        if len(runs) > 1:
            name = f'run {runs.index(directory) + 1}, {name}'
        lanes.append((name, sorted(lane, key=lambda each: each[1].start)))
    return lanes


def _blocks(
    lane: Iterable[tuple[int, model.Test]], near: float
) -> Iterator[_Block]:
    """Yield blocks; what is nearer than *near* seconds is one block."""
    block: _Block | None = None
    for place, test in lane:
        kind, end = _kind(test), test.start + test.seconds
        if (
            block is not None
            and kind == block.kind
            and test.start - block.end < near
            and (end - block.start < near or test.seconds < near / 2)
            and block.end - block.start < 3 * near
        ):
            block.tests.append((place, test))
            block.end = max(block.end, end)
            continue
        if block is not None:
            yield block
        block = _Block(kind, test.start, end, [(place, test)])
    if block is not None:
        yield block


def _kind(test: model.Test) -> str:
    if test.outcome in model.BROKEN:
        return 'failed'
    return 'passed' if test.outcome in ('passed', 'xfail') else 'other'


def _lane(
    y: int,
    name: str,
    blocks: list[_Block],
    begin: float,
    end: float,
    scale: float,
) -> markupsafe.Markup:
    # A failure is on top of its neighbours.
    ordered = sorted(blocks, key=lambda block: block.kind == 'failed')
    busy = sum(
        test.seconds for block in blocks for _, test in block.tests
    ) / max(end - begin, 0.001)
    return _LANE_OF.format(
        left=_LEFT,
        y=y,
        name=name,
        plot=_PLOT,
        figures=_PLOT + 10,
        busy=min(busy, 1.0),
        blocks=markupsafe.Markup('').join(
            _block(block, (block.start - begin) * scale, scale)
            for block in ordered
        ),
    )


def _block(block: _Block, x: float, scale: float) -> markupsafe.Markup:
    failed = block.kind == 'failed'
    # A gap on the right parts it from the next one.
    width = max((block.end - block.start) * scale - 0.3, _BAD * failed, 0.4)
    (place, first), count = block.tests[0], len(block.tests)
    title = f'{texts.name(first.name)}: {first.outcome}, {first.seconds:.1f} s'
    if count > 1:
        together = sum(test.seconds for _, test in block.tests)
        title = f'{count} tests, {together:.1f} s, the first: {title}'
    inner = _RECT.format(
        kind=markupsafe.Markup(f' class="pic-{block.kind}"')
        if block.kind != 'passed'
        else '',
        x=x,
        width=width,
        title=title,
    )
    if failed:
        inner += _FLAG.format(x=x + width / 2 - 4)
    if count > 1 and not failed:
        return inner
    # Failures are tab stops; two thousand tests would be too many.
    tab = markupsafe.Markup('' if failed else ' tabindex="-1"')
    return _LINK.format(place=place, tab=tab, inner=inner)


def _axis(
    begin: float, end: float, scale: float, bottom: int
) -> Iterator[markupsafe.Markup]:
    span = end - begin
    step: float = next(
        (step for step in _STEPS if span / step <= _TICKS),
        math.ceil(span / _TICKS / 3600) * 3600,
    )
    for number in range(int(span / step) + 1):
        at = number * step
        text = f'{at:g} s' if step < 60 else f'{at / 60:g} min'
        yield _TICK.format(
            x=_LEFT + at * scale, bottom=bottom, y=bottom + 18, text=text
        )

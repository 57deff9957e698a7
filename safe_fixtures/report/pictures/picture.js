// Licensed under the Apache License, Version 2.0 (the "License"); you may
// not use this file except in compliance with the License. You may obtain
// a copy of the License at
//
//      http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
// WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
// License for the specific language governing permissions and limitations
// under the License.

// Draw lanes with acts as SVG. Nothing of an event becomes markup: elements
// are made by name, and texts are set as texts.

const timelinePicture = (() => {
  'use strict';

  const { counted, plain, seconds, short } = timelineLanes;
  const SVG = 'http://www.w3.org/2000/svg';
  const NARROW = 640; // pixels; below, the names of lanes are above them
  const NAMES = 214; // pixels for the names of lanes
  const CHIP = 18; // height of a label with a background
  const CHAR = 7; // about the width of a character
  const BOLD = 8;
  const ROWS = 5; // of labels above each other

  const SHAPES = {
    start: 'M-4,-6 L6,0 L-4,6 Z',
    stop: 'M-5,-5 H5 V5 H-5 Z',
    down: 'M-6,-5 H6 L0,6 Z',
    up: 'M-6,5 H6 L0,-6 Z',
    restore: 'M0,-6 A6,6 0 1 1 0,6 A6,6 0 1 1 0,-6 M-3,0 L-1,2.5 L3,-2.5',
    note: 'M0,-6 L6,0 L0,6 L-6,0 Z',
    request: 'M-1,-7 H1 V7 H-1 Z',
    total: 'M-5,-3 H5 M-5,3 H5',
    wait: 'M-5,-6 H5 L-5,6 H5 Z',
    cast: 'M-1,-5 H1 V5 H-1 Z',
    check: 'M-1.5,-4 H1.5 V4 H-1.5 Z',
    end: 'M-1,-7 V7 M-1,-6 H8 L5,-2.5 L8,1 H-1',
  };
  const CROSS = 'M-4,-4 L4,4 M-4,4 L4,-4';
  // Ticks: they have no number, and become one only if they are this near.
  const NEAR = { request: 3, check: 4, cast: 3 };

  function make(name, attributes, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  function label(x, y, className, text) {
    return make('text', { x, y, class: className }, text);
  }

  function rect(className, x, y, width, height) {
    return make('rect', { class: className, x, y, width, height });
  }

  /** Find where labels go so that none covers another. */
  class Rows {
    constructor() {
      this.ends = [];
    }

    free(x) {
      const row = this.ends.findIndex((end) => end + 4 <= x);
      return row < 0 ? this.ends.length : row;
    }
  }

  class Picture {
    constructor(model, range, width, title, open) {
      this.model = model;
      this.open = open;
      const pad = (range.to - range.from) * 0.02 || 0.001;
      this.from = range.from - pad;
      this.to = range.to + pad;
      this.isNarrow = width < NARROW;
      this.width = Math.max(width, 520);
      this.left = this.isNarrow ? 8 : NAMES;
      this.right = this.width - 12;
      this.scale = (this.right - this.left) / (this.to - this.from);
      this.acts = [];
      this.shades = [];
      this.guides = [];
      this.y = 8;
      this.svg = make('svg', {
        class: 'tl-svg', role: 'group', 'aria-label': `Timeline of ${title}`,
      });
      this.under = make('g', {});
      this.svg.append(this.under);
    }

    x(at) {
      const x = this.left + (at - this.from) * this.scale;
      return Math.round(Math.min(Math.max(x, this.left), this.right) * 10) / 10;
    }

    shows(from, to) {
      return to >= this.from && from <= this.to;
    }

    draw() {
      for (const lane of this.model.lanes) this.lane(lane);
      this.axis();
      const height = this.y + 26;
      this.svg.setAttribute('viewBox', `0 0 ${this.width} ${height}`);
      this.svg.setAttribute('width', this.width);
      this.svg.setAttribute('height', height);
      this.listen();
      return this.svg;
    }

    // An element that opens an event.
    act(act, text, x, ...children) {
      const element = make(
        'g', {
          class: `tl-act tl-${act.kind}${act.failed ? ' tl-failed' : ''}`,
          role: 'button', tabindex: '-1', 'aria-label': text,
        }, make('title', {}, text), ...children);
      this.acts.push({ element, event: act.event, at: act.at, x });
      this.svg.append(element);
    }

    lane(lane) {
      let name = short(lane.name);
      if (this.isNarrow) {
        this.svg.append(label(this.left, this.y + 12, 'tl-name', name));
        this.y += 18;
      } else {
        if (name.length > 26) name = `${name.slice(0, 25)}…`;
        const text = label(
          this.left - 10, this.y + 16, 'tl-name tl-end-anchor', name);
        text.append(make('title', {}, plain(lane.name)));
        this.svg.append(text);
      }
      if (lane.isRules) this.chips(lane);
      else {
        for (const outage of lane.outages) this.outage(outage);
        if (lane.outages.length) this.y += 40;
        this.y += 2;
        if (lane.isService) this.running(lane);
        this.marks(lane);
        this.y += 20;
        if (lane.spans.length) this.states(lane);
      }
      this.y += 5;
      this.under.append(
        make('path', { class: 'tl-line', d: `M0,${this.y} H${this.width}` }));
      this.y += 3;
    }

    running(lane) {
      const middle = this.y + 10;
      this.svg.append(make('path', {
        class: 'tl-idle', d: `M${this.left},${middle} H${this.right}`,
      }));
      for (const { from, to } of lane.bars) {
        if (!this.shows(from, to)) continue;
        const x = this.x(from);
        this.svg.append(rect(
          'tl-running', x, this.y + 4, Math.max(this.x(to) - x, 2), 12));
      }
    }

    states(lane) {
      for (const { from, to, state } of lane.spans) {
        if (!this.shows(from, to)) continue;
        const x = this.x(from);
        const width = Math.max(this.x(to) - x, 3);
        const kind = state.includes('forced down') ? 'forced' : 'disabled';
        const short = kind === 'forced' && state.includes('disabled')
          ? 'disabled, forced down' : kind === 'forced' ? 'forced down' : kind;
        const bar = rect(`tl-state tl-${kind}`, x, this.y, width, 16);
        bar.append(make('title', {}, `${plain(lane.name)}: ${state}`));
        this.svg.append(bar);
        if (width > short.length * CHAR + 6) {
          this.svg.append(
            label(x + 5, this.y + 12, `tl-in tl-in-${kind}`, short));
        }
      }
      this.y += 18;
    }

    marks(lane) {
      const bunches = [];
      const last = {};
      for (const act of lane.acts) {
        if (!this.shows(act.at, act.to || act.at)) continue;
        const x = this.x(act.at);
        const key = `${act.kind} ${act.failed}`;
        const bunch = last[key];
        if (bunch && x - bunch.end < (NEAR[act.kind] || 9)) {
          bunch.end = Math.max(this.x(act.to || act.at), bunch.end);
          bunch.count += 1;
        } else {
          last[key] = { act, x, end: this.x(act.to || act.at), count: 1 };
          bunches.push(last[key]);
        }
      }
      for (const bunch of bunches) this.mark(bunch);
    }

    mark({ act, x, end, count }) {
      const y = this.y + 10;
      const wide = end - x;
      const more = count > 1 ? ` (the first of ${count})` : '';
      const parts = [rect('tl-hit', x - 4, y - 10, wide + 8, 20)];
      const isTick = Object.hasOwn(NEAR, act.kind);
      const isBar = wide > 2 && isTick;
      if (isBar) {
        parts.push(rect('tl-shape', x - 1, y - 5, wide + 2, 10));
      } else {
        parts.push(make('path', {
          class: 'tl-shape', d: SHAPES[act.kind] || SHAPES.check,
          transform: `translate(${x},${y})`,
        }));
      }
      if (act.failed) {
        parts.push(make('path', {
          class: 'tl-cross', d: CROSS, transform: `translate(${x},${y})`,
        }));
      }
      if (count > 1 && !isTick) {
        parts.push(label(x + 8, y - 2, 'tl-count', `×${count}`));
      }
      if (act.text) {
        const isRight = x > (this.left + this.right) / 2;
        parts.push(label(
          isRight ? x - 10 : x + 10, y + 4,
          isRight ? 'tl-note tl-end-anchor' : 'tl-note', act.text));
      }
      this.act(act, `${seconds(act.at)}: ${act.label}${more}`, x, ...parts);
    }

    // Labels of violations, each with a line through all lanes below.
    chips(lane) {
      const rows = new Rows();
      const chips = [];
      for (const act of lane.acts) {
        if (!this.shows(act.at, act.at)) continue;
        const x = this.x(act.at);
        let chip = chips.findLast(
          (each) => each.act.code === act.code && each.act.kind === act.kind &&
            x <= each.end + 2);
        const row = chip ? chip.row : rows.free(x);
        if (!chip && row >= ROWS) chip = chips.at(-1);
        if (chip) chip.count += act.times;
        else {
          chip = { act, x, row, count: act.times };
          chips.push(chip);
        }
        chip.text = (chip.act.kind === 'waived' ? `(${chip.act.code})`
          : chip.act.code) + (chip.count > 1 ? ` ×${chip.count}` : '');
        chip.width = chip.text.length * BOLD + 12;
        chip.left = Math.min(chip.x, this.right - chip.width);
        chip.end = chip.left + chip.width;
        rows.ends[chip.row] = chip.end;
      }
      // Not for each of what is recorded by the dozen.
      const services = new Set(this.model.lanes.filter(
        (each) => each.isService).map((each) => each.name));
      this.guides = chips.filter(
        ({ act }) => act.kind === 'refused' || services.has(act.target)).map(
        ({ act, x, row }) => ({ act, x, y: this.y + row * (CHIP + 4) }));
      for (const { act, row, left, width, text, count, x } of chips) {
        const y = this.y + row * (CHIP + 4);
        const more = count > 1 ? ` (${count} times)` : '';
        this.act(
          act, `${seconds(act.at)}: ${act.label}${more}`, x,
          rect('tl-chip', left, y, width, CHIP),
          label(left + 6, y + 13, 'tl-chip-text', text));
      }
      this.y += Math.max(rows.ends.length, 1) * (CHIP + 4);
    }

    outage(outage) {
      if (!this.shows(outage.from, outage.to)) return;
      const [from, to] = [this.x(outage.from), this.x(outage.to)];
      const width = Math.max(to - from, 3);
      const text = `out of service for ${seconds(outage.length)} with ` +
        counted(outage.servers.length, 'server');
      this.shades.push({
        from, width,
        kind: outage.declared ? 'tl-shade tl-expected' : 'tl-shade',
      });
      const isRight = from + text.length * CHAR > this.right;
      this.act(
        {
          kind: outage.declared ? 'outage tl-declared' : 'outage',
          event: outage.event, at: outage.from,
        },
        `${seconds(outage.from)}: ${outage.service} ${text}` +
          (outage.declared ? `, as declared: ${outage.declared}` : ''), from,
        rect('tl-outage-bar', from, this.y + 18, width, CHIP + 2),
        label(
          isRight ? Math.max(from + width, this.left) : from, this.y + 13,
          isRight ? 'tl-outage-text tl-end-anchor' : 'tl-outage-text', text));
      this.numbers(outage);
    }

    numbers(outage) {
      const chips = [];
      for (const { at, number, failed } of outage.moments) {
        if (!this.shows(at, at)) continue;
        const x = this.x(at);
        let chip = chips.at(-1);
        if (chip && x < chip.end + 1) chip.last = number;
        else chips.push(chip = { x, first: number, last: number });
        chip.failed = chip.failed || failed;
        chip.text = chip.first === chip.last
          ? `${chip.first}` : `${chip.first}–${chip.last}`;
        chip.end = chip.x + chip.text.length * CHAR + 8;
      }
      for (const { x, end, text, failed } of chips) {
        const group = make(
          'g', { class: `tl-number${failed ? ' tl-failed' : ''}` },
          rect('tl-number-box', x, this.y + 20, end - x, CHIP - 2),
          label(x + 4, this.y + 32, 'tl-number-text', text));
        this.svg.append(group);
      }
    }

    axis() {
      const bottom = this.y;
      const span = this.to - this.from;
      const rough = span / ((this.right - this.left) / 90);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
      const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      for (let n = Math.ceil(this.from / step); n * step <= this.to; n += 1) {
        const x = this.x(n * step);
        this.under.append(
          make('path', { class: 'tl-grid', d: `M${x},4 V${bottom + 4}` }));
        this.svg.append(label(
          x, bottom + 18, 'tl-tick', `${(n * step).toFixed(digits)} s`));
      }
      for (const { from, width, kind } of this.shades) {
        this.under.append(rect(kind, from, 4, width, bottom - 4));
      }
      for (const { act, x, y } of this.guides) {
        this.under.append(make('path', {
          class: `tl-guide tl-guide-${act.kind}`, d: `M${x},${y} V${bottom}`,
        }));
      }
    }

    // One tab stop; the arrow keys go from act to act.
    listen() {
      this.acts.sort((a, b) => a.at - b.at);
      const elements = this.acts.map((act) => act.element);
      if (elements.length) elements[0].setAttribute('tabindex', '0');
      const find = (target) => elements.indexOf(target.closest('.tl-act'));
      this.svg.addEventListener('click', ({ target }) => {
        const index = find(target);
        if (index >= 0) this.open(this.acts[index].event);
      });
      this.svg.addEventListener('focusin', ({ target }) => {
        for (const each of elements) each.setAttribute('tabindex', '-1');
        target.setAttribute('tabindex', '0');
      });
      this.svg.addEventListener('keydown', (press) => {
        const index = find(press.target);
        if (index < 0 || press.altKey || press.ctrlKey || press.metaKey) return;
        const next = {
          ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1,
          ArrowUp: index - 1, Home: 0, End: elements.length - 1,
        }[press.key];
        if (press.key === 'Enter' || press.key === ' ') {
          this.open(this.acts[index].event);
        } else if (next === undefined) return;
        else if (elements[next]) elements[next].focus();
        press.preventDefault();
      });
    }
  }

  return { Picture, SHAPES, make };
})();

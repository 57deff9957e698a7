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

// The timeline of a test: the picture, its legend, and the story of each
// outage in words.

const timelineDrawing = (() => {
  'use strict';

  const { counted, plain, seconds, short } = timelineLanes;
  const { Picture, SHAPES, make } = timelinePicture;
  const TOLD = 10; // outages with a button and a story
  const LEGEND = [
    ['start', 'started'], ['stop', 'stopped'],
    ['down', 'disabled or forced down'], ['up', 'enabled'],
    ['restore', 'restored'], ['note', 'declared, or not known'], ['request', 'request'],
    ['wait', 'waits'], ['cast', 'RPC cast'], ['check', 'check'],
    ['end', 'the test ended'],
  ];

  function html(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  function legend(model) {
    const kinds = new Set();
    for (const lane of model.lanes) {
      for (const act of lane.acts) kinds.add(act.kind);
    }
    const list = html('ul', 'tl-legend');
    if (model.lanes.some((lane) => lane.isService)) {
      list.append(
        html('li', '', bar('tl-running'), 'service is running'),
        html('li', '', bar('tl-idle'), 'is not'));
    }
    for (const [kind, text] of LEGEND) {
      if (!kinds.has(kind)) continue;
      list.append(html('li', '', make(
        'svg', { width: 18, height: 16, 'aria-hidden': 'true' },
        make('g', { class: `tl-${kind}` }, make('path', {
          class: 'tl-shape', d: SHAPES[kind], transform: 'translate(8,8)',
        }))), text));
    }
    for (const kind of ['refused', 'recorded', 'waived']) {
      if (!kinds.has(kind)) continue;
      const text = kind === 'waived' ? 'waived or expected' : kind;
      const chip = bar('tl-chip');
      chip.setAttribute('class', `tl-${kind}`);
      list.append(html('li', '', chip, `rule broken: ${text}`));
    }
    list.append(html(
      'li', 'tl-hint',
      'Arrow keys go from act to act, Enter opens the event of an act.'));
    return list;
  }

  function bar(kind) {
    return make(
      'svg', { width: 28, height: 16, 'aria-hidden': 'true' },
      make('path', { class: kind, d: kind === 'tl-idle'
        ? 'M0,8 H28' : 'M0,2 H28 V14 H0 Z' }));
  }

  // What happened during an outage, by the numbers in the picture.
  function story(outage, open) {
    const title = html(
      'button', 'tl-open',
      `${outage.service} was out of service for ${seconds(outage.length)} ` +
      `with ${counted(outage.servers.length, 'server')} on it`);
    title.type = 'button';
    title.addEventListener('click', () => open(outage.event));
    const list = html('ol', 'tl-moments');
    for (const { number, offset, text, failed } of outage.moments) {
      const item = html(
        'li', failed ? 'tl-failed' : '',
        html('span', 'tl-offset', `+${offset.toFixed(3)} s`), ` ${text}`);
      item.value = number;
      list.append(item);
    }
    const servers = outage.servers.slice(0, 5).map(short).join(', ');
    const others = outage.servers.length > 5
      ? ` and ${outage.servers.length - 5} more` : '';
    const more = outage.more ? ` ${outage.more} more moments are not listed.` : '';
    const declared = outage.declared ? ` Declared: ${outage.declared}.` : '';
    return html(
      'section', outage.declared ? 'tl-story tl-declared' : 'tl-story',
      html('h4', '', title),
      html('p', '', `On it: ${servers || 'none'}${others}.${declared}`), list,
      html(
        'p', '', html('span', 'tl-offset', `+${outage.length.toFixed(3)} s`),
        ` The outage ended: ${outage.ended}.${more}`));
  }

  /** Draw a timeline; see drawTimeline. */
  function draw(element, test, events, open) {
    const model = timelineLanes.read(events);
    const title = plain(
      typeof test === 'string' ? test : test && (test.id || test.name));
    if (!model.lanes.length) {
      element.replaceChildren(html('p', 'tl-none', 'The test has no events.'));
      return;
    }
    const box = html('div', 'tl-box');
    // The element may not be on the page yet.
    const page = document.documentElement.clientWidth - 56;
    const width = Math.min(element.clientWidth || page, 1160);
    const show = (range) => box.replaceChildren(
      new Picture(model, range, width, title, open).draw());
    show(model);
    const parts = [box, legend(model)];
    if (model.outages.length) parts.unshift(zoom(model, show));
    for (const outage of model.outages.slice(0, TOLD)) {
      parts.push(story(outage, open));
    }
    const more = model.outages.length - TOLD;
    if (more > 0) {
      parts.push(html(
        'p', 'tl-hint', `${counted(more, 'more outage')} not listed here.`));
    }
    element.replaceChildren(html('div', 'tl', ...parts));
  }

  function zoom(model, show) {
    const bar = html('div', 'tl-zoom');
    const add = (text, range) => {
      const button = html('button', '', text);
      button.type = 'button';
      button.setAttribute('aria-pressed', String(range === model));
      button.addEventListener('click', () => {
        show(range);
        for (const each of bar.children) {
          each.setAttribute('aria-pressed', String(each === button));
        }
      });
      bar.append(button);
    };
    add('Whole test', model);
    model.outages.slice(0, TOLD).forEach(({ from, to }, index) => {
      const pad = Math.max((to - from) * 0.3, 0.02);
      add(`Outage ${index + 1}`, { from: from - pad, to: to + pad });
    });
    return bar;
  }

  return { draw };
})();

/**
 * Draw the timeline of a test into an element.
 *
 * @param {Element} element gets the picture instead of what is in it.
 * @param {Object} test the test; its id names the picture.
 * @param {Object[]} events {at, action, outcome, code, target, text, details}
 *   each; at is in seconds since the first event of the test.
 * @param {Function} open called with an event that the reader opens.
 */
function drawTimeline(element, test, events, open) {
  timelineDrawing.draw(element, test, events, open);
}

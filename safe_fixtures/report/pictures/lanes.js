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

// Read the events of a test as lanes with acts. Whatever an event has may be
// of any type: texts are cut and made plain, numbers must be finite.

const timelineLanes = (() => {
  'use strict';

  const LONGEST = 400; // characters of a text that is shown
  const MOMENTS = 20; // that are listed of one outage
  const NOTED = 3; // failed requests with a text of their own
  // Control characters, and what turns the direction of other text.
  const ODD = new RegExp(
    '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f' +
    '\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]', 'g');
  const MOMENT = /^\+(\d{1,9}\.\d{1,6}) s {2}(.*)$/;
  const REQUEST = /^([A-Z]{1,10}) (\S+)(?: \(([\w-]+)\))?: (\d{3})(?: \((\d{1,9}) times\))?$/;
  const FOLDERS = /\/(?:[^\s()/]+\/)+(?=[^\s()/]+:\d)/g;
  const UUID = /\b([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/g;

  function plain(value) {
    if (typeof value !== 'string') return '';
    const text = value.length > LONGEST ? value.slice(0, LONGEST) + '…' : value;
    return text.replace(
      ODD, (odd) => '\\u' + odd.charCodeAt(0).toString(16).padStart(4, '0'));
  }

  function short(value) {
    return plain(value).replace(FOLDERS, '').replace(UUID, '$1…');
  }

  function number(value) {
    return Number.isFinite(value) ? Math.min(Math.max(value, 0), 1e9) : 0;
  }

  function texts(value) {
    return Array.isArray(value)
      ? value.filter((each) => typeof each === 'string') : [];
  }

  function seconds(value) {
    return `${Number(value.toFixed(3))} s`;
  }

  function counted(count, what) {
    return `${count} ${what}${count === 1 ? '' : 's'}`;
  }

  function newLane(name) {
    return { name, acts: [], switches: [], states: [], outages: [] };
  }

  class Reader {
    constructor() {
      this.services = new Map();
      this.outages = [];
      this.listed = 0;
      this.requests = [];
      this.violations = newLane('Violations');
      this.lanes = {
        requests: newLane('Requests'),
        waits: newLane('Waits'),
        casts: newLane('RPC casts'),
        checks: newLane('Checks'),
        end: newLane('Test'),
      };
    }

    service(event) {
      const name = plain(event.target);
      if (!this.services.has(name)) this.services.set(name, newLane(name));
      return this.services.get(name);
    }

    add(lane, kind, event, label, more) {
      const failed = event.outcome === 'failure';
      lane.acts.push({
        kind, at: event.at, event, failed, times: 1,
        label: failed ? `${label}: failed` : label, ...more,
      });
    }

    read(event) {
      const details = event.details && typeof event.details === 'object'
        ? event.details : {};
      if (Object.hasOwn(READERS, event.action)) {
        READERS[event.action](this, event, details);
      } else this.add(this.lanes.checks, 'check', event, named(event));
    }

    changed(lane, at, state) {
      lane.states.push({ at, state: plain(state) });
    }
  }

  function named(event) {
    return `${short(event.action)} ${short(event.target)}`.trim();
  }

  function change(reader, event, details) {
    const lane = reader.service(event);
    const after = plain(details.after);
    const wasOut = isOut(plain(details.before));
    const kind = isOut(after) && (!wasOut || event.action === 'disable' ||
      after.includes('forced down')) ? 'down' : 'up';
    const by = details.by ? ` by ${short(details.by)}` : '';
    reader.add(
      lane, event.action === 'update/disabled_reason' ? 'note' : kind, event,
      `${plain(event.target)} is ${after || 'changed'}${by}`);
    if (event.outcome !== 'failure') reader.changed(lane, event.at, after);
  }

  function isOut(state) {
    return state.includes('disabled') || state.includes('forced down');
  }

  function violation(reader, event, details) {
    const how = details.waived ? 'waived' : details.expected ? 'expected'
      : event.action === 'deny' ? 'refused' : 'recorded';
    const code = plain(event.code).slice(0, 12) || 'rule';
    const isLoose = how === 'waived' || how === 'expected';
    reader.violations.acts.push({
      kind: isLoose ? 'waived' : how, at: event.at, event, code,
      target: plain(event.target), times: number(details.folded) || 1,
      label: `${code} (${how}): ` +
        (short(event.text) || short(details.message) || named(event)),
    });
  }

  function outage(reader, event, details) {
    const lane = reader.service(event);
    const length = number(details.seconds);
    const servers = texts(details.servers);
    const found = {
      event, from: event.at - length, to: event.at, length, servers,
      service: lane.name, ended: short(details.ended) || 'unknown',
      declared: short(details.declared), moments: [], more: 0,
    };
    for (const text of texts(details.moments)) {
      const [, offset, what] = MOMENT.exec(text.slice(0, 2 * LONGEST)) || [];
      if (offset !== undefined) moment(reader, lane, found, +offset, what);
    }
    found.more += number(details.dropped);
    lane.outages.push(found);
    reader.outages.push(found);
  }

  function moment(reader, lane, found, offset, what) {
    const at = found.from + offset;
    const request = REQUEST.exec(what);
    if (request) {
      reader.requests.push({
        at, event: found.event, request: `${request[1]} ${request[2]}`,
        act: request[3] || '', status: +request[4], times: +(request[5] || 1),
      });
    } else if (/^(stopped|deleted)\b/.test(what)) {
      lane.switches.push({ at, on: false });
      lane.acts.push({
        kind: 'stop', at, event: found.event, times: 1,
        label: `${lane.name} is ${short(what)}`,
      });
    } else if (/^started\b/.test(what)) {
      lane.switches.push({ at, on: true });
    }
    if (found.moments.length >= MOMENTS) {
      found.more += 1;
      return;
    }
    reader.listed += 1;
    found.moments.push({
      at, offset, number: reader.listed, text: short(what),
      failed: Boolean(request) && +request[4] >= 400,
    });
  }

  function wait(reader, event, details) {
    const cut = number(details.cut_short);
    const label = `${counted(number(details.waits), 'wait')}, ${cut} cut ` +
      `short, ${seconds(number(details.seconds_won))} saved`;
    reader.add(reader.lanes.waits, 'wait', event, label, { text: label });
  }

  const ENDS = { success: 'passed', failure: 'failed' };

  const READERS = {
    'start/service': (reader, event, details) => {
      const lane = reader.service(event);
      const from = event.at - number(details.seconds);
      if (event.outcome !== 'failure') lane.switches.push({ at: from, on: true });
      reader.add(
        lane, 'start', event, `start of ${plain(event.target)}`, { at: from });
    },
    'stop/service': (reader, event) => {
      const lane = reader.service(event);
      if (event.outcome !== 'failure') {
        lane.switches.push({ at: event.at, on: false });
      }
      reader.add(lane, 'stop', event, `stop of ${plain(event.target)}`);
    },
    'restore/service': (reader, event, details) => {
      const lane = reader.service(event);
      const actual = plain(details.actual);
      reader.add(
        lane, 'restore', event,
        `${plain(event.target)} is restored: ${actual || 'unknown'}`);
      reader.changed(lane, event.at, actual);
    },
    'enable': change,
    'disable': change,
    'update/forced_down': change,
    'update/disabled_reason': change,
    'evaluate/order': (reader, event) => reader.add(
      reader.service(event), 'note', event,
      'the servers on it cannot be known'),
    'allow/order': (reader, event, details) => reader.add(
      reader.service(event), 'note', event,
      `declared: ${short(details.reason)}`),
    'monitor/outage': outage,
    'deny': violation,
    'evaluate/violation': violation,
    'allow/waiver': (reader, event) => reader.add(
      reader.lanes.checks, 'check', event, `waiver: ${named(event)}`),
    'configure/microversion': (reader, event, details) => {
      reader.add(
        reader.lanes.requests, 'request', event,
        `${short(event.target)} at ${plain(details.served)}`,
        { request: plain(event.target).replace(/ \/v2(?:\.\d+)?(?=\/)/, ' ') });
    },
    'monitor/microversion': (reader, event, details) => {
      const versions = Object.entries(
        details.requests && typeof details.requests === 'object'
          ? details.requests : {});
      const label = versions.slice(0, 6).map(
        ([version, count]) => `${number(count)} at ${plain(version)}`);
      reader.add(
        reader.lanes.requests, 'total', event,
        `requests of the test: ${label.join(', ')}`);
    },
    'monitor/wait': wait,
    'monitor/cast': (reader, event, details) => {
      const length = number(details.seconds);
      reader.add(
        reader.lanes.casts, 'cast', event,
        `${short(details.method)} on ${short(event.target)}, ` +
        `${seconds(length)}`, { at: event.at - length, to: event.at });
    },
    'evaluate/test': (reader, event) => reader.add(
      reader.lanes.end, 'end', event, 'end of the test',
      { text: ENDS[event.outcome] || 'ended' }),
  };

  // A pinned request is an act of its own; of the others there is only the
  // moment of an outage.
  function addServed(reader) {
    const pinned = new Set(
      reader.lanes.requests.acts.map((act) => act.request));
    const failed = reader.requests.filter((each) => each.status >= 400);
    for (const each of reader.requests) {
      const { at, event, request, act, status, times } = each;
      if (status < 400 && pinned.has(request)) continue;
      const again = times > 1 ? ` (${times} times)` : '';
      const name = act ? `${short(request)} (${act})` : short(request);
      reader.lanes.requests.acts.push({
        kind: 'request', at, event, times, failed: status >= 400,
        label: `${name}: ${status}${again}`,
        // More would cover each other.
        text: status >= 400 && failed.length <= NOTED
          ? `${act || request.split(' ')[0]}: ${status}` : '',
      });
    }
  }

  // The times between switches, as bars.
  function bars(lane, from, to) {
    const found = [];
    let since = lane.switches.some((each) => each.on) || !lane.outages.length
      ? null : from;
    for (const { at, on } of lane.switches.sort((a, b) => a.at - b.at)) {
      if (on && since === null) since = at;
      if (!on && since !== null) {
        found.push({ from: since, to: at });
        since = null;
      }
    }
    if (since !== null) found.push({ from: since, to });
    return found;
  }

  function spans(lane, to) {
    return lane.states.sort((a, b) => a.at - b.at).map(
      ({ at, state }, index, all) => ({
        from: at, state, to: index + 1 < all.length ? all[index + 1].at : to,
      })).filter((span) => isOut(span.state));
  }

  /** Return the lanes, outages and limits in seconds of a test's events. */
  function read(events) {
    const reader = new Reader();
    const sound = events.filter((each) => each && Number.isFinite(each.at));
    sound.sort((a, b) => a.at - b.at);
    for (const event of sound) reader.read(event);
    addServed(reader);
    const others = newLane('Other services');
    const own = [];
    for (const lane of reader.services.values()) {
      const plainStart = lane.acts.every((act) => act.kind === 'start');
      const isCompute = lane.name.startsWith('nova-compute');
      if (isCompute || !plainStart || lane.outages.length) own.push(lane);
      else others.acts = others.acts.concat(lane.acts);
    }
    own.sort((a, b) => Boolean(b.outages.length) - Boolean(a.outages.length));
    const { requests, waits, casts, checks, end } = reader.lanes;
    const lanes = [
      reader.violations, ...own, requests, waits, casts, others, checks, end,
    ].filter((lane) => lane.acts.length || lane.outages.length);
    let [from, to] = [0, 0];
    for (const lane of lanes) {
      for (const act of lane.acts) {
        from = Math.min(from, act.at);
        to = Math.max(to, act.to || act.at);
      }
      for (const each of lane.outages) from = Math.min(from, each.from);
    }
    for (const lane of lanes) {
      lane.acts.sort((a, b) => a.at - b.at);
      lane.isRules = lane === reader.violations;
      lane.isService = own.includes(lane);
      lane.bars = lane.isService ? bars(lane, from, to) : [];
      lane.spans = spans(lane, to);
    }
    return { lanes, outages: reader.outages, from, to };
  }

  return { counted, plain, read, seconds, short };
})();

// The view of one test.

const EVENTS = 200;

function section(title, ...children) {
  return make('section', {}, make('h2', {}, title), ...children);
}

function text(value) {
  return make('pre', {tabindex: 0}, value);
}

function violationItem(event) {
  const details = event.details;
  const kind = kindOf(event);
  const line = (name, value) => (typeof value === 'string' && value
    ? make('div', {}, make('dt', {}, name), make('dd', {}, value)) : null);
  return make('li', {},
    make('p', {},
      make('span', {class: `rule ${kind}`}, event.code || 'unknown'),
      ' ', make('span', {class: 'kind'}, kind),
      details.folded > 1 ? ` \u00d7${number(details.folded)}` : ''),
    make('p', {class: 'message'}, event.text || event.target),
    make('dl', {class: 'facts'},
      line('where', details.where),
      line('remedy', details.remedy),
      line('weakness', details.cwe),
      line('waived', details.waived)));
}

function eventRow(event) {
  const button = make('button', {type: 'button', class: 'link'}, event.action);
  button.addEventListener('click', () => openEvent(event));
  return make('tr', {class: event.outcome === 'failure' ? 'bad' : null},
    make('td', {class: 'number'}, `${event.at.toFixed(3)} s`),
    make('td', {}, button),
    make('td', {class: 'name'}, event.target),
    make('td', {class: 'text'}, event.code ? `${event.code} ` : '',
      describe(event)));
}

function eventTable(events) {
  const body = make('tbody', {});
  const more = make('button', {type: 'button'}, 'Show more');
  let shown = 0;
  const show = () => {
    const next = events.slice(shown, shown + EVENTS);
    body.append(...next.map(eventRow));
    shown += next.length;
    more.hidden = shown >= events.length;
  };
  more.addEventListener('click', show);
  show();
  return make('div', {class: 'scrolls', tabindex: 0},
    make('table', {class: 'events'},
      make('thead', {}, make('tr', {},
        make('th', {class: 'number', scope: 'col'}, 'after'),
        make('th', {scope: 'col'}, 'act'),
        make('th', {scope: 'col'}, 'of'),
        make('th', {scope: 'col'}, 'what happened'))),
      body), more);
}

function openEvent(event) {
  const dialog = byId('event');
  byId('event-title').textContent = event.action;
  const line = (name, value) => (value
    ? make('div', {}, make('dt', {}, name), make('dd', {}, value)) : null);
  byId('event-facts').replaceChildren(
    ...[
      line('of', event.target),
      line('outcome', event.outcome),
      line('rule', event.code),
      line('after', `${event.at.toFixed(3)} s`),
    ].filter(Boolean));
  byId('event-details').textContent = JSON.stringify(event.details, null, 2);
  dialog.showModal();
}

function hardenedLine(test) {
  return test.lacks ? `${test.hardened} (${test.lacks})` : test.hardened;
}

function showTest(model, test) {
  const found = readDetails(model, test);
  const place = byId('view-test');
  const broken = found.events.filter(isViolation);
  const waivers = found.events.filter(
    (event) => event.action === 'allow/waiver');
  const fact = (name, value) => make(
    'div', {}, make('dt', {}, name), make('dd', {}, value));
  const parts = [
    make('p', {class: 'back'}, make('a', {href: '#tests'}, 'All tests')),
    make('h1', {tabindex: -1},
      make('span', {class: 'module'}, test.module),
      make('span', {class: 'short'}, breakable(test.short))),
    make('dl', {class: 'facts row'},
      make('div', {}, make('dt', {}, 'outcome'),
        make('dd', {}, outcomeBadge(test.outcome))),
      fact('took', seconds(test.seconds)),
      fact('began after', seconds(test.start)),
      test.worker === null ? null : fact('worker', String(test.worker)),
      fact('hardened', hardenedLine(test)),
      fact('records', test.directory)),
  ];
  if (found.failure) {
    const title = test.outcome === 'skipped' ? 'Reason' : 'Failure';
    parts.push(section(title, text(found.failure)));
  }
  parts.push(timeline(test, found.events));
  if (broken.length) {
    parts.push(section('Violations',
      make('ol', {class: 'violations'}, broken.map(violationItem))));
  }
  if (waivers.length) {
    parts.push(section('Waivers', make('ul', {}, waivers.map((event) => make(
      'li', {}, make('span', {class: 'rule waived'}, event.code), ' ',
      event.details.pattern || 'by @waive in the test',
      event.details.reason ? `: ${event.details.reason}` : '')))));
  }
  place.replaceChildren(...parts.filter(Boolean));
  if (found.events.length) {
    place.append(section('Events',
      found.left_out
        ? make('p', {}, `${number(found.left_out)} more were left out.`) : '',
      eventTable(found.events)));
  }
  if (found.log) {
    const note = found.logged > found.log.length
      ? `The end of ${number(found.logged)} bytes; stream.subunit has all.`
      : '';
    place.append(section('Log', make('p', {class: 'note'}, note),
      text(found.log)));
  }
}

function timeline(test, events) {
  if (typeof drawTimeline !== 'function' || !events.length) {
    return null;
  }
  const picture = make('div', {class: 'timeline'});
  try {
    drawTimeline(picture, test, events, openEvent);
  } catch (error) {
    picture.textContent = `It cannot be drawn: ${error.message}`;
  }
  return picture.childNodes.length ? section('Timeline', picture) : null;
}

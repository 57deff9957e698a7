// The tests, and what is read of one when it is opened.

function readTests() {
  const index = readJson('index');
  const text = (place) => index.texts[place];
  const tests = index.tests.map((each, place) => {
    const [name, outcome, time, start, worker, rules, hardened, lacks,
      directory] = each;
    const [module, short] = splitName(name);
    return {
      place, name, module, short, start, worker, rules,
      outcome: text(outcome),
      seconds: time,
      hardened: text(hardened),
      lacks: text(lacks),
      directory: text(directory),
      broken: rules.reduce((sum, rule) => sum + rule[2], 0),
      searched: name.toLowerCase(),
    };
  });
  return {tests, chunk: index.chunk, chunks: new Map()};
}

function readDetails(model, test) {
  const number = Math.floor(test.place / model.chunk);
  if (!model.chunks.has(number)) {
    model.chunks.set(number, readJson(`chunk-${number}`));
  }
  const chunk = model.chunks.get(number);
  const found = chunk.tests[test.place % model.chunk];
  return {...found, events: readEvents(chunk, found.events)};
}

function readEvents(chunk, numbers) {
  const events = [];
  for (let at = 0; at < numbers.length; at += 7) {
    const event = {
      at: numbers[at] / 1000,
      action: chunk.texts[numbers[at + 1]],
      outcome: chunk.texts[numbers[at + 2]],
      code: chunk.texts[numbers[at + 3]],
      target: chunk.texts[numbers[at + 4]],
      text: chunk.texts[numbers[at + 5]],
      details: chunk.details[numbers[at + 6]],
    };
    if (event.text) {
      event.details = {message: event.text, ...event.details};
    }
    events.push(event);
  }
  return events;
}

function isViolation(event) {
  return event.action === 'deny' || event.action === 'evaluate/violation';
}

function kindOf(event) {
  if ('waived' in event.details) {
    return 'waived';
  }
  if (event.details.expected === true) {
    return 'expected';
  }
  return event.action === 'deny' ? 'enforced' : 'recorded';
}

// One line that says what happened.
function describe(event) {
  const details = event.details;
  const has = (name) => typeof details[name] === 'string' && details[name];
  if (event.text) {
    return event.text;
  }
  const parts = [];
  if (has('sent')) {
    parts.push(`${details.sent}, served at ${details.served}`);
  }
  if (has('before') || has('after')) {
    parts.push(`${details.before} \u2192 ${details.after}`);
  }
  if (has('wanted')) {
    parts.push(`wanted ${details.wanted}, is ${details.actual}`);
  }
  for (const name of ['method', 'reason', 'by', 'ended', 'lacks']) {
    if (has(name)) {
      parts.push(name === 'by' ? `by ${details.by}` : details[name]);
    }
  }
  if (typeof details.seconds === 'number') {
    parts.push(seconds(details.seconds));
  }
  return parts.join(', ');
}

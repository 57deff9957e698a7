// The view "Tests": search, filter, sort, in pages.

const PAGE = 100;

const ORDERS = {
  time: (a, b) => b.seconds - a.seconds,
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  start: (a, b) => a.start - b.start,
  broken: (a, b) => b.broken - a.broken || b.seconds - a.seconds,
};

function fillChoices(select, values, counts) {
  for (const value of values) {
    select.append(make('option', {value}, `${value} (${counts.get(value)})`));
  }
}

function countOf(values) {
  const counts = new Map();
  for (const value of values) {
    counts.set(value, (counts.get(value) || 0) + 1);
  }
  return counts;
}

function matching(tests, wanted) {
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  return tests.filter((test) =>
    (!wanted.outcome || test.outcome === wanted.outcome)
    && (!wanted.module || test.module === wanted.module)
    && (!wanted.rule || test.rules.some((rule) => rule[0] === wanted.rule))
    && words.every((word) => test.searched.includes(word)));
}

function testRow(test) {
  const rules = test.rules.map(([code, kind, count]) => make(
    'span', {class: `rule ${kind}`, title: kind},
    count > 1 ? `${code} \u00d7${number(count)}` : code));
  return make('tr', {},
    make('td', {}, outcomeBadge(test.outcome)),
    make('td', {class: 'name'},
      make('a', {href: `#test-${test.place}`},
        make('span', {class: 'module'}, test.module),
        make('span', {class: 'short'}, test.short))),
    make('td', {class: 'rules'}, rules),
    make('td', {class: 'number time'}, seconds(test.seconds)));
}

class TestList {
  constructor(model) {
    this.tests = model.tests;
    this.form = byId('filter');
    this.page = 0;
    const choose = (name, values) => {
      const counts = countOf(values);
      fillChoices(this.form.elements[name], [...counts.keys()].sort(), counts);
    };
    choose('outcome', this.tests.map((test) => test.outcome));
    choose('rule', this.tests.flatMap(
      (test) => [...new Set(test.rules.map((rule) => rule[0]))]));
    choose('module', this.tests.map((test) => test.module).filter(Boolean));
    this.form.elements.q.addEventListener('input', () => this.changed());
    // Not of the search: it changes when a click on a test leaves it.
    this.form.addEventListener('change', (event) => {
      if (event.target.name !== 'q') {
        this.changed();
      }
    });
    this.form.addEventListener('submit', (event) => event.preventDefault());
    this.form.addEventListener('reset', () => {
      // The fields are empty only after this event.
      setTimeout(() => this.changed());
    });
    byId('before').addEventListener('click', () => this.turn(-1));
    byId('after').addEventListener('click', () => this.turn(1));
  }

  wanted() {
    return Object.fromEntries(
      ['q', 'outcome', 'rule', 'module', 'sort'].map(
        (name) => [name, this.form.elements[name].value]));
  }

  // Take the filter of an address, such as "outcome=failed&q=evacuate".
  restore(query) {
    const asked = new URLSearchParams(query);
    for (const name of ['q', 'outcome', 'rule', 'module', 'sort']) {
      this.form.elements[name].value = asked.get(name)
        || (name === 'sort' ? 'time' : '');
    }
    this.page = 0;
    this.show();
  }

  changed() {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(this.wanted())) {
      if (value && !(name === 'sort' && value === 'time')) {
        asked.set(name, value);
      }
    }
    const query = asked.toString();
    history.replaceState(null, '', query ? `#tests?${query}` : '#tests');
    this.page = 0;
    this.show();
  }

  turn(by) {
    this.page += by;
    this.show();
    window.scrollTo(0, 0);
  }

  show() {
    const wanted = this.wanted();
    const found = matching(this.tests, wanted);
    found.sort(ORDERS[wanted.sort] || ORDERS.time);
    const first = this.page * PAGE;
    const shown = found.slice(first, first + PAGE);
    byId('rows').replaceChildren(
      ...shown.map(testRow));
    byId('count').textContent = found.length === this.tests.length
      ? plural(found.length, 'test')
      : `${number(found.length)} of ${plural(this.tests.length, 'test')}`;
    byId('nothing').hidden = found.length > 0;
    byId('pager').hidden = found.length <= PAGE;
    byId('before').disabled = this.page === 0;
    byId('after').disabled = first + PAGE >= found.length;
    byId('range').textContent = found.length
      ? `${number(first + 1)}\u2013${number(first + shown.length)}` : '';
  }
}

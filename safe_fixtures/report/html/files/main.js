// Which view is shown: the fragment of the address says it.

const model = readTests();
const list = new TestList(model);
const title = document.title;

function showView() {
  const address = location.hash.slice(1);
  const [name, query] = address.split('?', 2);
  const opened = /^test-(\d{1,9})$/.exec(name);
  const test = opened ? model.tests[Number(opened[1])] : undefined;
  const known = document.querySelector(`main > [data-view="${
    CSS.escape(name)}"]`);
  let view = known || byId('view-overview');
  if (test) {
    view = byId('view-test');
    showTest(model, test);
  } else if (name === 'tests') {
    list.restore(query || '');
  }
  for (const each of document.querySelectorAll('main > [data-view]')) {
    each.hidden = each !== view;
  }
  const current = test ? 'tests' : view.dataset.view;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${current}`) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }
  document.title = test ? `${test.short} \u2013 ${title}` : title;
  window.scrollTo(0, 0);
  return view;
}

window.addEventListener('hashchange', () => {
  const heading = showView().querySelector('h1');
  if (heading) {
    heading.focus({preventScroll: true});
  }
});

window.addEventListener('keydown', (event) => {
  const field = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === '/' && !field && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (byId('view-tests').hidden) {
      location.hash = '#tests';
    }
    setTimeout(() => byId('q').focus());
  }
});

byId('event-close').addEventListener('click', () => byId('event').close());

// On paper nothing can be opened.
const unfolded = [];
window.addEventListener('beforeprint', () => {
  for (const each of document.querySelectorAll('details:not([open])')) {
    each.open = true;
    unfolded.push(each);
  }
});
window.addEventListener('afterprint', () => {
  for (const each of unfolded.splice(0)) {
    each.open = false;
  }
});

showView();

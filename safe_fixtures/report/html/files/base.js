// Licensed under the Apache License, Version 2.0; see LICENSE.
// What all views use. Every text of a record gets in as textContent only.

// Make an element: make('td', {class: 'number'}, 'text', element, ...).
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? '' : value);
    }
  }
  element.append(...children.flat().filter((each) => each !== null));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

function number(value) {
  return value.toLocaleString('en-US');
}

function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

// Seconds, with as many digits as help to compare them.
function seconds(value) {
  const digits = value >= 100 ? 0 : value >= 1 ? 1 : 3;
  return `${value.toLocaleString('en-US', {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  })} s`;
}

// A long name, which breaks after a dot or an underscore.
function breakable(name) {
  return name.split(/(?<=[._])(?=[^._])/).flatMap(
    (part, place) => (place ? [make('wbr'), part] : [part]));
}

function outcomeBadge(outcome) {
  return make('span', {class: `outcome ${outcome}`}, outcome);
}

// The id of a test is long: its module is less important than its name.
function splitName(name) {
  const match = /^([\w.]+)\.(\w+\.\w.*)$/s.exec(name);
  return match ? [match[1], match[2]] : ['', name];
}

// Elements. Text only ever becomes text: nothing here, or anywhere on the page, reads markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Returns an element: `h('button.small', { type: 'button', onclick: save }, 'Save')`. Children that are
 * null or false are left out; attributes that are null or false too. */
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) element.className = classes.join(' ');
  return fill(element, attributes, children);
}

/** Returns an SVG element. */
export function svg(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = document.createElementNS(SVG, tag);
  if (classes.length) element.setAttribute('class', classes.join(' '));
  return fill(element, attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== 'string' && !(element instanceof SVGElement)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  put(element, ...children);
  return element;
}

/** Appends children. */
export function put(element, ...children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

/** Replaces all children by these. */
export function replace(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

/** Sets a text only if it differs, so that nothing unchanged is laid out again. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Sets or removes an attribute, only if it differs. */
export function attribute(element, name, value) {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/** A heading that takes the focus when its view is entered. */
export const heading = (...children) => h('h1', { tabindex: '-1' }, ...children);

/** A text for where there is nothing to show. */
export const nothing = (title, more) => h('div.nothing', {}, h('p.nothing-title', {}, title), more && h('p', {}, more));

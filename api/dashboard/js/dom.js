// Small tools to build and update the document without ever parsing data as markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** A new HTML element with attributes and children (nodes or texts). */
export function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** A new SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children);
  return node;
}

/** Set a node's text, touching the document only when it changes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute, or remove it for null, undefined and false, touching the document only when it changes. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** Show or hide a node. */
export function setShown(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

const childrenByKey = new WeakMap();

/**
 * Make the children of a container mirror a list: nodes are kept by key, moved when the order changes,
 * and removed when their item is gone, so that a page open for months holds no more nodes than it shows.
 * `create(item)` returns a part with a `node`; `update(part, item)` fills it.
 */
export function mirror(container, items, keyOf, create, update) {
  const before = childrenByKey.get(container) ?? new Map();
  const now = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const part = before.get(key) ?? create(item);
    before.delete(key);
    now.set(key, part);
  }
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  for (const part of before.values()) part.node.remove();
  let place = container.firstElementChild;
  for (const part of now.values()) {
    if (part.node === place) place = place.nextElementSibling;
    else container.insertBefore(part.node, place);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  childrenByKey.set(container, now);
  for (const item of items) update(now.get(keyOf(item)), item);
}

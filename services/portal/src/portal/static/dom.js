// Making elements, without ever parsing text as HTML.

import shapes from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] False and missing ones are left out.
 * @param {...(Node | string | null | undefined)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** One of the icons of templates/_sprite.svg. @param {string} name */
export function icon(name, classes = "icon") {
  const [viewBox, attributes, ...parts] = shapes[name] ?? shapes["state-unknown"];
  const svg = drawn(["svg", { viewBox, ...attributes }, ...parts]);
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  return svg;
}

function drawn([tag, attributes, ...children]) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map(drawn));
  return element;
}

/** @param {ParentNode} root @param {string} name */
export const part = (root, name) => root.querySelectorAll(`[data-part="${name}"]`);

/** Replaces what stands in the parts of this name. @param {ParentNode} root @param {string} name @param {...(Node | string)} children */
export function put(root, name, ...children) {
  for (const element of part(root, name)) element.replaceChildren(...children.map((child) => (typeof child === "string" ? child : child.cloneNode(true))));
}

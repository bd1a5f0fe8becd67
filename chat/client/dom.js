/** Short names for frequent operations on the page's elements. */

export const find = (id) => document.getElementById(id);

export const one = (parent, selector) => parent.querySelector(selector);

export const on = (target, type, listener) => target.addEventListener(type, listener);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** A button in a text or a message, with its action. */
export function makeButton(className, text, act) {
  const button = make("button", className, text);
  button.type = "button";
  on(button, "click", act);
  return button;
}

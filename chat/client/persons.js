/** The look of a person everywhere: a letter, a constant colour, a mark. */

import { make, one } from "./dom.js";
import { t } from "./texts.js";

const HUES = 12;

/** Give an element and its content the colour of a person. */
export function dress(element, { who, handle, account }) {
  element.dataset.hue = hueOf(who || handle);
  const name = one(element, ".handle");
  name.textContent = handle;
  one(element, ".avatar")?.remove();
  (name.closest("p") ?? name).before(avatar(handle));
  if (account && !name.nextElementSibling?.matches(".mark")) name.after(mark());
}

function hueOf(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % HUES;
}

function avatar(handle) {
  const element = make("span", "avatar", initialOf(handle));
  element.ariaHidden = "true";
  return element;
}

/** The first letter, digit or emoji of a name. */
function initialOf(handle) {
  const found = /[\p{L}\p{N}\p{Extended_Pictographic}]/u.exec(handle);
  return (found ? found[0] : ([...handle][0] ?? "")).toUpperCase();
}

/** The mark of an account, which reserves its name. */
function mark() {
  const element = make("span", "mark", "");
  element.role = "img";
  element.ariaLabel = element.title = t("has an account");
  return element;
}

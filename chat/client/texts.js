/**
 * The texts of the page in the reader's language.
 *
 * The English text is the key. The page has the translations in a block of JSON. Missing ones are
 * shown in English.
 */

const block = document.getElementById("texts");
const texts = block ? JSON.parse(block.textContent) : {};

/** The translated text, with each `{name}` replaced from `values`. */
export function t(text, values = {}) {
  return (texts[text] || text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

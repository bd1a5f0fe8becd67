/**
 * What the page says, in the reader's language.
 *
 * The English text is the key. The page holds a block of JSON with the others; where it has none,
 * English it is.
 */

const block = document.getElementById("texts");
const texts = block ? JSON.parse(block.textContent) : {};

/** The text, with `{name}` replaced by what `values` has under that name. */
export function t(text, values = {}) {
  return (texts[text] || text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

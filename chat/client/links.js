/** Turns http and https addresses in a text into links. Typed text is only inserted as text. */

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/giu;
const LAST_CHARACTERS = new Set(".,;:!?'*_~)]}»”’");

export function withLinks(text) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    if (!URL.canParse(address)) continue;
    fragment.append(text.slice(end, match.index), link(address));
    end = match.index + address.length;
  }
  fragment.append(text.slice(end));
  return fragment;
}

function link(address) {
  const element = document.createElement("a");
  element.href = address;
  element.rel = "noopener noreferrer nofollow";
  element.target = "_blank";
  element.textContent = address;
  return element;
}

/** The address without the punctuation around it. A bracket that opens inside stays. */
function trimmed(address) {
  let end = address.length;
  // A regular expression would take quadratic time for many dots.
  while (LAST_CHARACTERS.has(address[end - 1])) end -= 1;
  const short = address.slice(0, end);
  const isWiki = short.includes("(") && !short.includes(")") && address[short.length] === ")";
  return isWiki ? `${short})` : short;
}

/** Text with its http and https addresses as links. What a person typed only ever becomes text. */

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/giu;
const LAST_CHARACTERS = /[.,;:!?'*_~)\]}»”’]+$/u;

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

/** Without the punctuation of the sentence around it; a bracket stays that opens inside. */
function trimmed(address) {
  const short = address.replace(LAST_CHARACTERS, "");
  const isWiki = short.includes("(") && !short.includes(")") && address[short.length] === ")";
  return isWiki ? `${short})` : short;
}

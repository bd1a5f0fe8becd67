/** Values in the browser's storage. The page works without it. */

// Chats under two path prefixes of one host share the storage.
const { lobby } = document.body.dataset;
const keyHere = (key) => lobby.slice(1) + key;

export function recall(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(keyHere(key)));
  } catch {
    return null;
  }
}

export function remember(storage, key, value) {
  try {
    window[storage].setItem(keyHere(key), JSON.stringify(value));
  } catch {
    // Private windows, blocked storage, a full disk: the value ends with the page.
  }
}

/** Where an outbox keeps its entries, for as long as the tab lives. */
export function storedHere(key) {
  try {
    return { storage: window.sessionStorage, key: keyHere(key) };
  } catch {
    return {};
  }
}

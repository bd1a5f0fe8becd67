/** What the browser remembers, and goes without where a person forbids it to. */

export function recall(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null;
  }
}

export function remember(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // Private windows, blocked storage, a full disk: then it is forgotten with the page.
  }
}

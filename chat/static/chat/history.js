/** Messages from the room's history, as `{messages, more}`. */

async function fetchPage(url, key, id) {
  const response = await fetch(`${url}?${key}=${id}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`The history answered ${response.status}.`);
  return response.json();
}

export function before(url, id) {
  return fetchPage(url, "before", id);
}

/** All messages after an id, page by page. */
export async function* after(url, id) {
  let page;
  do {
    page = await fetchPage(url, "after", id);
    yield page.messages;
    id = page.messages.at(-1)?.id ?? id;
  } while (page.more);
}

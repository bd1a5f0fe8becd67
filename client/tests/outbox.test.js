import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Outbox, newNonce } from "../src/index.js";

/** What `sessionStorage` does, as far as an outbox needs it. */
class MemoryStorage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, value);
}

function flushed(outbox) {
  const sent = [];
  outbox.flush(({ content }) => void sent.push(content));
  return sent;
}

describe("Outbox", () => {
  it("sends each entry once on a connection, in order, and again on the next one", () => {
    const outbox = new Outbox();
    outbox.add("a");
    outbox.add("b");
    assert.deepEqual(flushed(outbox), ["a", "b"]);
    assert.deepEqual(flushed(outbox), []);
    outbox.rewind();
    outbox.add("c");
    assert.deepEqual(flushed(outbox), ["a", "b", "c"]);
  });

  it("stops at the first entry that cannot be sent", () => {
    const outbox = new Outbox();
    outbox.add("a");
    outbox.add("b");
    const asked = [];
    outbox.flush(({ content }) => {
      asked.push(content);
      return false;
    });
    assert.deepEqual(asked, ["a"]);
    assert.deepEqual(flushed(outbox), ["a", "b"]);
  });

  it("forgets what the server has taken", () => {
    const outbox = new Outbox();
    const { nonce } = outbox.add("a");
    assert.equal(outbox.remove(nonce).content, "a");
    assert.equal(outbox.remove(nonce), undefined);
    assert.equal(outbox.size, 0);
  });

  it("keeps a refused entry until it is tried again", () => {
    const outbox = new Outbox();
    const { nonce } = outbox.add("a");
    flushed(outbox);
    assert.equal(outbox.refuse(nonce, "too long").state, "failed");
    assert.deepEqual(flushed(outbox), []);
    outbox.retry(nonce, "b");
    assert.deepEqual(flushed(outbox), ["b"]);
    assert.equal(outbox.refuse("unknown", ""), undefined);
  });

  it("holds back what comes after an entry that is held back", () => {
    const outbox = new Outbox();
    const [a, b] = ["a", "b"].map((content) => outbox.add(content));
    flushed(outbox);
    outbox.holdBack(b.nonce, "too fast");
    outbox.holdBack(a.nonce, "too fast");
    assert.equal(outbox.add("c").state, "waiting");
    assert.deepEqual(flushed(outbox), []);
    assert.deepEqual(
      outbox.release().map(({ content }) => content),
      ["a", "b", "c"],
    );
    assert.deepEqual(flushed(outbox), ["a", "b", "c"]);
  });

  it("holds back an entry that was sent after the one that the server wants later", () => {
    const outbox = new Outbox();
    const [a] = ["a", "b"].map((content) => outbox.add(content));
    flushed(outbox);
    outbox.holdBack(a.nonce, "too fast");
    outbox.release();
    assert.deepEqual(flushed(outbox), ["a", "b"]);
  });

  it("says whether an answer is overdue", () => {
    const outbox = new Outbox();
    outbox.add("a");
    assert.equal(outbox.isStale(-1), false);
    flushed(outbox);
    assert.equal(outbox.isStale(-1), true);
    assert.equal(outbox.isStale(60_000), false);
  });

  it("outlives a reload of the page, in a storage", () => {
    const options = { storage: new MemoryStorage(), key: "room" };
    const before = new Outbox(options);
    const { nonce } = before.add({ text: "a" });
    before.refuse(before.add({ text: "b" }).nonce, "too long");
    const after = new Outbox(options);
    assert.deepEqual([...after], [...before]);
    for (const { nonce } of [...after]) after.remove(nonce);
    assert.equal(new Outbox(options).size, 0);
    assert.match(nonce, /^[0-9a-z-]{9,64}$/);
  });

  it("begins empty if the storage holds something else, and works without room in it", () => {
    for (const content of ["{", "7", '[{"nonce": 3}, null]']) {
      const storage = new MemoryStorage();
      storage.setItem("room", content);
      storage.setItem = () => {
        throw new Error("QuotaExceededError");
      };
      const outbox = new Outbox({ storage, key: "room" });
      assert.equal(outbox.size, 0);
      outbox.add("a");
      assert.deepEqual(flushed(outbox), ["a"]);
    }
  });
});

describe("newNonce", () => {
  it("never gives the same twice", () => {
    assert.equal(new Set(Array.from({ length: 1_000 }, newNonce)).size, 1_000);
  });
});

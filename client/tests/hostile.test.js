import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { connected, restoreTheClock, stopTheClock } from "./common.js";

let pass;
beforeEach(() => (pass = stopTheClock()));
afterEach(restoreTheClock);

/** Random numbers that are the same in each run (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe("A Client whose server makes mistakes", () => {
  it("takes any frame without an error, a loop or a lost message", async () => {
    let tokens = 0;
    const { server, client } = await connected({ onRequest: () => 1 }, { token: () => `t${++tokens}` });
    const [socket] = server.sockets;
    const group = client.join("news");
    await server.settled();
    const { nonce } = client.sendReliably("kept");
    await server.settled();
    const random = seeded(7);
    const one = (list) => list[Math.floor(random() * list.length)];
    const types = ["message", "ack", "error", "reply", "joined", "left", "pong", "request", "join", "news"];
    types.push("channels_workers.token", "channels_workers.resume", undefined, null, 3, {}, ["ack"]);
    const values = [undefined, null, true, 0, -1, 1, 2, 3, 1e300, "", "news", "later", "1:1", ":", "x", [], [1], {}];
    values.push({ a: 1 }, "__proto__", "constructor", nonce);
    const keys = ["payload", "stream", "group", "nonce", "id", "code", "message", "fields", "after", "at", "gap"];
    keys.push("name", "expires", "seconds", "token", "__proto__", "constructor");
    for (let count = 0; count < 20_000; count++) {
      if (count % 100 === 0) client.request(1).catch(() => {});
      if (count % 100 === 1) client.sendReliably(count);
      const frame = Object.fromEntries(keys.filter(() => random() < 0.4).map((key) => [key, one(values)]));
      socket.receive(JSON.stringify({ type: one(types), ...frame }));
    }
    await server.settled();
    const before = tokens;
    await pass(4_000, server);
    assert.ok(tokens - before <= 1, `${tokens - before} tokens in 4 s`);
    assert.equal(client.isOpen, true);
    assert.equal(typeof group.at, "string");
    assert.equal(await client.request(1), 1);
    client.close();
    mock.timers.tick(100_000);
  });
});

/** What tests of the Client share. */

import { mock } from "node:test";

import { Client } from "../src/index.js";
import { FakeServer } from "../src/testing.js";

/** What `sessionStorage` does, as far as the client needs it. */
export class MemoryStorage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, value);
  removeItem = (key) => void this.#items.delete(key);
}

/** One clock for timers and `performance.now()`. Returns a function that lets time pass. */
export function stopTheClock() {
  let now = 1_000;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(Math, "random", () => 1);
  mock.method(performance, "now", () => now);
  return async (milliseconds, server) => {
    for (let passed = 0; passed < milliseconds; ) {
      const step = Math.min(milliseconds - passed, Math.max(100, milliseconds / 100));
      passed += step;
      now += step;
      mock.timers.tick(step);
      await server?.settled();
    }
  };
}

export function restoreTheClock() {
  mock.timers.reset();
  mock.restoreAll();
}

/** All events of these names, in order. */
export function heard(emitter, ...names) {
  const events = [];
  for (const name of names) emitter.on(name, (detail) => events.push([name, detail]));
  return events;
}

/** A client that is connected to a server of its own. */
export async function connected(serverOptions = {}, options = {}) {
  const server = new FakeServer(serverOptions);
  const client = new Client("ws://example.com/board/", { WebSocket: server.WebSocket, heartbeat: 0, ...options });
  client.open();
  await server.settled();
  return { server, client };
}

/** The frames that a page has sent over a socket, of these types. */
export function frames(socket, ...types) {
  const all = socket.sent.map((text) => JSON.parse(text));
  return types.length ? all.filter(({ type = "message" }) => types.includes(type)) : all;
}

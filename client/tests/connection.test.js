import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { Connection } from "../src/index.js";
import { FakeWebSocket } from "../src/testing.js";

/** A connection with the states that it announced. */
function begun(options = {}) {
  const connection = new Connection("ws://example.com/room/", { WebSocket: FakeWebSocket, ...options });
  const states = [];
  connection.on("state", (state) => states.push(state));
  connection.open();
  return { connection, states, names: () => states.map(({ name }) => name) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("Connection", () => {
  beforeEach(() => {
    FakeWebSocket.reset();
    mock.timers.enable({ apis: ["setTimeout"] });
    mock.method(Math, "random", () => 0.5);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });

  it("announces its states and passes on frames", () => {
    const { connection, names } = begun();
    const frames = [];
    connection.on("data", (data) => frames.push(data));
    FakeWebSocket.last.accept();
    FakeWebSocket.last.receive("hello");
    assert.deepEqual(names(), ["connecting", "open"]);
    assert.deepEqual(frames, ["hello"]);
    assert.equal(connection.isOpen, true);
    assert.equal(connection.send("hi"), true);
    assert.deepEqual(FakeWebSocket.last.sent, ["hi"]);
  });

  it("connects once, however often it is asked", () => {
    const { connection } = begun();
    connection.open();
    FakeWebSocket.last.accept();
    connection.open();
    assert.equal(FakeWebSocket.all.length, 1);
  });

  it("sends nothing without a connection, and says so", () => {
    const { connection } = begun();
    assert.equal(connection.send("early"), false);
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end();
    assert.equal(connection.send("late"), false);
    assert.deepEqual(FakeWebSocket.last.sent, []);
  });

  it("connects again after a loss, each time after a longer delay", () => {
    const { names } = begun({ firstDelay: 1_000, longestDelay: 3_000 });
    // 0.75 of the delay, as the random part is half of it and `Math.random` gives 0.5.
    for (const delay of [750, 1_500, 2_250, 2_250]) {
      FakeWebSocket.last.end();
      const count = FakeWebSocket.all.length;
      mock.timers.tick(delay - 1);
      assert.equal(FakeWebSocket.all.length, count);
      mock.timers.tick(1);
      assert.equal(FakeWebSocket.all.length, count + 1);
    }
    assert.deepEqual(names().slice(0, 3), ["connecting", "lost", "connecting"]);
  });

  it("says whether an attempt is one of several, and whether the lost socket was open", () => {
    const { states } = begun();
    FakeWebSocket.last.end();
    mock.timers.tick(750);
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end(4012, "gone");
    const told = states.map(({ name, isAgain, wasOpen, code }) => ({ name, isAgain, wasOpen, code }));
    assert.deepEqual(told, [
      { name: "connecting", isAgain: false, wasOpen: undefined, code: undefined },
      { name: "lost", isAgain: undefined, wasOpen: false, code: 1006 },
      { name: "connecting", isAgain: true, wasOpen: undefined, code: undefined },
      { name: "open", isAgain: undefined, wasOpen: undefined, code: undefined },
      { name: "lost", isAgain: undefined, wasOpen: true, code: 4012 },
    ]);
  });

  it("comes back when a server that shuts down says so, and a bit later at random", () => {
    begun();
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end(4013, "retry-after: 4");
    mock.timers.tick(4_999);
    assert.equal(FakeWebSocket.all.length, 1);
    mock.timers.tick(1);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("waits for up to an hour and a half, whatever a server says", () => {
    begun({ longestDelay: 10_000 });
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end(4013, "retry-after: 1e9");
    mock.timers.tick(4_500_000);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("does not connect again after a final code", () => {
    const { states } = begun({ finalCodes: [4014] });
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end(4014, "the account is closed");
    mock.timers.tick(100_000);
    assert.equal(FakeWebSocket.all.length, 1);
    assert.deepEqual(states.at(-1), { name: "closed", code: 4014, reason: "the account is closed" });
  });

  it("replaces a socket whose handshake takes too long", () => {
    begun({ handshakeTimeout: 2_000 });
    const first = FakeWebSocket.last;
    mock.timers.tick(2_000);
    assert.deepEqual(first.closedWith, { code: undefined, reason: undefined });
    mock.timers.tick(750);
    assert.equal(FakeWebSocket.all.length, 2);
    first.accept();
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("replaces a socket that does not answer a probe", () => {
    const { connection, names } = begun({ probe: (each) => each.send("ping"), probeTimeout: 500 });
    FakeWebSocket.last.accept();
    connection.probe();
    connection.probe();
    assert.deepEqual(FakeWebSocket.last.sent, ["ping"]);
    FakeWebSocket.last.receive("pong");
    mock.timers.tick(500);
    assert.equal(names().at(-1), "open");
    connection.probe();
    mock.timers.tick(500);
    assert.equal(names().at(-1), "lost");
  });

  it("connects at once when it is probed while it waits", () => {
    const { connection } = begun();
    FakeWebSocket.last.end();
    connection.probe();
    assert.equal(FakeWebSocket.all.length, 2);
    mock.timers.tick(10_000);
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("asks for its subprotocols before each attempt", async () => {
    let count = 0;
    begun({ protocols: async () => [`token.${++count}`] });
    await settled();
    assert.deepEqual(FakeWebSocket.last.protocols, ["token.1"]);
    FakeWebSocket.last.end();
    mock.timers.tick(750);
    await settled();
    assert.deepEqual(FakeWebSocket.last.protocols, ["token.2"]);
  });

  it("tries again later if its subprotocols cannot be had", async () => {
    const { states } = begun({ protocols: () => Promise.reject(new Error("no token")) });
    await settled();
    assert.equal(FakeWebSocket.all.length, 0);
    const lost = states.find(({ name }) => name === "lost");
    assert.equal(lost.reason, "Error: no token");
  });

  it("opens nothing for an attempt that was given up meanwhile", async () => {
    const { connection } = begun({ protocols: async () => ["late"] });
    connection.close();
    await settled();
    assert.equal(FakeWebSocket.all.length, 0);
  });

  it("closes for good, and opens again when it is told to", () => {
    const { connection, names } = begun();
    FakeWebSocket.last.accept();
    connection.close(1000, "bye");
    assert.deepEqual(FakeWebSocket.last.closedWith, { code: 1000, reason: "bye" });
    FakeWebSocket.last.end(1000);
    mock.timers.tick(100_000);
    assert.equal(names().at(-1), "closed");
    connection.open();
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("knows that a socket which it replaces had been open", () => {
    const { connection, states } = begun();
    connection.restart();
    connection.open();
    FakeWebSocket.last.accept();
    connection.restart();
    const told = states.filter(({ name }) => name === "lost").map(({ wasOpen }) => wasOpen);
    assert.deepEqual(told, [false, true]);
  });

  it("hears nothing of a socket that it has replaced", () => {
    const { connection } = begun();
    const frames = [];
    connection.on("data", (data) => frames.push(data));
    const first = FakeWebSocket.last;
    first.accept();
    connection.restart();
    first.receive("late");
    assert.deepEqual(frames, []);
  });
});

describe("Connection without a WebSocket, as in Node.js 20", () => {
  it("says what is missing", () => {
    const { WebSocket } = globalThis;
    delete globalThis.WebSocket;
    try {
      assert.throws(() => new Connection("ws://example.com/"), /Pass a class as the option WebSocket/);
    } finally {
      if (WebSocket) globalThis.WebSocket = WebSocket;
    }
  });
});

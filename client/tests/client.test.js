import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { ChannelsError, Client, Outbox } from "../src/index.js";
import { FakeServer } from "../src/testing.js";
import { MemoryStorage, connected, frames, heard, restoreTheClock, stopTheClock } from "./common.js";

const refusing = (code, more = {}) => () => {
  throw new ChannelsError({ code, message: `it is ${code}`, ...more });
};

let pass;
beforeEach(() => (pass = stopTheClock()));
afterEach(restoreTheClock);

describe("Client", () => {
  it("offers the protocol, and forwards states", async () => {
    const server = new FakeServer();
    const client = new Client("ws://example.com/", { WebSocket: server.WebSocket });
    const states = heard(client, "state");
    client.open();
    await server.settled();
    assert.deepEqual(server.sockets[0].protocols, ["channels-workers.v1"]);
    assert.equal(client.isOpen, true);
    client.close();
    assert.deepEqual(
      states.map(([, { name }]) => name),
      ["connecting", "open", "closed"],
    );
    assert.equal(client.state, client.connection.state);
  });

  it("sends messages that a demultiplexer of Channels 1.x understands", async () => {
    const { server, client } = await connected();
    const board = client.stream("board");
    assert.equal(board.send({ text: "hi" }), true);
    assert.equal(client.send([1]), true);
    assert.deepEqual(frames(server.sockets[0]), [
      { stream: "board", payload: { text: "hi" } },
      { payload: [1] },
    ]);
    client.close();
    assert.equal(client.send("late"), false);
  });

  it("tells streams apart", async () => {
    const { server, client } = await connected();
    const onBoard = heard(client.stream("board"), "message");
    const all = heard(client, "message");
    server.send({ number: 1 }, { stream: "board" });
    server.send({ number: 2 }, { stream: "other" });
    server.send({ number: 3 });
    assert.deepEqual(onBoard, [["message", { stream: "board", payload: { number: 1 } }]]);
    assert.deepEqual(
      all.map(([, { payload }]) => payload.number),
      [1, 2, 3],
    );
    assert.equal(client.stream("board"), client.stream("board"));
  });

  it("passes on what it does not know", async () => {
    const { server, client } = await connected();
    const events = heard(client, "frame", "message", "error");
    const binary = new ArrayBuffer(3);
    const others = ["hello", "{", "3", "null", binary];
    for (const each of others) server.sockets[0].receive(each);
    for (const each of ['{"type": "news"}', '{"text": "no payload"}', '{"type": "__proto__"}', "[1]"]) {
      server.sockets[0].receive(each);
    }
    assert.deepEqual(
      events.map(([name]) => name),
      Array(9).fill("frame"),
    );
    assert.deepEqual(
      events.slice(0, 5).map(([, data]) => data),
      others,
    );
    assert.deepEqual(events[5][1], { type: "news" });
    server.sockets[0].receive('{"type": "error", "code": "invalid", "message": "no"}');
    assert.equal(events.at(-1)[1].code, "invalid");
  });
});

describe("Client.request", () => {
  it("is answered by id, in any order", async () => {
    const { server, client } = await connected({ onRequest: (payload, { stream }) => [stream, payload] });
    const both = [client.request(1), client.stream("board").request(2)];
    await server.settled();
    const [one, two] = frames(server.sockets[0]);
    assert.notEqual(one.id, two.id);
    assert.deepEqual(await Promise.all(both), [
      [null, 1],
      ["board", 2],
    ]);
  });

  it("is rejected with the error of the server", async () => {
    const fields = [{ field: "text", message: "too long" }];
    const { client } = await connected({ onRequest: refusing("invalid", { fields }) });
    await assert.rejects(client.request(1), { name: "ChannelsError", code: "invalid", fields, message: "it is invalid" });
  });

  it("takes errors without details, and with a code of later versions", async () => {
    const { server, client } = await connected({ onRequest: () => new Promise(() => {}) });
    const asked = client.request(1);
    const [{ id }] = frames(server.sockets[0]);
    server.sockets[0].receive(JSON.stringify({ type: "error", id, code: "sold_out" }));
    await assert.rejects(asked, { code: "sold_out", message: "sold_out", fields: [] });
  });

  it("times out, and the late answer is ignored", async () => {
    const { server, client } = await connected();
    const socket = server.sockets[0];
    const events = heard(client, "frame", "message", "error");
    socket.send = (text) => socket.sent.push(text); // the server never answers
    const asked = assert.rejects(client.request(1, { timeout: 500 }), { code: "timeout" });
    const slow = assert.rejects(client.request(1), { code: "timeout" });
    await pass(500);
    await asked;
    socket.receive(JSON.stringify({ type: "reply", id: frames(socket)[0].id, payload: 1 }));
    assert.deepEqual(events, []);
    await pass(9_500);
    await slow;
  });

  it("has no time-out that a timer cannot take", async () => {
    const { server, client } = await connected({ onRequest: () => 7 });
    assert.equal(await client.request(1, { timeout: Infinity }), 7);
    await server.settled();
  });

  it("can be aborted, before and after it is sent", async () => {
    const { server, client } = await connected({ onRequest: () => 7 });
    const gone = AbortSignal.abort(new Error("gone"));
    await assert.rejects(client.request(1, { signal: gone }), /gone/);
    assert.deepEqual(frames(server.sockets[0]), []);
    const controller = new AbortController();
    const asked = client.request(1, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    const { signal } = new AbortController();
    assert.equal(await client.request(1, { signal }), 7);
  });

  it("waits for the first connection", async () => {
    const server = new FakeServer({ onRequest: (payload) => payload + 1 });
    const client = new Client("ws://example.com/", { WebSocket: server.WebSocket });
    const asked = client.request(1);
    client.open();
    assert.equal(await asked, 2);
    client.close();
  });

  it("is rejected when the connection is lost, unless it may be repeated", async () => {
    let count = 0;
    const onRequest = (payload) => (++count > 1 ? payload : new Promise(() => {}));
    const { server, client } = await connected({ onRequest });
    const lost = assert.rejects(client.request("a"), { code: "lost" });
    const repeated = client.request("b", { idempotent: true });
    await server.settled();
    server.end();
    await lost;
    const waiting = client.request("c"); // it was never sent
    await pass(1_000, server);
    assert.deepEqual(await Promise.all([repeated, waiting]), ["b", "c"]);
    assert.deepEqual(
      frames(server.sockets[0]).map(({ payload }) => payload),
      ["b", "c"],
    );
  });

  it("is rejected when the client is closed", async () => {
    const { client } = await connected({ onRequest: () => new Promise(() => {}) });
    const both = [client.request(1), client.request(2, { idempotent: true })];
    client.close();
    for (const each of both) await assert.rejects(each, { code: "closed" });
  });
});

describe("Client.sendReliably", () => {
  it("keeps a message until the server confirms it", async () => {
    const { server, client } = await connected();
    const events = heard(client, "ack");
    const entry = client.stream("board").sendReliably({ text: "hi" });
    assert.deepEqual([...client.outbox], [entry]);
    await server.settled();
    assert.equal(client.outbox.size, 0);
    assert.deepEqual(events, [["ack", entry]]);
    assert.deepEqual(server.messages, [{ payload: { text: "hi" }, stream: "board", nonce: entry.nonce }]);
  });

  it("sends again what was not confirmed, and the server takes it once", async () => {
    const { server, client } = await connected();
    const [socket] = server.sockets;
    client.sendReliably(1);
    client.sendReliably(2);
    socket.readyState = 3; // the answers are lost
    await server.settled();
    assert.deepEqual(server.messages.map(({ payload }) => payload), [1, 2]);
    server.end();
    socket.end();
    client.sendReliably(3);
    await pass(1_000, server);
    assert.equal(client.outbox.size, 0);
    assert.deepEqual(frames(server.sockets[0]).map(({ payload }) => payload), [1, 2, 3]);
    assert.deepEqual(server.messages.map(({ payload }) => payload), [1, 2, 3]);
  });

  it("keeps a refused message, until it is tried again", async () => {
    let code = "invalid";
    const onMessage = () => code && refusing(code)();
    const { server, client } = await connected({ onMessage });
    const events = heard(client, "refused", "error");
    const { nonce } = client.sendReliably("a");
    await server.settled();
    const [[name, { entry, error }]] = events;
    assert.deepEqual([name, entry.state, entry.detail, error.code], ["refused", "failed", "it is invalid", "invalid"]);
    code = "";
    client.outbox.retry(nonce, { payload: "b" });
    client.flush();
    await server.settled();
    assert.deepEqual(server.messages, [{ payload: "b", stream: undefined, nonce }]);
  });

  it("holds back what the server wants later, with all that follows, in order", async () => {
    let isBusy = true;
    const onMessage = () => isBusy && refusing("later", { after: 3 })();
    const { server, client } = await connected({ onMessage });
    const events = heard(client, "held");
    client.sendReliably(1);
    client.sendReliably(2);
    await server.settled();
    client.sendReliably(3);
    assert.deepEqual([...client.outbox].map(({ state }) => state), Array(3).fill("waiting"));
    assert.equal(events[0][1].error.after, 3);
    isBusy = false;
    await pass(2_900, server);
    assert.deepEqual(server.messages, []);
    await pass(200, server);
    assert.deepEqual(server.messages.map(({ payload }) => payload), [1, 2, 3]);
  });

  it("sends what an earlier page held back", async () => {
    const storage = new MemoryStorage();
    const before = new Outbox({ storage });
    before.holdBack(before.add({ payload: "a" }).nonce, "later");
    const { server } = await connected({}, { outbox: new Outbox({ storage }) });
    assert.deepEqual(server.messages.map(({ payload }) => payload), ["a"]);
  });
});

describe("An outbox with more than a server takes", () => {
  it("has up to 100 messages under way", async () => {
    const { server, client } = await connected();
    const [socket] = server.sockets;
    const counts = [];
    const { send } = socket;
    socket.send = (text) => send.call(socket, text, counts.push(client.outbox.unanswered.length));
    for (let number = 0; number < 250; number++) client.sendReliably(number);
    assert.equal(frames(socket).length, 100);
    await server.settled();
    assert.equal(client.outbox.size, 0);
    assert.deepEqual(server.messages.map(({ payload }) => payload), Array.from({ length: 250 }, (_, at) => at));
    assert.ok(Math.max(...counts) <= 100);
  });

  it("finds the message that is too large, and refuses it alone", async () => {
    const onMessage = (payload) => {
      if (payload !== "large") return;
      server.end(4009, "");
      throw new Error("it is not taken");
    };
    const { server, client } = await connected({ onMessage });
    const events = heard(client, "refused", "ack");
    for (const each of ["a", "large", "b"]) client.sendReliably(each);
    for (let count = 0; count < 5; count++) await pass(3_000, server);
    assert.deepEqual(
      events.map(([name, { content, entry, error }]) => [name, (entry?.content ?? content).payload, error?.code]),
      [
        ["ack", "a", undefined],
        ["refused", "large", "too_large"],
        ["ack", "b", undefined],
      ],
    );
    assert.deepEqual([...client.outbox].map(({ state }) => state), ["failed"]);
    client.close();
  });

  it("takes nothing that JSON cannot express", async () => {
    const { server, client } = await connected({ onRequest: () => 7 });
    assert.throws(() => client.sendReliably(1n), TypeError);
    assert.equal(client.outbox.size, 0);
    await assert.rejects(client.request(1n), TypeError);
    const large = "ä".repeat(131_100);
    assert.throws(() => client.sendReliably(large), RangeError);
    assert.throws(() => client.send(large), RangeError);
    await assert.rejects(client.request(large), RangeError);
    assert.equal(client.send("a".repeat(261_000)), true);
    assert.equal(client.outbox.size, 0);
    server.end();
    await pass(1_000, server);
    assert.equal(await client.request(1), 7);
    client.close();
  });
});

describe("The heartbeat of a Client", () => {
  const beating = { heartbeat: 1_000, heartbeatTimeout: 600, probeTimeout: 300 };

  it("pings when nothing has come, and only then", async () => {
    const { server, client } = await connected({}, beating);
    const [socket] = server.sockets;
    for (let count = 0; count < 5; count++) {
      await pass(900, server);
      server.send("news");
    }
    assert.deepEqual(frames(socket), []);
    await pass(1_000, server);
    assert.deepEqual(frames(socket), [{ type: "ping" }]);
    await pass(5_000, server);
    assert.equal(client.isOpen, true);
    assert.equal(server.sockets[0], socket);
    client.close();
    await pass(5_000, server);
  });

  it("replaces a connection that does not answer", async () => {
    const { server, client } = await connected({}, beating);
    const [socket] = server.sockets;
    socket.send = () => {};
    await pass(1_500, server);
    assert.equal(client.state.name, "open");
    await pass(300, server);
    assert.equal(client.state.name, "lost");
    await pass(1_000, server);
    assert.equal(client.isOpen, true);
    client.close();
  });
});

describe("A Client in a page", () => {
  class Target extends EventTarget {
    hidden = false;
  }
  let names;
  beforeEach(() => {
    const target = new Target();
    names = { document: new Target(), addEventListener: target.addEventListener.bind(target) };
    names.dispatchEvent = target.dispatchEvent.bind(target);
    Object.assign(globalThis, names);
  });
  afterEach(() => {
    for (const name of Object.keys(names)) delete globalThis[name];
  });

  it("probes when the network comes back, until it is closed", async () => {
    const { server, client } = await connected({}, { healthUrl: false });
    const [socket] = server.sockets;
    globalThis.dispatchEvent(new Event("online"));
    assert.deepEqual(frames(socket), [{ type: "ping" }]);
    client.close();
    client.open();
    await server.settled();
    globalThis.dispatchEvent(new Event("online"));
    assert.deepEqual(frames(server.sockets[0]), [{ type: "ping" }]);
    client.close();
    globalThis.dispatchEvent(new Event("online"));
    assert.equal(server.sockets[0]?.sent.length, 1);
  });

  it("tells a refusal from an outage", async (test) => {
    const asked = [];
    test.mock.method(globalThis, "fetch", async (url) => asked.push(url));
    const server = new FakeServer();
    server.isDown = true;
    const client = new Client("ws://example.com/", { WebSocket: server.WebSocket, wakeups: false });
    const events = heard(client, "failure");
    client.open();
    await server.settled();
    assert.deepEqual(asked, ["/healthz"]);
    assert.deepEqual(events, [["failure", { isReachable: true }]]);
    client.close();
  });
});

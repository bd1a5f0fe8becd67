import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { ChannelsError, Client } from "../src/index.js";
import { FakeWebSocket } from "../src/testing.js";
import { MemoryStorage, connected, frames, heard, restoreTheClock, stopTheClock } from "./common.js";

let pass;
beforeEach(() => (pass = stopTheClock()));
afterEach(restoreTheClock);

const payloads = (events) => events.map(([name, { payload }]) => (name === "message" ? payload : name));

/** A server with a group that the client has joined. */
async function joined(serverOptions, joinOptions, clientOptions) {
  const { server, client } = await connected(serverOptions, clientOptions);
  server.publish("news", 0);
  const group = client.join("news", joinOptions);
  const events = heard(group, "message", "gap", "error");
  await server.settled();
  return { server, client, group, events };
}

describe("Group", () => {
  it("gets messages from the join on, and remembers their positions", async () => {
    const { server, client, group, events } = await joined();
    const all = heard(client, "message");
    assert.deepEqual([group.name, group.at], ["news", "1:1"]);
    server.publish("news", 1, { stream: "board" });
    server.publish("other", 2);
    assert.deepEqual(events, [["message", { group: "news", at: "1:2", stream: "board", payload: 1 }]]);
    assert.equal(group.at, "1:2");
    assert.equal(all.length, 1);
  });

  it("is the same for one name, until it is left", async () => {
    const { server, client, group, events } = await joined();
    assert.equal(client.join("news"), group);
    group.leave();
    await server.settled();
    server.publish("news", 1);
    assert.deepEqual(events, []);
    assert.notEqual(client.join("news"), group);
    group.leave(); // once more, which is not about the new one
    await server.settled();
    assert.deepEqual(frames(server.sockets[0]).map(({ type }) => type), ["join", "leave", "join"]);
  });

  it("gets what it missed after a lost connection: each once, in order", async () => {
    const { server, group, events } = await joined();
    server.publish("news", 1);
    server.end();
    server.publish("news", 2);
    server.publish("news", 3);
    await pass(1_000, server);
    server.publish("news", 4);
    assert.deepEqual(payloads(events), [1, 2, 3, 4]);
    assert.deepEqual(frames(server.sockets[0], "join").map(({ since }) => since), ["1:2"]);
    assert.equal(group.at, "1:5");
  });

  it("says when messages are missing, once", async () => {
    const { server, group, events } = await joined({ history: 2 });
    server.end();
    for (let number = 1; number <= 3; number++) server.publish("news", number);
    await pass(1_000, server);
    server.publish("news", 4);
    assert.deepEqual(payloads(events), ["gap", 4]);
    assert.equal(group.at, "1:5");
  });

  it("says that messages may be missing after each loss, if there is no history", async () => {
    const { server, group, events } = await joined({ history: 0 });
    assert.equal(group.at, undefined);
    server.publish("news", 1);
    server.end();
    await pass(1_000, server);
    server.publish("news", 2);
    assert.deepEqual(payloads(events), [1, "gap", 2]);
  });

  it("notices that the history has begun anew", async () => {
    const { server, group, events } = await joined();
    server.forget("news");
    server.publish("news", 1);
    server.publish("news", 2);
    assert.deepEqual(payloads(events), ["gap", 1, 2]);
    assert.equal(group.at, "2:2");
    server.end();
    server.forget("news");
    await pass(1_000, server);
    assert.deepEqual(payloads(events), ["gap", 1, 2, "gap"]);
  });

  it("goes on from a position that the page had, or a storage", async () => {
    const { events } = await joined({}, { since: "1:0" });
    assert.deepEqual(payloads(events), [0]);
    const storage = new MemoryStorage();
    const one = await joined({}, { storage });
    one.server.publish("news", 1);
    assert.equal(storage.getItem("channels-workers.at.news"), "1:2");
    one.server.publish("news", 2);
    storage.setItem("channels-workers.at.news", "1:2");
    one.client.close();
    const again = new Client("ws://example.com/", { WebSocket: one.server.WebSocket });
    again.open();
    const group = again.join("news", { storage });
    const missed = heard(group, "message");
    await one.server.settled();
    assert.deepEqual(payloads(missed), [2]);
    group.leave();
    assert.equal(storage.getItem("channels-workers.at.news"), null);
    again.close();
  });

  it("works without room in the storage", async () => {
    const storage = {
      getItem() {
        throw new Error("SecurityError");
      },
    };
    const { group } = await joined({}, { storage });
    assert.equal(group.at, "1:1");
  });

  it("hears why it was not joined, and tries again later or with the next connection", async () => {
    let code = "denied";
    const onJoin = () => {
      if (code) throw new ChannelsError({ code, after: 2 });
    };
    const { server, client, group, events } = await joined({ onJoin });
    const all = heard(client, "error");
    assert.deepEqual(events.map(([name, error]) => [name, error.code]), [["error", "denied"]]);
    code = "later";
    server.end();
    await pass(1_000, server);
    assert.equal(all.at(-1)[1].code, "later");
    code = "";
    await pass(1_900, server);
    assert.equal(group.at, undefined);
    await pass(200, server);
    assert.equal(group.at, "1:1");
  });

  it("is not joined twice if the connection is lost while it waits", async () => {
    let code = "later";
    const onJoin = () => {
      if (code) throw new ChannelsError({ code, after: 2 });
    };
    const { server } = await joined({ onJoin });
    code = "";
    server.end();
    await pass(5_000, server);
    assert.equal(frames(server.sockets[0], "join").length, 1);
  });
});

describe("A Group with a name of the server", () => {
  it("gets its messages under that name, also those before the answer", async () => {
    const client = new Client("ws://example.com/", { WebSocket: FakeWebSocket, heartbeat: 0 });
    const me = client.join("me", { since: "1:0" });
    const events = heard(me, "message", "joined");
    const all = heard(client, "message");
    client.open();
    const socket = FakeWebSocket.last;
    socket.accept();
    const say = (frame) => socket.receive(JSON.stringify(frame));
    say({ group: "user-42", at: "1:1", payload: 1 });
    say({ group: "joined-by-the-server", payload: 2 });
    assert.deepEqual(events, []);
    const [{ id }] = frames(socket, "join");
    say({ type: "joined", id, group: "me", name: "user-42", at: "1:1", gap: false });
    say({ group: "user-42", at: "1:2", payload: 3 });
    assert.deepEqual(payloads(events), [1, "joined", 3]);
    assert.deepEqual(payloads(all), [1, 2, 3]);
    assert.equal(me.at, "1:2");
    client.close();
  });
});

describe("Groups on a resumed connection", () => {
  const resumed = (details) =>
    FakeWebSocket.last.receive(`{"type": "channels_workers.resume", ${JSON.stringify(details).slice(1)}`);
  const say = (frame) => FakeWebSocket.last.receive(JSON.stringify(frame));
  const answer = (type, more) => {
    const { id, group } = frames(FakeWebSocket.last, type === "left" ? "leave" : "join").at(-1);
    say({ type, id, group, ...more });
  };

  /** A resumable client in a group, at the position 1:1, with a request under way, after a loss. */
  async function interrupted() {
    const client = new Client("ws://example.com/", { WebSocket: FakeWebSocket, heartbeat: 0, resume: true });
    client.open();
    FakeWebSocket.last.accept();
    resumed({ token: "t1", seconds: 30, resumed: false });
    const group = client.join("news");
    const events = heard(group, "message", "gap");
    answer("joined", { at: "1:1", gap: false });
    const asked = client.request("a");
    client.sendReliably("b");
    const sent = frames(FakeWebSocket.last);
    FakeWebSocket.last.end();
    return { client, group, events, asked, sent };
  }

  async function back(details) {
    await pass(1_000);
    FakeWebSocket.last.accept();
    resumed({ token: "t2", seconds: 30, resumed: true, received: 3, gap: false, ...details });
  }

  it("offers to resume", async () => {
    const { client, asked } = await interrupted();
    asked.catch(() => {});
    await pass(1_000);
    assert.deepEqual(FakeWebSocket.last.protocols, ["channels-workers.v1", "resume.t1.1"]);
    client.close();
  });

  it("goes on as if nothing had happened", async () => {
    const { client, events, asked, sent } = await interrupted();
    await back();
    assert.deepEqual(frames(FakeWebSocket.last), []);
    say({ group: "news", at: "1:2", payload: 1 });
    assert.deepEqual(payloads(events), [1]);
    say({ type: "reply", id: sent[1].id, payload: "done" });
    assert.equal(await asked, "done");
    say({ type: "ack", nonce: sent[2].nonce });
    assert.equal(client.outbox.size, 0);
    client.close();
  });

  it("leaves and joins again after a gap, and drops what will be repeated", async () => {
    const { client, group, events, asked, sent } = await interrupted();
    const lost = assert.rejects(asked, { code: "lost" });
    await back({ gap: true });
    await lost;
    assert.deepEqual(frames(FakeWebSocket.last).map(({ type, nonce }) => type ?? nonce), ["leave", sent[2].nonce]);
    say({ group: "news", at: "1:3", payload: 2 });
    assert.deepEqual(payloads(events), []);
    answer("left");
    assert.equal(frames(FakeWebSocket.last, "join")[0].since, "1:1");
    say({ group: "news", at: "1:2", payload: 1 });
    say({ group: "news", at: "1:3", payload: 2 });
    answer("joined", { at: "1:3", gap: false });
    assert.deepEqual(payloads(events), [1, 2]);
    assert.equal(group.at, "1:3");
    client.close();
  });

  it("leaves a group that was left meanwhile, unless it was joined again", async () => {
    for (const isAgain of [false, true]) {
      const { client, group, asked } = await interrupted();
      asked.catch(() => {});
      group.leave();
      if (isAgain) client.join("news");
      await back();
      assert.deepEqual(frames(FakeWebSocket.last).map(({ type }) => type), [isAgain ? "join" : "leave"]);
      client.close();
    }
  });

  it("begins anew if the server does", async () => {
    const { client, asked, sent } = await interrupted();
    const lost = assert.rejects(asked, { code: "lost" });
    await back({ resumed: false });
    await lost;
    const [join, message] = frames(FakeWebSocket.last);
    assert.deepEqual([join.type, join.since, message.nonce], ["join", "1:1", sent[2].nonce]);
    client.close();
  });
});

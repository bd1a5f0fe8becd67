import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { Client, tokenProtocol } from "../src/index.js";
import { FakeServer, FakeWebSocket } from "../src/testing.js";
import { connected, frames, heard, restoreTheClock, stopTheClock } from "./common.js";

const DAY = 24 * 3_600_000;

let pass;
beforeEach(() => (pass = stopTheClock()));
afterEach(restoreTheClock);

/** A callback that returns t1, t2, and so on. */
function tokens() {
  let count = 0;
  return Object.assign(async () => `t${++count}`, { count: () => count });
}

const sent = (socket) => frames(socket, "channels_workers.token").map(({ token }) => token);

describe("tokenProtocol", () => {
  it("is base64url without padding, as the server expects it", () => {
    for (const token of ["a", "ab", "abc", "~~~???>>>", "eyJ.eyJ.-_"]) {
      const text = tokenProtocol(token);
      assert.match(text, /^token\.[A-Za-z0-9_-]+$/);
      assert.equal(Buffer.from(text.slice(6), "base64url").toString(), token);
    }
  });
});

describe("The token of a Client", () => {
  it("is a new one for each connection, beside the subprotocols", async () => {
    const protocols = async () => ["channels-workers.v1", "board"];
    const { server, client } = await connected({}, { token: tokens(), protocols });
    assert.deepEqual(server.sockets[0].protocols, ["channels-workers.v1", "board", tokenProtocol("t1")]);
    server.end();
    await pass(1_000, server);
    assert.deepEqual(server.sockets[0].protocols.at(-1), tokenProtocol("t2"));
    client.close();
  });

  it("is renewed before it expires, by the seconds that the server says", async () => {
    const taken = [];
    const onToken = (token) => taken.push(token) && 100;
    mock.method(Date, "now", () => 0); // a clock that is wrong
    const { server, client } = await connected({ onToken }, { token: tokens() });
    const [socket] = server.sockets;
    await pass(74_000, server);
    assert.deepEqual(sent(socket), ["t1"]);
    await pass(2_000, server);
    assert.deepEqual(sent(socket), ["t1", "t2"]);
    await pass(76_000, server);
    assert.deepEqual(sent(socket), ["t1", "t2", "t3"]);
    assert.deepEqual(taken, ["t1", "t1", "t2", "t3"]);
    assert.equal(server.sockets[0], socket);
    client.close();
    await pass(DAY);
    assert.equal(FakeWebSocket.all.at(-1), socket);
  });

  it("is renewed by the time of its end, if the server does not say more", async () => {
    const { server, client } = await connected({}, { token: tokens() });
    const [socket] = server.sockets;
    const type = "channels_workers.token";
    socket.receive(JSON.stringify({ type, expires: Date.now() / 1_000 + 100 }));
    await pass(76_000, server);
    assert.deepEqual(sent(socket), ["t1", "t2"]);
    socket.receive(JSON.stringify({ type, expires: 5 })); // a clock that is wrong: not at once, and not for ever
    await pass(4_900, server);
    assert.equal(sent(socket).length, 2);
    await pass(200, server);
    assert.equal(sent(socket).length, 3);
    client.close();
  });

  it("is not renewed if it never expires", async () => {
    const { server, client } = await connected({ onToken: () => null }, { token: tokens() });
    await pass(400 * DAY, server);
    assert.deepEqual(sent(server.sockets[0]), ["t1"]);
    client.close();
  });

  it("may last longer than a timer of JavaScript", async () => {
    const { server, client } = await connected({ onToken: () => (100 * DAY) / 1_000 }, { token: tokens() });
    await pass(74 * DAY, server);
    assert.deepEqual(sent(server.sockets[0]), ["t1"]);
    await pass(2 * DAY, server);
    assert.deepEqual(sent(server.sockets[0]), ["t1", "t2"]);
    client.close();
  });

  it("is asked for again if it cannot be had", async () => {
    let count = 0;
    const token = async () => {
      if (++count === 2) throw new Error("offline");
      return `t${count}`;
    };
    const { server, client } = await connected({ onToken: () => 100 }, { token });
    const events = heard(client, "error");
    await pass(76_000, server);
    assert.deepEqual(events.map(([, { message }]) => message), ["offline"]);
    await pass(6_000, server);
    assert.deepEqual(sent(server.sockets[0]), ["t1", "t3"]);
    client.close();
  });

  it("is not sent over another connection than the one it was asked for", async () => {
    let give;
    let count = 0;
    const token = () => (++count === 2 ? new Promise((resolve) => (give = resolve)) : `t${count}`);
    const { server, client } = await connected({ onToken: () => 100 }, { token });
    await pass(76_000, server);
    server.end();
    await pass(1_000, server);
    give("late");
    await server.settled();
    assert.deepEqual(sent(server.sockets[0]), ["t3"]);
    client.close();
  });
});

describe("A Client whose token is refused", () => {
  it("gets one new token, and closes if that is refused too", async () => {
    for (const code of [4020, 4021]) {
      const token = tokens();
      const { server, client } = await connected({}, { token });
      const states = heard(client, "state");
      server.end(code, "");
      await pass(1_000, server);
      assert.equal(client.isOpen, true);
      assert.equal(token.count(), 2);
      server.end(code, "no");
      await pass(60_000, server);
      assert.equal(token.count(), 2);
      assert.deepEqual(
        states.map(([, { name }]) => name),
        ["lost", "connecting", "open", "lost", "closed"],
      );
      assert.deepEqual(client.state, { name: "closed", code, reason: "no" });
    }
  });

  it("goes on after a connection that lasted", async () => {
    const { server, client } = await connected({}, { token: tokens() });
    for (let count = 0; count < 3; count++) {
      await pass(6_000, server);
      server.end(4020);
      await pass(1_000, server);
    }
    assert.equal(client.isOpen, true);
    client.close();
  });

  it("gets a new one again when it is opened, or was connected meanwhile", async () => {
    const options = { token: tokens(), firstDelay: 500, longestDelay: 500 };
    const { server, client } = await connected({}, options);
    const refused = async () => {
      server.end(4021);
      await pass(1_000, server);
    };
    await refused();
    await pass(10_000, server);
    server.end();
    await pass(1_000, server);
    await refused();
    assert.equal(client.isOpen, true);
    await refused();
    assert.equal(client.state.name, "closed");
    client.open();
    await server.settled();
    await refused();
    assert.equal(client.isOpen, true);
    client.close();
  });

  it("closes without a token", async () => {
    const server = new FakeServer();
    const client = new Client("ws://example.com/", { WebSocket: server.WebSocket, token: async () => null });
    client.open();
    await server.settled();
    await pass(60_000, server);
    assert.deepEqual(client.state, { name: "closed", code: 4021, reason: "There is no token" });
    assert.equal(server.sockets.length, 0);
  });

  it("is not closed by an attempt that was given up", async () => {
    let count = 0;
    let give;
    const token = () => (++count === 1 ? new Promise((resolve) => (give = resolve)) : "t");
    const { server, client } = await connected({}, { token });
    client.close();
    client.open();
    give(null);
    await server.settled();
    assert.equal(client.isOpen, true);
    client.close();
  });

  it("tries again later if the token cannot be had", async () => {
    let count = 0;
    const token = () => (++count === 1 ? Promise.reject(new Error("offline")) : "t");
    const { server, client } = await connected({}, { token });
    assert.equal(client.state.reason, "Error: offline");
    await pass(1_000, server);
    assert.equal(client.isOpen, true);
    client.close();
  });

  it("connects again as usual if it has none", async () => {
    const { server, client } = await connected();
    for (let count = 0; count < 3; count++) {
      server.end(4020);
      await pass(30_000, server);
      assert.equal(client.isOpen, true);
    }
    client.close();
  });
});

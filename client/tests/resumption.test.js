import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { Connection, Resumption } from "../src/index.js";
import { FakeWebSocket } from "../src/testing.js";

/** A resumable connection with the states and frames that it announced. */
function begun(options = {}) {
  const given = { WebSocket: FakeWebSocket, resume: new Resumption(), ...options };
  const connection = new Connection("ws://example.com/room/", given);
  const opened = [];
  const frames = [];
  connection.on("state", ({ name, ...details }) => name === "open" && opened.push(details));
  connection.on("data", (data) => frames.push(data));
  connection.open();
  return { connection, opened, frames };
}

/** Answer as the server does. */
function answer(details = {}) {
  const content = { type: "channels_workers.resume", token: "t1", seconds: 30, resumed: false, ...details };
  FakeWebSocket.last.receive(JSON.stringify(content).replaceAll('":', '": '));
}

/** Accept the socket and end it, with these frames on both sides between. */
function lived({ connection }, { sent = [], received = [] } = {}) {
  FakeWebSocket.last.accept();
  answer();
  for (const each of sent) connection.send(each);
  for (const each of received) FakeWebSocket.last.receive(each);
  FakeWebSocket.last.end();
  connection.open();
}

describe("A resumable Connection", () => {
  beforeEach(() => {
    FakeWebSocket.reset();
    mock.timers.enable({ apis: ["setTimeout"] });
  });
  afterEach(() => mock.timers.reset());

  it("offers to be resumable, beside other subprotocols", () => {
    begun({ protocols: ["channels-workers.v1", "board"] });
    assert.deepEqual(FakeWebSocket.last.protocols, ["channels-workers.v1", "board", "resume"]);
  });

  it("does not ask without the option", () => {
    begun({ resume: undefined });
    assert.deepEqual(FakeWebSocket.last.protocols, []);
  });

  it("goes on where it was, and sends again what the server does not have", () => {
    const all = begun();
    lived(all, { sent: ["a", "b", "c"], received: ["1", '{"type": "channels_workers.token", "expires": 1}', "2"] });
    assert.deepEqual(FakeWebSocket.last.protocols, ["channels-workers.v1", "resume.t1.2"]);
    FakeWebSocket.last.accept();
    assert.equal(all.connection.isOpen, false);
    assert.equal(all.connection.send("early"), false);
    answer({ token: "t2", resumed: true, received: 1, gap: false });
    assert.deepEqual(FakeWebSocket.last.sent, ["b", "c"]);
    assert.deepEqual(all.opened, [{ resumed: false }, { resumed: true, gap: false, lost: 0 }]);
    FakeWebSocket.last.receive("3");
    assert.deepEqual(all.frames, ["1", '{"type": "channels_workers.token", "expires": 1}', "2", "3"]);
    all.connection.send("d");
    FakeWebSocket.last.end();
    all.connection.open();
    assert.deepEqual(FakeWebSocket.last.protocols, ["channels-workers.v1", "resume.t2.3"]);
    FakeWebSocket.last.accept();
    answer({ resumed: true, received: 4, gap: true });
    assert.deepEqual(FakeWebSocket.last.sent, []);
    assert.deepEqual(all.opened.at(-1), { resumed: true, gap: true, lost: 0 });
  });

  it("takes another token at any time", () => {
    const all = begun();
    FakeWebSocket.last.accept();
    answer();
    FakeWebSocket.last.receive('{"type": "channels_workers.resume", "token": "t2", "seconds": 30}');
    all.connection.send("a");
    FakeWebSocket.last.end();
    all.connection.open();
    assert.deepEqual(all.frames, []);
    assert.equal(FakeWebSocket.last.protocols.at(-1), "resume.t2.0");
    FakeWebSocket.last.accept();
    answer({ resumed: true, received: 0 });
    assert.deepEqual(FakeWebSocket.last.sent, ["a"]);
  });

  it("begins anew if the server does", () => {
    const all = begun();
    lived(all, { sent: ["a"], received: ["1"] });
    FakeWebSocket.last.accept();
    answer({ token: "t2" });
    assert.deepEqual(FakeWebSocket.last.sent, []);
    assert.deepEqual(all.opened, [{ resumed: false }, { resumed: false }]);
    FakeWebSocket.last.end();
    all.connection.open();
    assert.deepEqual(FakeWebSocket.last.protocols.at(-1), "resume.t2.0");
  });

  it("takes a server that cannot resume any more", () => {
    const all = begun();
    lived(all, { sent: ["a"] });
    FakeWebSocket.last.accept();
    FakeWebSocket.last.receive("hello");
    assert.deepEqual(all.opened, [{ resumed: false }, { resumed: false }]);
    assert.deepEqual(all.frames, ["hello"]);
    FakeWebSocket.last.end();
    all.connection.open();
    assert.equal(FakeWebSocket.last.protocols.at(-1), "resume");
  });

  it("gives up on a server that accepts and is silent", () => {
    const all = begun({ handshakeTimeout: 1_000 });
    lived(all);
    FakeWebSocket.last.accept();
    mock.timers.tick(1_000);
    all.connection.open();
    assert.equal(FakeWebSocket.last.protocols.at(-1), "resume");
  });

  it("keeps its token when the handshake is refused or late", () => {
    const all = begun({ handshakeTimeout: 1_000 });
    lived(all);
    FakeWebSocket.last.end();
    all.connection.open();
    mock.timers.tick(1_000);
    all.connection.open();
    assert.equal(FakeWebSocket.last.protocols.at(-1), "resume.t1.0");
  });

  it("begins anew after its own close, and where another socket has replaced it", () => {
    for (const code of [1000, 1001, 4022]) {
      const all = begun();
      FakeWebSocket.last.accept();
      answer();
      if (code === 1000) all.connection.close();
      else FakeWebSocket.last.end(code);
      all.connection.open();
      assert.equal(FakeWebSocket.last.protocols.at(-1), "resume");
    }
  });

  it("keeps few of the frames that it sent, and says how many are lost", () => {
    const all = begun({ resume: new Resumption(10) });
    const bytes = new Uint8Array([1, 2, 3]);
    lived(all, { sent: ["x".repeat(8), "abcd", "e", bytes.subarray(1)] });
    bytes[1] = 9;
    FakeWebSocket.last.accept();
    answer({ resumed: true, received: 0 });
    assert.deepEqual(all.opened.at(-1), { resumed: true, gap: false, lost: 1 });
    assert.deepEqual(FakeWebSocket.last.sent.slice(0, 2), ["abcd", "e"]);
    assert.deepEqual(new Uint8Array(FakeWebSocket.last.sent[2]), new Uint8Array([2, 3]));
  });
});

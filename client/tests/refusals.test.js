import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { Connection, watchRefusals } from "../src/index.js";
import { FakeWebSocket } from "../src/testing.js";

const PAGE = "http://example.com/healthz";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("watchRefusals", () => {
  let connection;
  let told;
  let end;

  beforeEach(() => {
    FakeWebSocket.reset();
    mock.timers.enable({ apis: ["setTimeout"] });
    mock.method(globalThis, "fetch", async () => new Response("", { status: 503 }));
    connection = new Connection("ws://example.com/", { WebSocket: FakeWebSocket });
    told = [];
    end = watchRefusals(connection, PAGE, (isReachable) => told.push(isReachable));
    connection.open();
  });
  afterEach(() => {
    connection.close();
    mock.timers.reset();
    mock.restoreAll();
  });

  it("says that the site answers, whatever it answers", async () => {
    FakeWebSocket.last.end();
    await settled();
    assert.deepEqual(told, [true]);
    assert.equal(fetch.mock.calls[0].arguments[0], PAGE);
  });

  it("says that the site does not answer", async () => {
    fetch.mock.mockImplementation(() => Promise.reject(new TypeError("no route")));
    FakeWebSocket.last.end();
    await settled();
    assert.deepEqual(told, [false]);
  });

  it("asks nothing after a socket that was open", async () => {
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end();
    await settled();
    assert.equal(fetch.mock.callCount(), 0);
  });

  it("says nothing that is out of date, and nothing after its end", async () => {
    FakeWebSocket.last.end();
    connection.open();
    await settled();
    end();
    FakeWebSocket.last.end();
    await settled();
    assert.deepEqual(told, []);
  });
});

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";

import { Connection, watchWakeups } from "../src/index.js";
import { FakeWebSocket } from "../src/testing.js";

/** A page with a connection that is looked after. */
class Page {
  constructor() {
    this.document = new EventTarget();
    this.window = new EventTarget();
    globalThis.document = this.document;
    globalThis.addEventListener = this.window.addEventListener.bind(this.window);
    this.probes = 0;
    this.connection = new Connection("ws://example.com/", {
      WebSocket: FakeWebSocket,
      probe: () => this.probes++,
      probeTimeout: 1_000,
    });
    this.connection.open();
    FakeWebSocket.last.accept();
    this.end = watchWakeups(this.connection, { silence: 30_000 });
  }

  remove() {
    this.end();
    delete globalThis.document;
    delete globalThis.addEventListener;
  }
}

describe("watchWakeups", () => {
  let page;

  beforeEach(() => {
    FakeWebSocket.reset();
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    page = new Page();
  });
  afterEach(() => {
    page.remove();
    mock.timers.reset();
    mock.restoreAll();
  });

  it("leaves a connection alone that was heard of", () => {
    mock.method(Date, "now", ((start) => () => (start += 2_000))(Date.now()));
    mock.timers.tick(2_000);
    page.window.dispatchEvent(new Event("focus"));
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.probes, 0);
  });

  it("probes when the machine has slept", () => {
    const start = Date.now();
    mock.method(Date, "now", () => start + 60_000);
    mock.timers.tick(2_000);
    assert.equal(page.probes, 1);
  });

  it("probes a visible page that has heard nothing for long, and not a hidden one", () => {
    const clock = performance.now() + 31_000;
    mock.method(performance, "now", () => clock);
    page.document.hidden = true;
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.probes, 0);
    page.document.hidden = false;
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.probes, 1);
  });

  it("probes when the network comes and goes", () => {
    page.window.dispatchEvent(new Event("offline"));
    assert.equal(page.probes, 1);
    FakeWebSocket.last.receive("answer");
    page.window.dispatchEvent(new Event("online"));
    assert.equal(page.probes, 2);
  });

  it("connects at once when the network is back", () => {
    FakeWebSocket.last.end();
    page.window.dispatchEvent(new Event("online"));
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("closes a page that is left, and connects one that comes back as it was", () => {
    page.window.dispatchEvent(new Event("pagehide"));
    assert.equal(page.connection.state.name, "closed");
    page.window.dispatchEvent(new Event("online"));
    assert.equal(FakeWebSocket.all.length, 1);
    page.window.dispatchEvent(new Event("pageshow"));
    assert.equal(FakeWebSocket.all.length, 2);
  });

  it("does not open what the page itself has closed", () => {
    page.connection.close();
    for (const type of ["pagehide", "pageshow", "online"])
      page.window.dispatchEvent(new Event(type));
    mock.timers.tick(60_000);
    assert.equal(FakeWebSocket.all.length, 1);
  });

  it("does nothing any more after its end", () => {
    page.end();
    page.window.dispatchEvent(new Event("offline"));
    assert.equal(page.probes, 0);
  });
});

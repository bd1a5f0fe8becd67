import assert from "node:assert/strict";
import { createServer } from "node:http";
import { afterEach, test } from "node:test";

import { Connection } from "../src/connection.js";
import { FakeWebSocket } from "../src/testing.js";
import { REMEMBERED, withFallbacks } from "../src/transports.js";

/** A server of fallback transports, in memory, that a test can let fail. */
class Server {
  sockets = new Map();
  asked = [];
  /** Returns true if it has answered a request in its own way. */
  interfere = () => false;

  async start() {
    this.http = createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    this.url = `ws://127.0.0.1:${this.http.address().port}/room/?a=b`;
    return this;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }

  get last() {
    return [...this.sockets.values()].at(-1);
  }

  /** Send a frame to the client of the newest socket. */
  push(...frames) {
    this.last.frames.push(...frames);
    this.last.wake();
  }

  close(code, reason) {
    Object.assign(this.last, { close: { code, reason } });
    this.last.wake();
  }

  async #serve(request, response) {
    let text = "";
    for await (const part of request) text += part;
    const verb = request.headers["channels-workers-transport"];
    const body = JSON.parse(text);
    this.asked.push({ verb, body, url: request.url });
    if (this.interfere(verb, body, response, request)) return;
    this.answer(verb, body, response);
  }

  answer(verb, body, response) {
    if (verb === "open") {
      const id = `id${this.sockets.size}`;
      const socket = { frames: [], received: [], wake: () => {}, acked: 0 };
      this.sockets.set(id, socket);
      return json(response, { id, protocol: body.protocols[0] ?? null, timeout: this.timeout ?? 30 });
    }
    const socket = this.sockets.get(body.id);
    if (!socket) return json(response, { error: "gone" }, 410);
    if (verb === "send") {
      for (const [at, frame] of body.frames.entries())
        if (body.first + at === socket.received.length + 1) socket.received.push(frame);
      socket.acked = Math.max(socket.acked, body.ack);
      return json(response, { received: socket.received.length });
    }
    if (verb === "close") {
      socket.closedWith = body.code;
      return json(response, {});
    }
    let after = body.after;
    const batch = () => {
      const frames = socket.frames.slice(after);
      const found = { first: after + 1, frames, ...(socket.close && { close: socket.close }) };
      after = socket.frames.length;
      return frames.length || socket.close ? found : undefined;
    };
    if (body.by === "poll") {
      const answer = () => {
        const found = batch();
        if (found && !response.writableEnded) json(response, found);
      };
      socket.wake = answer;
      return answer();
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(": begins\n\n");
    socket.wake = () => {
      const found = batch();
      if (found) response.write(`id: ${after}\ndata: ${JSON.stringify(found)}\n\n`);
    };
    socket.wake();
  }
}

function json(response, content, status = 200) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(content));
}

/** A storage in memory. */
function storage() {
  const kept = new Map();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

const ended = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
  FakeWebSocket.reset();
});

async function start() {
  const server = await new Server().start();
  ended.push(() => server.stop());
  return server;
}

/** A socket with what it got. */
function open(Socket, url, protocols) {
  const socket = new Socket(url, protocols);
  socket.got = [];
  socket.addEventListener("message", ({ data }) => socket.got.push(data));
  ended.push(() => socket.close());
  return socket;
}

const event = (socket, type) =>
  new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));

async function until(condition, what = String(condition)) {
  for (let tries = 0; tries < 2_000; tries++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`Waited in vain: ${what}`);
}

const onlyHttp = { WebSocket: null, storage: undefined };

for (const transport of ["sse", "poll"]) {
  test(`frames go both ways in order by ${transport}`, async () => {
    const server = await start();
    const Socket = withFallbacks({ ...onlyHttp, transports: [transport] });
    const socket = open(Socket, server.url, ["a", "b"]);
    assert.equal(socket.readyState, 0);
    assert.throws(() => socket.send("early"), { name: "InvalidStateError" });
    await event(socket, "open");
    assert.equal(socket.readyState, 1);
    assert.equal(socket.protocol, "a");
    assert.equal(socket.transport, transport);
    assert.equal(server.asked[0].url, "/room/?a=b");
    for (let number = 0; number < 500; number++) {
      socket.send(`to ${number}`);
      server.push(`from ${number}`);
    }
    await until(() => socket.got.length === 500 && server.last.received.length === 500);
    assert.deepEqual(socket.got, Array.from({ length: 500 }, (_, number) => `from ${number}`));
    assert.deepEqual(
      server.last.received,
      Array.from({ length: 500 }, (_, number) => `to ${number}`),
    );
    await until(() => socket.bufferedAmount === 0);
    assert.ok(server.asked.filter(({ verb }) => verb === "send").length < 100);
    server.close(4321, "so");
    const end = await event(socket, "close");
    assert.deepEqual([end.code, end.reason, end.wasClean, socket.readyState], [4321, "so", true, 3]);
  });
}

test("binary frames have the type that the page wants", async () => {
  const server = await start();
  const socket = open(withFallbacks(onlyHttp), server.url);
  socket.binaryType = "arraybuffer";
  await event(socket, "open");
  socket.send(new Uint8Array([0, 1, 255]).subarray(1));
  socket.send(new Blob(["hi"]));
  socket.send(new Uint8Array([7]).buffer);
  socket.send("half \ud800");
  await until(() => server.last.received.length === 4);
  assert.deepEqual(server.last.received, [
    { bytes: "Af8=" },
    { bytes: "aGk=" },
    { bytes: "Bw==" },
    "half \ufffd",
  ]);
  server.push({ bytes: "AAEC" });
  await until(() => socket.got.length === 1);
  assert.deepEqual([...new Uint8Array(socket.got[0])], [0, 1, 2]);
  socket.binaryType = "blob";
  server.push({ bytes: "aGk=" });
  await until(() => socket.got.length === 2);
  assert.equal(await socket.got[1].text(), "hi");
});

test("what is sent before close() arrives, and the code with it", async () => {
  const server = await start();
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  socket.send("last");
  assert.throws(() => socket.close(1001), { name: "InvalidAccessError" });
  socket.close(3005, "done");
  socket.send("too late");
  assert.equal(socket.readyState, 2);
  const end = await event(socket, "close");
  assert.deepEqual([end.code, end.reason, end.wasClean], [3005, "done", true]);
  assert.deepEqual(server.last.received, ["last"]);
  assert.equal(server.last.closedWith, 3005);
});

test("frames arrive once and in order although answers are lost", async () => {
  const server = await start();
  let count = 0;
  server.interfere = (verb, body, response, request) => {
    if (verb !== "send" || ++count % 3 === 0) return false;
    if (count % 3 === 1) return request.socket.destroy() || true; // never came
    server.answer(verb, body, { writeHead() {}, end() {} });
    return request.socket.destroy() || true; // came, and its answer did not
  };
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  for (let number = 0; number < 20; number++) {
    socket.send(number);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await until(() => server.last.received.length === 20);
  assert.deepEqual(
    server.last.received,
    Array.from({ length: 20 }, (_, number) => `${number}`),
  );
});

test("a cut stream goes on after the last frame", async () => {
  const server = await start();
  const streams = [];
  server.interfere = (verb, body, response) => {
    if (body.by === "sse") streams.push(response);
    return false;
  };
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  server.push("one");
  await until(() => socket.got.length === 1);
  streams[0].destroy();
  server.last.wake = () => {};
  server.push("two");
  await until(() => socket.got.length === 2);
  assert.deepEqual(socket.got, ["one", "two"]);
  assert.equal(server.asked.filter(({ body }) => body.by === "sse").at(-1).body.after, 1);
  assert.equal(socket.transport, "sse");
});

test("a stream that a proxy collects is given up for long poll", async () => {
  const server = await start();
  server.interfere = (verb, body) => body.by === "sse"; // no byte comes
  const kept = storage();
  const socket = open(
    withFallbacks({ ...onlyHttp, streamTimeout: 50, storage: kept }),
    server.url,
  );
  await event(socket, "open");
  server.push("one");
  await until(() => socket.got.length === 1);
  assert.equal(socket.transport, "poll");
  assert.match(kept.getItem(REMEMBERED), /^\d+ poll$/);
});

test("streams that are always cut at once are given up for long poll", async () => {
  const server = await start();
  server.interfere = (verb, body, response) => {
    if (body.by !== "sse") return false;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(": begins\n\n", () => response.destroy());
    return true;
  };
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  server.push("one");
  await until(() => socket.got.length === 1);
  assert.equal(socket.transport, "poll");
});

test("the server is told what has come before it stops sending", async () => {
  const server = await start();
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  for (let number = 0; number < 64; number++) server.push("x");
  await until(() => server.last.acked >= 1);
  assert.deepEqual(server.asked.find(({ verb }) => verb === "send").body.frames, []);
});

test("a socket that the site does not know any more ends with 1006", async () => {
  const server = await start();
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  server.sockets.clear();
  socket.send("x");
  const end = await event(socket, "close");
  assert.deepEqual([end.code, end.wasClean], [1006, false]);
});

test("without an answer for as long as the server waits it ends with 1006", async () => {
  const server = await start();
  server.timeout = 0.3;
  const socket = open(withFallbacks(onlyHttp), server.url);
  await event(socket, "open");
  server.stop();
  assert.equal((await event(socket, "close")).code, 1006);
});

test("a WebSocket that opens is used", async () => {
  const server = await start();
  const kept = storage();
  const socket = open(
    withFallbacks({ WebSocket: FakeWebSocket, storage: kept }),
    server.url,
    "a",
  );
  socket.binaryType = "arraybuffer";
  FakeWebSocket.last.accept("a");
  assert.equal(socket.transport, "websocket");
  assert.equal(socket.protocol, "a");
  assert.equal(FakeWebSocket.last.binaryType, "arraybuffer");
  assert.deepEqual(FakeWebSocket.last.protocols, ["a"]);
  socket.send("hi");
  FakeWebSocket.last.receive("there");
  assert.deepEqual([FakeWebSocket.last.sent, socket.got], [["hi"], ["there"]]);
  let end;
  socket.onclose = (event) => (end = event);
  FakeWebSocket.last.end(4000, "so");
  assert.deepEqual([end.code, end.reason, socket.readyState], [4000, "so", 3]);
  assert.equal(kept.kept.size, 0);
  assert.deepEqual(server.asked, []);
});

test("a WebSocket that does not open in time is replaced at once", async () => {
  const server = await start();
  const Socket = withFallbacks({ WebSocket: FakeWebSocket, openTimeout: 30, storage: storage() });
  const socket = open(Socket, server.url);
  await event(socket, "open");
  assert.equal(socket.transport, "sse");
  assert.ok(FakeWebSocket.last.closedWith);
  FakeWebSocket.last.end(); // its events are those of a socket that was left
  assert.equal(socket.readyState, 1);
});

for (const lives of [false, true]) {
  test(`WebSockets that are ${lives ? "cut at once" : "refused"} twice are replaced`, async () => {
    const server = await start();
    const kept = storage();
    const Socket = withFallbacks({ WebSocket: FakeWebSocket, storage: kept });
    for (let number = 1; number <= 2; number++) {
      const socket = open(Socket, server.url);
      assert.equal(FakeWebSocket.all.length, number);
      if (lives) FakeWebSocket.last.accept();
      FakeWebSocket.last.end();
      assert.equal(socket.readyState, 3);
    }
    const socket = open(Socket, server.url);
    await event(socket, "open");
    assert.equal(FakeWebSocket.all.length, 2);
    await until(() => kept.kept.size);
    const [until_, name] = kept.getItem(REMEMBERED).split(" ");
    assert.equal(name, "sse");
    assert.ok(Math.abs(Number(until_) - Date.now() - 600_000) < 10_000);
  });
}

test("closes of the application say nothing about the network", async () => {
  const server = await start();
  const Socket = withFallbacks({ WebSocket: FakeWebSocket, storage: storage() });
  for (let number = 1; number <= 5; number++) {
    open(Socket, server.url);
    FakeWebSocket.last.accept();
    FakeWebSocket.last.end(number % 2 ? 4001 : 1006);
  }
  assert.equal(FakeWebSocket.all.length, 5);
});

test("another page of the tab begins with what worked, and later with a WebSocket", async () => {
  const server = await start();
  const kept = storage();
  kept.setItem(REMEMBERED, `${Date.now() + 500} poll`);
  const options = { WebSocket: FakeWebSocket, storage: kept };
  const socket = open(withFallbacks(options), server.url);
  await event(socket, "open");
  assert.equal(socket.transport, "poll");
  server.push("x");
  await until(() => socket.got.length === 1);
  assert.equal(FakeWebSocket.all.length, 0);
  await until(() => Number(kept.getItem(REMEMBERED).split(" ")[0]) < Date.now());
  open(withFallbacks(options), server.url);
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a time that a changed clock has put far away is not believed", async () => {
  const kept = storage();
  kept.setItem(REMEMBERED, `${Date.now() + 6_000_000} sse`);
  open(withFallbacks({ WebSocket: FakeWebSocket, storage: kept }), "ws://127.0.0.1:1/");
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a storage that is forbidden does no harm", async () => {
  const server = await start();
  const forbidden = () => {
    throw new Error("SecurityError");
  };
  const broken = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
  const socket = open(withFallbacks({ ...onlyHttp, storage: broken }), server.url);
  await event(socket, "open");
});

test("a site without fallbacks gets WebSockets again", async () => {
  const server = await start();
  server.interfere = (verb, body, response) => {
    response.writeHead(405, { "Content-Type": "text/html" });
    return response.end("no");
  };
  const kept = storage();
  kept.setItem(REMEMBERED, `${Date.now() + 60_000} sse`);
  const Socket = withFallbacks({ WebSocket: FakeWebSocket, storage: kept });
  const socket = open(Socket, server.url);
  assert.equal((await event(socket, "close")).code, 1006);
  assert.equal(kept.kept.size, 0);
  open(Socket, server.url);
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a server with too many handshakes under way is asked again when it says so", async () => {
  const server = await start();
  server.interfere = (verb, body, response) => {
    response.setHeader("Retry-After", "7");
    json(response, { error: "refused" }, 503);
    return true;
  };
  const socket = open(withFallbacks(onlyHttp), server.url);
  const { code, reason } = await event(socket, "close");
  assert.deepEqual({ code, reason }, { code: 1006, reason: "retry-after: 7" });
});

test("while the site is away it remembers what the network needs", async () => {
  const kept = storage();
  kept.setItem(REMEMBERED, `${Date.now() + 60_000} sse`);
  const socket = open(
    withFallbacks({ WebSocket: FakeWebSocket, storage: kept }),
    "ws://127.0.0.1:1/",
  );
  assert.equal((await event(socket, "close")).code, 1006);
  assert.equal(kept.kept.size, 1);
});

test("a Connection uses it as any WebSocket, and opens anew what was lost", async () => {
  const server = await start();
  const Socket = withFallbacks({ ...onlyHttp });
  const connection = new Connection(server.url, { WebSocket: Socket, firstDelay: 10 });
  const got = [];
  connection.on("data", (data) => got.push(data));
  connection.open();
  await until(() => connection.isOpen);
  connection.send("one");
  await until(() => server.last.received.length === 1);
  server.close(1012, "restarts");
  await until(() => server.sockets.size === 2 && connection.isOpen);
  server.push("two");
  await until(() => got.length === 1);
  connection.close();
  await until(() => server.last.closedWith === 1000);
});

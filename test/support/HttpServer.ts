import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

/** Closes the TCP connection, so that the client never learns the outcome. */
export const RESET = Symbol.for("sync-scheduler.test.reset")

/** If a body stream fails, the connection is closed at that point. */
export type Answer = Response | typeof RESET

export interface HttpServer {
  readonly url: string
  readonly close: () => Promise<void>
}

/** Uses node:http because Bun.serve cannot close a connection before responding. */
export const serveHttp = async (
  handler: (request: Request) => Promise<Answer> | Answer,
  port = 0
): Promise<HttpServer> => {
  const server = createServer((incoming, outgoing) => {
    void respond(handler, incoming, outgoing)
  })
  // Keeps clients from reusing a connection that the server is about to close because it is idle.
  server.keepAliveTimeout = 600_000
  server.requestTimeout = 0
  server.timeout = 0
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no TCP address")
  let closing: Promise<void> | undefined
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      return closing
    }
  }
}

const respond = async (
  handler: (request: Request) => Promise<Answer> | Answer,
  incoming: IncomingMessage,
  outgoing: ServerResponse
): Promise<void> => {
  const gone = new AbortController()
  outgoing.on("close", () => gone.abort())
  outgoing.on("error", () => gone.abort())
  incoming.on("error", () => gone.abort())
  try {
    const answer = await handler(await toRequest(incoming, gone.signal))
    if (answer === RESET) incoming.socket.destroy()
    else await send(answer, outgoing, gone.signal)
  } catch (error) {
    // To a client, a bug in this server looks like a server crash, so log the error.
    if (!gone.signal.aborted) console.error("test server:", error)
    incoming.socket.destroy()
  }
}

const toRequest = async (incoming: IncomingMessage, signal: AbortSignal): Promise<Request> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of incoming) chunks.push(chunk)
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one)
  }
  const method = incoming.method ?? "GET"
  const body = method === "GET" || method === "HEAD" ? null : Buffer.concat(chunks)
  const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "127.0.0.1"}`)
  return new Request(url, { method, headers, body, signal })
}

const send = async (answer: Response, outgoing: ServerResponse, gone: AbortSignal) => {
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (answer.body === null) {
    outgoing.end()
    return
  }
  const reader = answer.body.getReader()
  gone.addEventListener("abort", () => void reader.cancel().catch(() => undefined), { once: true })
  try {
    while (!gone.aborted) {
      const { done, value } = await reader.read()
      if (done) break
      if (!outgoing.write(value)) await drained(outgoing, gone)
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  }
}

const drained = (outgoing: ServerResponse, gone: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    outgoing.once("drain", () => resolve())
    gone.addEventListener("abort", () => resolve(), { once: true })
  })

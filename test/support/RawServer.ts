import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"

/** Sends exactly the bytes that the test writes, and records what it receives. */
export interface RawServer {
  readonly url: string
  readonly port: number
  readonly requests: ReadonlyArray<string>
  readonly firstRequest: Promise<void>
  /** Resolves when a connection that carried a request has been closed. */
  readonly closed: Promise<void>
  readonly stop: () => void
}

export type Behaviour = (socket: Socket, n: number) => unknown

export const serveRaw = async (
  behaviour: Behaviour,
  tls?: { readonly key: string; readonly cert: string }
): Promise<RawServer> => {
  const requests: Array<string> = []
  const sockets = new Set<Socket>()
  const firstRequest = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const onSocket = (socket: Socket) => {
    sockets.add(socket)
    let text = ""
    socket.on("error", () => undefined)
    socket.on("data", (data) => {
      // A TLS ClientHello on a plaintext port gets a 400 response, as from a real server, and is not recorded.
      if (data[0] === 0x16) return socket.end(http("400 Bad Request"))
      text += data.toString()
      if (!isWhole(text)) return undefined
      requests.push(text)
      text = ""
      socket.once("close", closed.resolve)
      firstRequest.resolve()
      return behaviour(socket, requests.length)
    })
  }
  const server: Server = tls ? createTlsServer(tls, onSocket) : createServer(onSocket)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no TCP address")
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    firstRequest: firstRequest.promise,
    closed: closed.promise,
    stop: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}

const isWhole = (text: string): boolean => {
  const [head = "", body] = text.split("\r\n\r\n", 2)
  if (body === undefined) return false
  if (/^transfer-encoding: *chunked/im.test(head)) return text.endsWith("0\r\n\r\n")
  return body.length >= Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
}

/** The body must have been sent whole or in one chunk. */
export const jsonOf = (request: string): unknown =>
  JSON.parse(request.slice(request.indexOf("{"), request.lastIndexOf("}") + 1))

export const headerOf = (request: string, name: string): string | undefined =>
  new RegExp(`^${name}: *(.*?)\\r$`, "im").exec(`${request.split("\r\n\r\n")[0]}\r`)?.[1]

export const http = (status: string, body = "", headers: Record<string, string> = {}): string =>
  [
    `HTTP/1.1 ${status}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
    "",
    body
  ].join("\r\n")

/** A self-signed certificate for another host name. */
export const wrongCertificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg83EMuKD2i7TlX6oj
43x/9ob264GY14eZJkGtavOAa52hRANCAARzvEd+7V+/31TWhBK6W6wvz9SvJgci
loQAP6Qzj2Bazad8/ZiQ9j/RkKrHh6O4/zDKgcuSyIY4BdnPOHD7NVcT
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUbQ660wKnsVIqP1b8dLKduR4e6TAwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNb3RoZXIuZXhhbXBsZTAgFw0yNjExMjQwMzE4MDVaGA8yMTI2
MTAzMTAzMTgwNVowGDEWMBQGA1UEAwwNb3RoZXIuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABHO8R37tX7/fVNaEErpbrC/P1K8mByKWhAA/pDOPYFrN
p3z9mJD2P9GQqseHo7j/MMqBy5LIhjgF2c84cPs1VxOjbTBrMB0GA1UdDgQWBBQX
oJ714YWtVyyx9WpNx0YJYRCmfjAfBgNVHSMEGDAWgBQXoJ714YWtVyyx9WpNx0YJ
YRCmfjAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDW90aGVyLmV4YW1wbGUw
CgYIKoZIzj0EAwIDSAAwRQIgN4jVXtn/JgPHHzq+iEzH9kY9tEmku9lqH7FHQ3AR
24ECIQDpRIYQjGpi6Mh9qQB5mViEJuVeOC4SoZsnzwgwQ6s1DA==
-----END CERTIFICATE-----`
}

import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { TLSSocket } from "node:tls"

/** Stands between a client and a PostgreSQL server, and fails as networks do. */
export interface TcpProxy {
  readonly port: number
  /** Connections made so far. */
  readonly connections: () => number
  /** From now on nothing gets through, in either direction, and nobody is told. New connections are accepted. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Resets every connection. */
  readonly cut: () => void
  readonly stop: () => void
}

/**
 * Forwards to 127.0.0.1:`target`. With `tls` it answers PostgreSQL's SSLRequest itself and speaks TLS to the client, so
 * that a server without certificates can be reached over TLS.
 */
export const startProxy = async (
  target: number,
  tls?: { readonly key: string; readonly cert: string }
): Promise<TcpProxy> => {
  const pairs = new Set<Socket>()
  let frozen = false
  let count = 0
  const keep = (socket: Socket) => {
    pairs.add(socket)
    socket.on("error", () => undefined).on("close", () => pairs.delete(socket))
    return socket
  }
  const join = (client: Socket) => {
    const upstream = keep(connect(target, "127.0.0.1"))
    const forward = (from: Socket, to: Socket) =>
      from.on("data", (data) => frozen || to.write(data)).on("close", () => to.destroy())
    forward(client, upstream)
    forward(upstream, client)
  }
  const server = createServer((socket) => {
    count += 1
    keep(socket)
    if (tls === undefined) return join(socket)
    return socket.once("data", () => {
      socket.write("S")
      join(keep(new TLSSocket(socket, { isServer: true, ...tls })))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no TCP address")
  const cut = () => {
    for (const socket of pairs) socket.resetAndDestroy()
  }
  return {
    port: address.port,
    connections: () => count,
    freeze: () => {
      frozen = true
    },
    thaw: () => {
      frozen = false
    },
    cut,
    stop: () => {
      server.close()
      cut()
    }
  }
}

import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { TLSSocket } from "node:tls"

export interface TcpProxy {
  readonly port: number
  readonly connections: () => number
  /** Blocks all data without an error. New connections are still accepted. */
  readonly freeze: () => void
  /** Blocks existing connections only, as after a NAT timeout or a failover. New connections work. */
  readonly freezeExisting: () => void
  readonly thaw: () => void
  /** Lets the next query that contains `query` commit, but resets the connection before the response. */
  readonly loseAnswer: (query: string) => void
  readonly refuse: () => void
  readonly cut: () => void
  readonly stop: () => void
}

/** With `tls`, the proxy speaks TLS to the client, so the server needs no certificates. */
export const startProxy = async (
  target: number,
  tls?: { readonly key: string; readonly cert: string }
): Promise<TcpProxy> => {
  const pairs = new Set<Socket>()
  const dead = new WeakSet<Socket>()
  let frozen = false
  let lost: string | null = null
  let count = 0
  const keep = (socket: Socket) => {
    pairs.add(socket)
    socket.on("error", () => undefined).on("close", () => pairs.delete(socket))
    return socket
  }
  const join = (client: Socket) => {
    const upstream = keep(connect(target, "127.0.0.1"))
    let isAsked = false
    const forward = (from: Socket, to: Socket) =>
      from
        .on("data", (data) => {
          if (lost !== null && from === client && data.includes(lost)) isAsked = true
          // A row arrives only after its statement has been executed.
          if (isAsked && from === upstream && data.includes("{")) {
            isAsked = false
            lost = null
            return client.resetAndDestroy()
          }
          return frozen || dead.has(from) || to.write(data)
        })
        .on("close", () => dead.has(from) || to.destroy())
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
    freezeExisting: () => {
      for (const socket of pairs) dead.add(socket)
    },
    loseAnswer: (query) => {
      lost = query
    },
    thaw: () => {
      frozen = false
    },
    refuse: () => server.close(),
    cut,
    stop: () => {
      server.close()
      cut()
    }
  }
}

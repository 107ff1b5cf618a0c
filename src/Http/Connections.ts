import { Predicate } from "effect"

/** The options for one request, and the callbacks for its result. */
export interface Connection {
  /** The options for `fetch`, which determine whether a kept-alive connection may be used. */
  readonly init: RequestInit
  readonly answered: () => void
  /** Call this if the request may have been sent but no response arrived. */
  readonly lost: () => void
}

/**
 * The idle time after which a kept-alive connection is no longer used, in milliseconds. NATs and load balancers drop a connection
 * that has been idle for a minute or more.
 */
const TRUSTED_MS = 15_000
/** The idle time after which the runtime has closed every kept-alive connection, in milliseconds. Bun 1.4 does so after 300 s. */
const KEPT_MS = 310_000

/**
 * Decides which requests from one client may use a connection that the runtime keeps alive. If a NAT has dropped a connection, or
 * the server has disappeared, the connection still looks open, and a request over this connection gets no response before its
 * deadline. Kept-alive connections are therefore not used after a request without a response or after an idle period.
 *
 * `now` returns epoch milliseconds, because the wall clock also counts the time during which a machine is suspended.
 */
export class Connections {
  private answeredAt = Number.POSITIVE_INFINITY
  private keptAt = Number.NEGATIVE_INFINITY
  private distrustedUntil = Number.NEGATIVE_INFINITY
  private generation: RequestInit = {}
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  next(): Connection {
    if (this.now() - this.answeredAt > TRUSTED_MS) this.distrust()
    const isKept = this.now() >= this.distrustedUntil
    if (isKept) this.keptAt = this.now()
    return {
      init: isKept ? this.generation : OWN,
      answered: () => {
        this.answeredAt = this.now()
        if (isKept) this.keptAt = this.answeredAt
      },
      lost: () => this.distrust()
    }
  }

  /**
   * Stops using the kept-alive connections. In Deno, requests use a new set of connections. Bun has only one set, so each request
   * uses its own connection until the runtime has closed all kept-alive connections.
   */
  private distrust(): void {
    this.answeredAt = Number.POSITIVE_INFINITY
    if (canRenew) this.generation = newGeneration()
    else this.distrustedUntil = this.keptAt + KEPT_MS
  }
}

/** Makes Bun open a new connection for the request and close it afterwards. */
const OWN: RequestInit = { keepalive: false }

const deno: unknown = Reflect.get(globalThis, "Deno")
const makeClient: unknown = Predicate.hasProperty(deno, "createHttpClient")
  ? deno.createHttpClient
  : undefined
const canRenew = Predicate.isFunction(makeClient)

/**
 * Makes a new Deno client, because Deno keeps separate connections for each client. An older Edge Runtime cannot make clients, so
 * requests use its default client.
 */
const newGeneration = (): RequestInit => {
  const init: object = Predicate.isFunction(makeClient)
    ? { client: Reflect.apply(makeClient, deno, [{}]) }
    : {}
  return init
}

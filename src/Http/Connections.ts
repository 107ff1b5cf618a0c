import { Predicate } from "effect"

export interface Connection {
  /** Options for `fetch` that allow or forbid a kept-alive connection. */
  readonly init: RequestInit
  readonly answered: () => void
  /** Reports that the request was possibly sent but got no response. */
  readonly lost: () => void
}

/**
 * The idle time after which a kept-alive connection is not used, in milliseconds. Some NATs drop a connection that is idle for a
 * minute.
 */
const TRUSTED_MS = 15_000
/** The idle time after which every kept-alive connection is closed, in milliseconds. Bun 1.4 closes a connection after 300 s. */
const KEPT_MS = 310_000

/**
 * Decides which requests of a client can use a kept-alive connection. A connection that a NAT has dropped still looks open, and a
 * request over it gets no response before its deadline. Kept-alive connections are therefore not used after a request without a
 * response or after an idle period.
 *
 * `now` returns epoch milliseconds, because the wall clock includes the time during which a machine is suspended.
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
   * Stops using the kept-alive connections. Deno switches to a new set of connections. Bun has only one set, so each request uses
   * its own connection until the runtime has closed all kept-alive connections.
   */
  private distrust(): void {
    this.answeredAt = Number.POSITIVE_INFINITY
    if (canRenew) this.generation = newGeneration()
    else this.distrustedUntil = this.keptAt + KEPT_MS
  }
}

/** Makes Bun use a new connection for the request. */
const OWN: RequestInit = { keepalive: false }

const deno: unknown = Reflect.get(globalThis, "Deno")
const makeClient: unknown = Predicate.hasProperty(deno, "createHttpClient")
  ? deno.createHttpClient
  : undefined
const canRenew = Predicate.isFunction(makeClient)

/**
 * Creates a new client, because Deno keeps separate connections for each client. Returns no options if the runtime cannot create
 * one.
 */
const newGeneration = (): RequestInit => {
  const init: object = Predicate.isFunction(makeClient)
    ? { client: Reflect.apply(makeClient, deno, [{}]) }
    : {}
  return init
}

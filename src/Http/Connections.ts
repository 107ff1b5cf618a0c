import { Predicate } from "effect"

/** The options of one request, and the callbacks for its result. */
export interface Connection {
  /** The options for `fetch`, which decide whether a kept connection may be used. */
  readonly init: RequestInit
  readonly answered: () => void
  /** Called when no answer arrived although the request may have been sent. */
  readonly lost: () => void
}

/**
 * The idle time after which a kept connection is no longer used, in milliseconds. NATs and load balancers drop an idle connection
 * after a minute or more.
 */
const TRUSTED_MS = 15_000
/** The time after which the runtime has closed its kept connections (Bun 1.4: 300 s), in milliseconds. */
const KEPT_MS = 310_000

/**
 * Decides which requests of one client may use a connection that the runtime keeps. A connection that a NAT has dropped, or whose
 * server has disappeared, looks open but loses the request, which then waits for its whole deadline. Kept connections are therefore
 * not used after a request without an answer or after an idle period.
 *
 * `now` is in epoch milliseconds, because the wall clock also counts the time that a machine was suspended.
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
   * Stops using the kept connections. Deno switches to a new set of connections. Bun has only one set, so each request uses its own
   * connection until that set is empty.
   */
  private distrust(): void {
    this.answeredAt = Number.POSITIVE_INFINITY
    if (canRenew) this.generation = newGeneration()
    else this.distrustedUntil = this.keptAt + KEPT_MS
  }
}

/** Makes Bun open a connection for the request, and close it afterwards. */
const OWN: RequestInit = { keepalive: false }

const deno: unknown = Reflect.get(globalThis, "Deno")
const makeClient: unknown = Predicate.hasProperty(deno, "createHttpClient")
  ? deno.createHttpClient
  : undefined
const canRenew = Predicate.isFunction(makeClient)

/**
 * Makes a new Deno client, because Deno keeps connections per client. An older Edge Runtime cannot make clients, so its default
 * client is used.
 */
const newGeneration = (): RequestInit => {
  const init: object = Predicate.isFunction(makeClient)
    ? { client: Reflect.apply(makeClient, deno, [{}]) }
    : {}
  return init
}

import { lookup } from "node:dns/promises"
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import { Clock, Effect, Layer } from "effect"
import { readBody } from "../Domain/AnswerBody.ts"
import type { ProbeTarget } from "../Domain/ApiHost.ts"
import { ProbeError } from "../Domain/Errors.ts"
import { tidyMessage } from "../Domain/Message.ts"
import { codesIn } from "../Domain/Provider.ts"
import { type ProbeAnswer, Prober } from "../Services/Prober.ts"
import { isPublicAddress } from "./PublicAddress.ts"

const TIMEOUT_MS = 5_000
/** The most of an answer's body that is read: enough for an error code. */
const MAX_BYTES = 16 * 1024

/** Where probes may go. */
export interface AddressPolicy {
  readonly allowsAddress: (address: string) => boolean
  readonly allowsPort: (port: number) => boolean
}

/** The public internet, on the port of https. */
export const publicOnly: AddressPolicy = {
  allowsAddress: isPublicAddress,
  allowsPort: (port) => port === 443
}

export interface ProberOptions {
  /** Ours, for the User-Agent. */
  readonly version: string
  readonly policy?: AddressPolicy
  /** All addresses of a name; the system's resolver when left out. */
  readonly resolve?: (host: string) => Promise<ReadonlyArray<string>>
  /** A certificate authority (PEM) to trust instead of the system's. */
  readonly authority?: string
  /** From the look-up of the name to the end of what is read; 5 s when left out. */
  readonly timeoutMs?: number
}

/**
 * Probes over node:https, which here means three things: the name is looked up once, the connection goes to the very address
 * that was checked (a second look-up could answer differently), and no proxy of the environment is used, which would look
 * it up by itself. It is loaded by the first probe: most ticks send none.
 */
export const layer = (options: ProberOptions): Layer.Layer<Prober> => {
  const { policy = publicOnly, resolve = resolveBySystem, timeoutMs = TIMEOUT_MS } = options
  return Layer.succeed(Prober, {
    probe: (target) =>
      Effect.gen(function* () {
        const began = yield* Clock.currentTimeMillis
        const url = yield* checkUrl(target.url, policy)
        const address = yield* findAddress(url.hostname, policy, resolve)
        const answer = yield* send(target, url, address, options)
        const latencyMs = Math.max(answer.headAt - began, 0)
        return toAnswer(answer, latencyMs)
      }).pipe(
        Effect.timeoutFail({ duration: timeoutMs, onTimeout: () => tooSlow(timeoutMs) }),
        Effect.withSpan("Prober.probe", { kind: "client", captureStackTrace: false })
      )
  })
}

const tooSlow = (timeoutMs: number): ProbeError =>
  new ProbeError({ reason: "TimedOut", detail: `no answer within ${timeoutMs / 1_000} s` })

const refused = (detail: string): ProbeError => new ProbeError({ reason: "Refused", detail })

/** What can be said of the URL before anybody is asked. The parser has made 0x7f.1 and 2130706433 to 127.0.0.1 already. */
const checkUrl = (text: string, policy: AddressPolicy): Effect.Effect<URL, ProbeError> => {
  const url = URL.parse(text)
  if (url === null) return Effect.fail(refused("the health_url is not a URL"))
  if (url.protocol !== "https:") return Effect.fail(refused("only https is probed"))
  if (url.username !== "" || url.password !== "") {
    return Effect.fail(refused("a health_url must not hold a user or a password"))
  }
  if (!policy.allowsPort(url.port === "" ? 443 : Number(url.port))) {
    return Effect.fail(refused(`port ${url.port} is not the one of https, 443`))
  }
  return Effect.succeed(url)
}

/** The one address that is connected to. All of a name's addresses must be allowed, so that nothing depends on their order. */
const findAddress = (
  hostname: string,
  policy: AddressPolicy,
  resolve: NonNullable<ProberOptions["resolve"]>
): Effect.Effect<string, ProbeError> =>
  Effect.gen(function* () {
    const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "")
    const addresses = isIP(host) === 0 ? yield* lookUp(host, resolve) : [host]
    const [first] = addresses
    if (first === undefined) {
      return yield* new ProbeError({ reason: "NotResolved", detail: `${host} has no address` })
    }
    const bad = addresses.find((address) => !policy.allowsAddress(address))
    if (bad !== undefined) {
      const what = bad === host ? bad : `${host} is ${bad}, which`
      return yield* refused(`${what} is not a public address`)
    }
    return first
  })

const lookUp = (
  host: string,
  resolve: NonNullable<ProberOptions["resolve"]>
): Effect.Effect<ReadonlyArray<string>, ProbeError> =>
  Effect.tryPromise({
    try: () => resolve(host),
    catch: (error) =>
      new ProbeError({
        reason: "NotResolved",
        detail: tidyMessage(`${host} has no address: ${messageOf(error)}`)
      })
  })

const resolveBySystem = async (host: string): Promise<ReadonlyArray<string>> => {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

interface RawAnswer {
  readonly message: IncomingMessage
  readonly headAt: number
  readonly body: Uint8Array
}

/** One request to one address. Whatever ends it closes the connection. */
const send = (
  { method }: ProbeTarget,
  url: URL,
  address: string,
  { authority, version }: ProberOptions
): Effect.Effect<RawAnswer, ProbeError> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const { request } = yield* Effect.promise(() => import("node:https"))
    return yield* Effect.async<RawAnswer, ProbeError>((resume) => {
      const fail = (reason: ProbeError["reason"], detail: string) =>
        resume(Effect.fail(new ProbeError({ reason, detail: tidyMessage(detail) })))
      const family = isIP(address)
      let isSecured = false
      const sent = request({
        host: url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, ""),
        port: url.port === "" ? 443 : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method,
        agent: false,
        headers: {
          "User-Agent": `sync-scheduler/${version}`,
          Accept: "*/*",
          "Accept-Encoding": "identity"
        },
        lookup: (_host, _options, answer) => answer(null, [{ address, family }]),
        ...(authority === undefined ? {} : { ca: authority })
      })
      sent.on("socket", (socket) => {
        socket.on("secureConnect", () => {
          isSecured = true
          if (socket.remoteAddress === address) return
          fail("Refused", `the connection goes to ${socket.remoteAddress}, not to ${address}`)
          sent.destroy()
        })
      })
      sent.on("error", (error) =>
        fail(isSecured ? "Disconnected" : "NotReached", `${url.host}: ${messageOf(error)}`)
      )
      sent.on("response", (message) => {
        const headAt = clock.unsafeCurrentTimeMillis()
        readAtMost(message, (body) => {
          resume(Effect.succeed({ message, headAt, body }))
          sent.destroy()
        })
      })
      sent.end()
      return Effect.sync(() => sent.destroy())
    })
  })

/** The body up to the bound. A body that breaks off is as good as its beginning: the head has said that the API answers. */
const readAtMost = (message: IncomingMessage, done: (body: Uint8Array) => void): void => {
  const body = new Uint8Array(MAX_BYTES)
  let length = 0
  const end = () => done(body.subarray(0, length))
  message.on("data", (chunk: Uint8Array) => {
    const part = chunk.subarray(0, MAX_BYTES - length)
    body.set(part, length)
    length += part.length
    if (length === MAX_BYTES) end()
  })
  message.on("end", end)
  message.on("close", end)
  message.on("error", end)
}

const toAnswer = ({ body, message }: RawAnswer, latencyMs: number): ProbeAnswer => {
  const text = new TextDecoder().decode(body)
  const read = readBody(text, false)
  return {
    status: message.statusCode ?? 0,
    headers: {
      get: (name) => {
        const value = message.headers[name]
        return Array.isArray(value) ? value.join(", ") : (value ?? null)
      }
    },
    codes: read._tag === "Json" ? codesIn(read.value) : [],
    text,
    latencyMs
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

import { lookup } from "node:dns/promises"
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import { Clock, Effect, Layer } from "effect"
import { readBody } from "../Domain/Answers/AnswerBody.ts"
import { ProbeError } from "../Domain/Errors.ts"
import type { ProbeTarget } from "../Domain/Health/ApiHost.ts"
import { codesIn } from "../Domain/Health/Provider.ts"
import { tidyMessage } from "../Domain/Message.ts"
import { explainRejection } from "../Http/FetchFailure.ts"
import { type ProbeAnswer, Prober } from "../Services/Prober.ts"
import { isPublicAddress } from "./PublicAddress.ts"

const TIMEOUT_MS = 5_000
const MAX_BYTES = 16 * 1024

export interface AddressPolicy {
  readonly allowsAddress: (address: string) => boolean
  readonly allowsPort: (port: number) => boolean
}

export const publicOnly: AddressPolicy = {
  allowsAddress: isPublicAddress,
  allowsPort: (port) => port === 443
}

export interface ProberOptions {
  readonly version: string
  readonly policy?: AddressPolicy
  /** Returns all addresses of a host name. The default is the system's resolver. */
  readonly resolve?: (host: string) => Promise<ReadonlyArray<string>>
  /** A certificate authority (PEM) that replaces the system's authorities. */
  readonly authority?: string
  /** The time limit from the DNS look-up to the last byte, in milliseconds; 5 s by default. */
  readonly timeoutMs?: number
}

/**
 * Probes over node:https. Looks up the host name once and connects to the checked address, because a second look-up could return
 * another address. Ignores the environment's proxy, because a proxy would do its own look-up. Loads node:https only for the first
 * probe, because most ticks send no probe.
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

/** The URL parser has already normalised IP addresses. For example, it converts 0x7f.1 and 2130706433 to 127.0.0.1. */
const checkUrl = (text: string, policy: AddressPolicy): Effect.Effect<URL, ProbeError> => {
  const url = URL.parse(text)
  if (url === null) return Effect.fail(refused("the health_url is not a URL"))
  if (url.protocol !== "https:") return Effect.fail(refused("a health_url must use https"))
  if (url.username !== "" || url.password !== "") {
    return Effect.fail(refused("a health_url must not contain a user name or password"))
  }
  if (!policy.allowsPort(url.port === "" ? 443 : Number(url.port))) {
    return Effect.fail(refused(`a health_url must use port 443, not ${url.port}`))
  }
  return Effect.succeed(url)
}

/** Returns the first address of the host name. *Fails with* ProbeError unless all addresses of the host name are allowed. */
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
      return yield* new ProbeError({
        reason: "NotResolved",
        detail: `the host name ${host} has no address`
      })
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
        detail: explainRejection(error, host).detail
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
        rejectUnauthorized: true,
        ...(authority === undefined ? {} : { ca: authority })
      })
      sent.on("socket", (socket) => {
        socket.on("secureConnect", () => {
          isSecured = true
          if (socket.remoteAddress === address) return
          fail("Refused", `the connection went to ${socket.remoteAddress} instead of ${address}`)
          sent.destroy()
        })
      })
      sent.on("error", (error) =>
        fail(isSecured ? "Disconnected" : "NotReached", explainRejection(error, url.host).detail)
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

/** Reads the body up to the byte limit. A broken connection is not an error, because the headers prove that the API answers. */
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

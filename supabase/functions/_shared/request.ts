import { isRecord } from "./outcome.ts"

/** One attempt at one slot of one integration. */
export interface Invocation {
  readonly runId: string
  readonly orgId: string
  readonly integrationId: string
  readonly integrationType: string
  readonly scheduledFor: Date
  /** Starts at 1. */
  readonly attempt: number
  /** The key that all attempts at the slot share. */
  readonly idempotencyKey: string
  readonly trigger: string
  readonly leaseToken: string
  /** When the scheduler stops waiting for the response. */
  readonly deadline: Date
  readonly config: Readonly<Record<string, unknown>>
}

/** The reason for rejecting a request before any work was done. */
export interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
}

const maxBodyBytes = 256 * 1024

/**
 * Returns whether the request contains one of `keys`, in `apikey` or as a bearer token. Always compares all digests, so that the
 * response time reveals nothing about the keys.
 */
export const carriesKey = async (
  request: Request,
  keys: ReadonlyArray<string>
): Promise<boolean> => {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1]
  const given = [request.headers.get("apikey"), bearer].filter((key) => typeof key === "string")
  const [expected, offered] = await Promise.all([
    Promise.all(keys.map(digest)),
    Promise.all(given.map(digest))
  ])
  let matches = 0
  for (const key of expected) for (const offer of offered) matches += equalDigests(key, offer)
  return matches > 0
}

const digest = async (text: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))

/** Compares two digests in constant time. Returns 1 if they are equal, and 0 otherwise. */
const equalDigests = (left: Uint8Array, right: Uint8Array): number => {
  let difference = left.length ^ right.length
  left.forEach((byte, index) => {
    difference |= byte ^ (right[index] ?? 0)
  })
  return difference === 0 ? 1 : 0
}

/** A refusal lists every problem found. */
export const readInvocation = async (request: Request): Promise<Invocation | Refusal> => {
  const text = await readText(request.body, maxBodyBytes)
  if (text === undefined) {
    const message = `The body is larger than ${maxBodyBytes} bytes`
    return { status: 413, code: "BODY_TOO_LARGE", message }
  }
  const body = parseJson(text)
  if (!isRecord(body)) return malformed("the body is not a JSON object")
  return decode(body)
}

/** Returns undefined if the body is longer than `maxBytes`. */
export const readText = async (
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number
): Promise<string | undefined> => {
  if (body === null) return ""
  const decoder = new TextDecoder()
  let text = ""
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** Returns undefined if the text is not JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const malformed = (message: string): Refusal => ({
  status: 400,
  code: "MALFORMED_INVOCATION",
  message
})

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const instant = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$/
const shortText = /^[^\p{Cc}]{1,256}$/u

const decode = (body: Record<string, unknown>): Invocation | Refusal => {
  const problems: string[] = []
  const text = (name: string, pattern: RegExp, what: string): string => {
    const value = body[name]
    if (typeof value === "string" && pattern.test(value)) return value
    problems.push(`${name} is not ${what}`)
    return ""
  }
  const time = (name: string): Date => {
    const value = body[name]
    const parsed = new Date(typeof value === "string" && instant.test(value) ? value : Number.NaN)
    if (Number.isNaN(parsed.getTime())) problems.push(`${name} is not an ISO 8601 instant`)
    return parsed
  }
  const count = (name: string): number => {
    const value = body[name]
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value
    problems.push(`${name} is not a positive whole number`)
    return 0
  }
  const config = body.config ?? {}
  if (!isRecord(config)) problems.push("config is not a JSON object")
  const invocation: Invocation = {
    runId: text("run_id", uuid, "a UUID"),
    orgId: text("org_id", uuid, "a UUID"),
    integrationId: text("integration_id", uuid, "a UUID"),
    integrationType: text("integration_type", shortText, "a short string"),
    scheduledFor: time("scheduled_for"),
    attempt: count("attempt"),
    idempotencyKey: text("idempotency_key", shortText, "a short string"),
    trigger: text("trigger", shortText, "a short string"),
    leaseToken: text("lease_token", uuid, "a UUID"),
    deadline: time("deadline"),
    config: isRecord(config) ? config : {}
  }
  return problems.length === 0 ? invocation : malformed(problems.join("; "))
}

import { readFileSync } from "node:fs"
import { join } from "node:path"

export interface RecordedRequest {
  readonly method?: string
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: "anon"
  /** The claims of a JWT to send instead of the key, with times in seconds from now. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** A bearer token to send instead of the key. `forged` means a JWT signed with a different secret. */
  readonly token?: string
}

/** recorded.jsonl omits headers that `complete` derives from the status and body. `cut` means that there was no response. */
export interface Answered {
  readonly cut?: true
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: string
  /** The beginning of a long body. */
  readonly begins?: string
  readonly bytes?: number
}

const lines: ReadonlyArray<Record<string, never>> = readFileSync(
  join(import.meta.dir, "recorded.jsonl"),
  "utf8"
)
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))

/** The response status for `raise exception 'boom' using errcode = ...`, by SQLSTATE. */
export const sqlStates: ReadonlyArray<readonly [string, number]> = Object.entries(
  lines[0]?.sqlstates ?? {}
)

export const calls: ReadonlyArray<
  Answered & { readonly call: string; readonly request: RecordedRequest }
> = lines.flatMap((line) => ("call" in line ? [Object(line)] : []))

/** Recorded responses by situation. A test must set up a situation before it can compare the response. */
export const situations: ReadonlyMap<string, Answered> = new Map(
  lines.flatMap(({ situation, ...answer }) =>
    situation === undefined ? [] : [[situation, answer]]
  )
)

const COMPARED_HEADERS = [
  "server",
  "content-type",
  "content-range",
  "proxy-status",
  "retry-after",
  "www-authenticate",
  "preference-applied",
  "content-location",
  "allow",
  "x-my",
  "x-powered-by"
]

const JSON_TYPE = "application/json; charset=utf-8"

export const complete = (answer: Answered): Answered => {
  if (answer.cut) return { cut: true }
  const { body = answer.begins ?? "", status = 0 } = answer
  const isError = body.startsWith('{"code":')
  const usual = {
    server: "postgrest/14.9",
    ...(status === 204 ? {} : { "content-type": JSON_TYPE }),
    ...(isError ? { "proxy-status": `PostgREST; error=${JSON.parse(body).code}` } : {}),
    ...(status < 300 ? { "content-range": "0-0/*" } : {}),
    ...(status === 503 ? { "retry-after": "0" } : {})
  }
  const headers = Object.entries({ ...usual, ...answer.headers }).filter(
    ([, value]) => value !== null
  )
  return { ...answer, headers: Object.fromEntries(headers) }
}

export const read = async (asked: Promise<Response>, like: Answered): Promise<Answered> => {
  let response: Response
  try {
    response = await asked
  } catch {
    return { cut: true }
  }
  const headers = COMPARED_HEADERS.flatMap((name) => {
    const value = response.headers.get(name)
    return value === null ? [] : [[name, value]]
  })
  // A token's issue and expiry times are the only numbers that differ between runs.
  const body = (await response.text()).replaceAll(/"(exp|iat)": \d+/g, '"$1": 0')
  return {
    status: response.status,
    headers: Object.fromEntries(headers),
    ...(like.bytes === undefined
      ? { body }
      : { begins: body.slice(0, like.begins?.length), bytes: Buffer.byteLength(body) })
  }
}

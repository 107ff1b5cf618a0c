import type { Answered } from "./Recorded.ts"

export interface Difference {
  readonly why: string
  readonly answer: Partial<Answered>
}

const NOT_SERVED = "Only functions are served, by POST: the engine asks for nothing else."
const JSON_ONLY =
  "Only JSON is served: the engine asks for nothing else, and an anonymous client gets that answer."
const NO_PREFER = "Prefer is not read: the engine sends none."
const NO_STATUS =
  "A Response cannot have a status outside 200 to 599, and no function of the project raises one."

const error = (code: string, message: string) =>
  JSON.stringify({ code, details: null, hint: null, message })

/** The test fails if a listed difference no longer exists. */
export const differences: Readonly<Record<string, Difference>> = {
  "get-volatile": { why: NOT_SERVED, answer: { status: 405 } },
  "get-stable": { why: NOT_SERVED, answer: { status: 405 } },
  "head-stable": { why: NOT_SERVED, answer: { status: 405 } },
  options: { why: NOT_SERVED, answer: { status: 405 } },
  root: { why: NOT_SERVED, answer: { status: 200, body: '{"swagger":"2.0","paths":{}}' } },
  table: { why: NOT_SERVED, answer: { status: 404 } },
  "accept-csv": {
    why: JSON_ONLY,
    answer: {
      status: 406,
      body: error("PGRST107", "None of these media types are available: text/csv")
    }
  },
  "accept-object-1": { why: JSON_ONLY, answer: { status: 200, body: '[{"i":1,"s":"1"}]' } },
  "accept-object-2": { why: JSON_ONLY, answer: { status: 200 } },
  "pref-count": { why: NO_PREFER, answer: { status: 204 } },
  "pref-count-rows": { why: NO_PREFER, answer: { status: 200 } },
  "raise-empty-detail-hint": {
    why: "Bun's driver does not tell an empty detail from none.",
    answer: { body: error("P0001", "boom") }
  },
  "sqlstate-PT600": { why: NO_STATUS, answer: { status: 500 } },
  "sqlstate-PT099": { why: NO_STATUS, answer: { status: 500 } }
}

/** No recorded scenario covers these differences. */
export const unrecordedDifferences: ReadonlyArray<string> = [
  "The hint of PGRST202 is a simpler guess (PostgrestHint.ts); all recorded ones are equal.",
  "A notification is acted on before a call that misses its function is answered, so that tests do not depend on time.",
  "400 with an empty code is answered where the server died between two statements of a call; when PostgREST does is not known.",
  "No Kong and no Cloudflare but for apikey and sb_ keys; no metrics, no OpenAPI document, no admin server."
]

import { type AnswerBody, fieldOf, saysOf } from "./AnswerBody.ts"

/** `platformCode` is the `sb-error-code` header, which only Supabase's platform sets. */
export interface AnswerFacts {
  readonly status: number
  readonly platformCode: string | null
  readonly body: AnswerBody
}

/**
 * A rule that determines the outcome from a response. The first matching rule applies.
 *
 * `code` can contain `<status>`, `<sb-error-code>` or `<error.code>`. `<error.code>` is the function's own code or, if there is
 * none, the text after `|`. With `speaks: "function"`, the message begins with the function's own message.
 */
export interface AnswerRule {
  readonly name: string
  readonly when: string
  readonly matches: (facts: AnswerFacts) => boolean
  readonly outcome: "Completed" | "Accepted" | "Failed" | "NotExecuted" | "Unknown"
  readonly code: string
  readonly what: string
  readonly why: string
  readonly fix: string
  readonly speaks: "engine" | "function"
}

const is2xx = ({ status }: AnswerFacts): boolean => status >= 200 && status < 300
const is4xx = ({ status }: AnswerFacts): boolean => status >= 400 && status < 500
const is5xx = ({ status }: AnswerFacts): boolean => status >= 500 && status < 600

/** Rules for the function's own responses. */
export const functionRules: ReadonlyArray<AnswerRule> = [
  {
    name: "refusal_that_says_success",
    when: "3xx or 4xx whose JSON says that the sync is done",
    matches: ({ status, body }) =>
      status >= 300 && status < 500 && body._tag === "Json" && body.words.claimsSuccess,
    outcome: "Unknown",
    code: "UNCLEAR_ANSWER",
    what: "The function refused the request but says that the sync is done",
    why: "only one of the two can be true",
    fix: "Make the function respond with 2xx when the sync is done.",
    speaks: "engine"
  },
  {
    name: "redirect",
    when: "3xx",
    matches: ({ status }) => status >= 300 && status < 400,
    outcome: "Failed",
    code: "REDIRECT_REFUSED",
    what: "The function's URL responded with a redirect, which was not followed",
    why: "following it could have sent the key to another server",
    fix: "Set SYNC_SCHEDULER_FUNCTION_URL, or SUPABASE_URL, to an address that does not redirect.",
    speaks: "engine"
  },
  {
    name: "success_that_says_failed",
    when: '2xx whose JSON says only that the sync failed (`success: false`, `status: "failed"`, an `error`)',
    matches: (facts) => is2xx(facts) && saysOf(facts.body) === "failure",
    outcome: "Failed",
    code: "<error.code>|FUNCTION_FAILED",
    what: "The function says that the sync failed",
    why: "the function's own response is definite",
    fix: "Check the function's logs, then retry the run.",
    speaks: "function"
  },
  {
    name: "accepted",
    when: "202",
    matches: ({ status }) => status === 202,
    outcome: "Accepted",
    code: "",
    what: "The function accepted the run and reports its result later",
    why: "202 confirms that the work was accepted, not that it succeeded",
    fix: "",
    speaks: "engine"
  },
  {
    name: "success_unreadable",
    when: "2xx whose body is not JSON or is longer than 64 KiB",
    matches: (facts) => is2xx(facts) && facts.body._tag === "Unreadable",
    outcome: "Unknown",
    code: "UNREADABLE_ANSWER",
    what: "The function responded with success, but the body cannot be read",
    why: "the body may say that the sync failed, or may come from a proxy",
    fix: "Make the function return JSON of at most 64 KiB, or an empty body.",
    speaks: "engine"
  },
  {
    name: "success_unclear",
    when: "2xx whose JSON contradicts itself, or says that a part failed or that the work continues",
    matches: (facts) => is2xx(facts) && saysOf(facts.body) === "unclear",
    outcome: "Unknown",
    code: "UNCLEAR_ANSWER",
    what: "The function's response does not say clearly whether the sync is done",
    why: "its fields contradict each other, or describe only part of the sync",
    fix: 'Make the function return one clear result: {"success": true}, or {"success": false, "error": {"code", "message"}}, or 202 for work that continues.',
    speaks: "engine"
  },
  {
    name: "success",
    when: "2xx with other JSON, or an empty body",
    matches: is2xx,
    outcome: "Completed",
    code: "",
    what: "The sync is done",
    why: "a 2xx response that reports no failure is treated as success; an empty body is allowed",
    fix: "",
    speaks: "engine"
  },
  {
    name: "refused_by_function",
    when: '409 with `{"executed": false}`',
    matches: ({ status, body }) => status === 409 && fieldOf(body, "executed") === false,
    outcome: "NotExecuted",
    code: "FUNCTION_REFUSED",
    what: "The function says that it did nothing",
    why: "the fence denied the run, or the function could not begin",
    fix: "",
    speaks: "function"
  },
  {
    name: "not_now",
    when: "408, 425 or 429",
    matches: ({ status }) => status === 408 || status === 425 || status === 429,
    outcome: "NotExecuted",
    code: "HTTP_<status>",
    what: "The request was temporarily rejected",
    why: "the status says that the request was not processed",
    fix: "The run is retried automatically; if this persists, lower the concurrency.",
    speaks: "function"
  },
  {
    name: "client_error",
    when: "any other 4xx",
    matches: is4xx,
    outcome: "Failed",
    code: "<error.code>|HTTP_<status>",
    what: "The request was refused",
    why: "the same request would be refused again",
    fix: "Check the function's logs, URL and key, then retry the run.",
    speaks: "function"
  },
  {
    name: "error_in_own_words",
    when: "5xx without `sb-error-code` whose JSON says only that the sync failed",
    matches: (facts) =>
      is5xx(facts) && facts.platformCode === null && saysOf(facts.body) === "failure",
    outcome: "Failed",
    code: "<error.code>|FUNCTION_FAILED",
    what: "The function says that the sync failed",
    why: "the function's own response is definite",
    fix: "Check the function's logs, then retry the run.",
    speaks: "function"
  },
  {
    name: "server_error",
    when: "any other 5xx",
    matches: is5xx,
    outcome: "Unknown",
    code: "HTTP_<status>",
    what: "The server responded with an error that does not state the outcome of the sync",
    why: "the function may have done its work before the error",
    fix: 'Make the function report its own failures as JSON: {"error": {"code", "message"}}.',
    speaks: "engine"
  }
]

export const lastRule: AnswerRule = {
  name: "anything_else",
  when: "any other status",
  matches: () => true,
  outcome: "Unknown",
  code: "HTTP_<status>",
  what: "The response has an unknown HTTP status",
  why: "the status says nothing about the sync",
  fix: "Look for a proxy between the scheduler and the function.",
  speaks: "engine"
}

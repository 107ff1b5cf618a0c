import type { RunView } from "./RunView.ts"

export type RecordedFailure = Pick<RunView, "http_status" | "error_code" | "error_message">

/** Codes from the engine and the platform. All other codes and their messages come from the function itself. */
const ENGINE_OR_PLATFORM =
  /^(?:HTTP_\d+|FUNCTION_REFUSED|FUNCTION_KEY_REFUSED|FUNCTION_NOT_FOUND|UNREADABLE_ANSWER|REDIRECT_REFUSED|CONNECTION_FAILED|CONNECTION_LOST|TIMED_OUT|ENGINE_FROZEN|LEASE_ENDED|IDLE_TIMEOUT|BOOT_ERROR|LOAD_FUNCTION_\w+|WORKER_\w+|EDGE_FUNCTION_ERROR|UNAUTHORIZED_\w+|RATE_LIMIT_EXCEEDED|NOT_FOUND|PLATFORM_ERROR)$/

/**
 * Explains why a run did not complete. Quotes the function's own words (`TOKEN_EXPIRED, "Xledger answered 401: token expired"`),
 * or else the message of the engine or the platform. Returns an empty string if no reason is known.
 */
export const reasonOf = ({
  error_code: code,
  error_message: message,
  http_status
}: RecordedFailure): string => {
  const http = http_status === null ? "" : `HTTP ${http_status}`
  if (message === null || message === "") return joined([http, codeOf(code)], " ")
  const [, quoted] = /(?:^|\s)It said: ([\s\S]+)$/.exec(message) ?? []
  if (quoted !== undefined) {
    return codeOf(code) === ""
      ? joined([`"${quoted}"`, http], ", ")
      : joined([codeOf(code), `"${quoted}"`], ", ")
  }
  if (code !== null && !ENGINE_OR_PLATFORM.test(code)) {
    return joined([code === "FUNCTION_FAILED" ? "" : code, `"${message}"`], ", ")
  }
  if (code === "FUNCTION_REFUSED") {
    const word = message.replace(/^The function [^:]+: /, "").replace(/ \(HTTP \d{3}\)\.$/, "")
    const means = REFUSED.get(word)
    return `function refused, ${word}${means === undefined ? "" : ` (${means})`}`
  }
  const [, what = message] = /^([\s\S]+?) \(HTTP \d{3}\)\.(?: |$)/.exec(message) ?? []
  return joined([joined([http, codeOf(code)], " "), what], ", ")
}

/** Explains the reasons that the fence gives for refusing a run. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["not_found", "the function's project does not know this run; check the function's SUPABASE_URL"]
])

/** Returns an empty string for a code like `HTTP_504`, which only repeats the status. */
const codeOf = (code: string | null): string =>
  code === null || /^HTTP_\d+$/.test(code) ? "" : code

const joined = (parts: ReadonlyArray<string>, by: string): string =>
  parts.filter((part) => part !== "").join(by)

import type { FastCommand } from "../Command.ts"

/** The default address of `serve`, copied from Config, which is too large to load here. */
const LISTEN = "127.0.0.1:8787"
const TIMEOUT_S = 5

/**
 * `ready`: calls the /readyz endpoint of `serve`, and prints the response on one line. Always exits with 0 or 1. Loads no other
 * code, because a health check calls `ready` every few seconds.
 */
export const light: FastCommand = async (given) => {
  const seconds = Number(given.value("timeout") ?? TIMEOUT_S)
  if (!(seconds > 0 && seconds <= 300)) {
    return say(`--timeout is "${given.value("timeout")}": it must be from 1 to 300 seconds`, false)
  }
  const base = given.value("url") ?? `http://${reachable(process.env.SYNC_SCHEDULER_LISTEN)}`
  const url = URL.parse("/readyz", base)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return say(`"${base}" is not an http URL`, false)
  }
  try {
    const signal = AbortSignal.timeout(seconds * 1000)
    const response = await fetch(url, { signal, redirect: "manual" })
    const text = (await response.text()).slice(0, 500).trim().split("\n")[0] ?? ""
    return say(
      response.ok ? text : `${url.href} responds with ${response.status}: ${text}`,
      response.ok
    )
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError"
    const why = isLate
      ? `does not respond within ${seconds} s`
      : "does not respond; check that serve is running"
    return say(`${url.href} ${why}`, false)
  }
}

const reachable = (listen: string | undefined): string =>
  (listen?.trim() || LISTEN).replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:")

const say = (line: string, isReady: boolean): number => {
  process[isReady ? "stdout" : "stderr"].write(`${isReady ? "" : "not ready: "}${line}\n`)
  return isReady ? 0 : 1
}

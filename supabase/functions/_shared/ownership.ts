import type { Heartbeat, Ledger } from "./ledger.ts"
import { SyncOutcomeUnknown } from "./outcome.ts"

/** The time in which the run is this attempt's to work on. */
export interface Ownership {
  /** Aborts, with a `SyncOutcomeUnknown` as reason, when the work has to stop. */
  readonly signal: AbortSignal
  /** Says now that the work goes on, and whether the run is still ours. */
  readonly heartbeat: () => Promise<Heartbeat>
  /** Moves the instant (milliseconds since 1970) at which the signal aborts. */
  readonly stopAt: (instantMs: number) => void
  /** Ends the heartbeats; resolves when none is on its way. */
  readonly end: () => Promise<void>
}

/**
 * Without an accepted heartbeat for so long, the run may soon be somebody else's: a run that has become `unknown` is
 * not repeated before 430 s have passed since its last sign of life.
 */
const maxSilenceMs = 300_000

/** A handler that ignores its signal is kept alive for so long; then the scheduler's rule for silent runs decides. */
const maxOverrunMs = 300_000

/**
 * Holds a run that was granted: heartbeats while the handler works, and a signal that aborts at `stopAtMs`, when a
 * heartbeat says that the run is no longer ours, when none got through for 300 s, or when the platform shuts down
 * the isolate. `grantedAtMs` is an instant before the grant was given: the first sign of life.
 */
export const holdRun = (
  ledger: Ledger,
  times: { readonly everyMs: number; readonly grantedAtMs: number; readonly stopAtMs: number }
): Ownership => {
  const stopped = new AbortController()
  const ended = new AbortController()
  let lastSignMs = times.grantedAtMs
  let stoppedAtMs = Number.POSITIVE_INFINITY

  const stop = (why: string) => {
    if (stopped.signal.aborted || ended.signal.aborted) return
    stoppedAtMs = Date.now()
    stopped.abort(new SyncOutcomeUnknown(why))
  }
  const heartbeat = async (): Promise<Heartbeat> => {
    const sentAtMs = Date.now()
    const answer = await ledger.heartbeat()
    if (answer === "owned") lastSignMs = Math.max(lastSignMs, sentAtMs)
    if (answer === "lost") stop("The run is no longer this attempt's: stopped")
    return answer
  }
  const beat = async () => {
    for (;;) {
      await pause(times.everyMs, ended.signal)
      const nowMs = Date.now()
      if (ended.signal.aborted || nowMs - stoppedAtMs > maxOverrunMs) return
      if ((await heartbeat()) === "lost") return
      if (nowMs - lastSignMs > maxSilenceMs) stop("The database was silent for too long: stopped")
    }
  }
  const timer = alarm(() => stop("The run's time is up: stopped"))
  const onUnload = () => stop("The platform is shutting the function down: stopped")

  addEventListener("beforeunload", onUnload)
  timer.set(times.stopAtMs)
  const beating = beat()
  return {
    signal: stopped.signal,
    heartbeat,
    stopAt: timer.set,
    end: async () => {
      ended.abort()
      timer.clear()
      removeEventListener("beforeunload", onUnload)
      await beating
    }
  }
}

/** The longest delay a timer takes (24.8 days); longer ones would fire at once. */
const maxDelayMs = 2 ** 31 - 1

/** A timer that can be moved. */
export const alarm = (ring: () => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const clear = () => clearTimeout(timer)
  return {
    clear,
    set: (instantMs: number) => {
      clear()
      timer = setTimeout(ring, Math.min(Math.max(0, instantMs - Date.now()), maxDelayMs))
    }
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(resolve, ms)
    const wake = () => {
      clearTimeout(timer)
      resolve()
    }
    signal.addEventListener("abort", wake, { once: true })
  })

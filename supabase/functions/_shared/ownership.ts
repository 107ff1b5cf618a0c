import type { Heartbeat, Ledger } from "./ledger.ts"
import { SyncOutcomeUnknown } from "./outcome.ts"
import type { Runtime } from "./runtime.ts"

export interface Ownership {
  /** Aborts when the work must stop. The reason is a `SyncOutcomeUnknown`. */
  readonly signal: AbortSignal
  /** Sends a heartbeat, and resolves to whether this attempt still owns the run. */
  readonly heartbeat: () => Promise<Heartbeat>
  /** Sets the time at which the signal aborts, in epoch milliseconds. */
  readonly stopAt: (instantMs: number) => void
  /** Stops the heartbeats, and resolves once none is in flight. */
  readonly end: () => Promise<void>
}

/**
 * The maximum time without a successful heartbeat, in ms. An `unknown` run is retried 430 s after its last heartbeat, so the work
 * must stop earlier.
 */
const maxSilenceMs = 300_000

/** How long heartbeats continue for a handler that ignores its signal, in ms. The scheduler then sweeps the run. */
const maxOverrunMs = 300_000

/**
 * Sends heartbeats while the handler works. The signal aborts at `stopAtMs`, when a heartbeat is rejected, after 300 s without a
 * successful heartbeat, or when the isolate shuts down. `grantedAtMs` counts as the first successful heartbeat.
 */
export const holdRun = (
  ledger: Ledger,
  runtime: Runtime,
  times: { readonly everyMs: number; readonly grantedAtMs: number; readonly stopAtMs: number }
): Ownership => {
  const stopped = new AbortController()
  const ended = new AbortController()
  let lastSignMs = times.grantedAtMs
  let stoppedAtMs = Number.POSITIVE_INFINITY

  const stop = (why: string) => {
    if (stopped.signal.aborted || ended.signal.aborted) return
    stoppedAtMs = runtime.now()
    stopped.abort(new SyncOutcomeUnknown(why))
  }
  const heartbeat = async (): Promise<Heartbeat> => {
    const sentAtMs = runtime.now()
    const answer = await ledger.heartbeat()
    if (answer === "owned") lastSignMs = Math.max(lastSignMs, sentAtMs)
    if (answer === "lost") stop("Stopped because this attempt no longer owns the run")
    return answer
  }
  const heartbeats = async () => {
    for (;;) {
      await pause(runtime, times.everyMs, ended.signal)
      const nowMs = runtime.now()
      if (ended.signal.aborted || nowMs - stoppedAtMs > maxOverrunMs) return
      if ((await heartbeat()) === "lost") return
      if (nowMs - lastSignMs > maxSilenceMs)
        stop("Stopped because the database did not respond for too long")
    }
  }
  const timer = alarm(runtime, () => stop("Stopped because the run reached its time limit"))
  const unhook = runtime.onShutdown(() =>
    stop("Stopped because the platform is shutting down the function")
  )

  timer.set(times.stopAtMs)
  const heartbeatLoop = heartbeats()
  return {
    signal: stopped.signal,
    heartbeat,
    stopAt: timer.set,
    end: async () => {
      ended.abort()
      timer.clear()
      unhook()
      await heartbeatLoop
    }
  }
}

/** A timer that can be rescheduled. */
export const alarm = (runtime: Runtime, ring: () => void) => {
  let cancel: (() => void) | undefined
  const clear = () => cancel?.()
  return {
    clear,
    set: (instantMs: number) => {
      clear()
      cancel = runtime.after(Math.max(0, instantMs - runtime.now()), ring)
    }
  }
}

const pause = (runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const cancel = runtime.after(ms, resolve)
    const wake = () => {
      cancel()
      resolve()
    }
    signal.addEventListener("abort", wake, { once: true })
  })

import { readFileSync } from "node:fs"
import { constants } from "node:os"

type Signal = keyof typeof constants.signals

/** docs/reference/exit-codes.md is generated from this list. */
export interface SignalMeaning {
  readonly signals: ReadonlyArray<Signal>
  readonly from: string
  readonly does: "stop" | "stop, once" | "nothing" | "end"
}

/** Every signal that a person, a terminal or a supervisor might send. */
export const signalMeanings: ReadonlyArray<SignalMeaning> = [
  {
    signals: ["SIGTERM", "SIGINT", "SIGQUIT"],
    from: "`kill`, systemd, Docker, Kubernetes; Ctrl-C; Ctrl-\\",
    does: "stop"
  },
  {
    signals: ["SIGHUP", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU"],
    from: "a closed terminal or ssh session; a timer; `LimitCPU=`",
    does: "stop, once"
  },
  {
    signals: ["SIGUSR1", "SIGUSR2"],
    from: "a person or log rotation",
    does: "nothing"
  },
  {
    signals: ["SIGPIPE"],
    from: "a closed output pipe (`| head`)",
    does: "nothing"
  },
  {
    signals: ["SIGPWR", "SIGXFSZ"],
    from: "LXC, unless `lxc.signal.halt = SIGTERM` is set; `LimitFSIZE=`. The runtime itself uses both signals",
    does: "nothing"
  },
  {
    signals: ["SIGKILL", "SIGABRT"],
    from: "`kill -9`, the kernel's out-of-memory killer, systemd's watchdog",
    does: "end"
  }
]

const signalsThat = (does: SignalMeaning["does"]): ReadonlyArray<Signal> =>
  signalMeanings.flatMap((one) => (one.does === does ? one.signals : []))

/** The exit code that a shell reports for a signal. */
const exitCodeOf = (signal: Signal): number => 128 + constants.signals[signal]

/**
 * Calls `stop` with the exit code on the first stop signal. A second SIGTERM, SIGINT or SIGQUIT ends the process immediately.
 * Repeats of other signals do not, because a closing terminal sends SIGHUP several times, and systemd sends SIGHUP right after
 * SIGTERM. A signal that was ignored at the start of the process (`nohup`, `trap ''`) stays ignored.
 */
export const onStopSignal = async (
  stop: (exitCode: number) => void,
  note: (line: string) => void
): Promise<void> => {
  const ignored = await ignoredSignals()
  const listen = (signal: Signal, act: () => void) => {
    if (!ignored.has(constants.signals[signal])) process.on(signal, act)
  }
  let isStopping = false
  let stopRequested = false
  const begin = (signal: Signal) => {
    if (isStopping) return
    isStopping = true
    stop(exitCodeOf(signal))
  }
  for (const signal of signalsThat("stop")) {
    listen(signal, () => {
      if (stopRequested) process.exit(exitCodeOf(signal))
      stopRequested = true
      note(`${signal}: stopping after the runs in progress. Send it again to exit now.`)
      begin(signal)
    })
  }
  for (const signal of signalsThat("stop, once")) {
    listen(signal, () => {
      if (!isStopping) note(`${signal}: stopping after the runs in progress.`)
      begin(signal)
    })
  }
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
    listen(signal, () => note(`${signal} is ignored. To stop, send SIGTERM.`))
  }
}

/** Returns the numbers of the signals that were ignored when this process started, if the system reports them. */
export const ignoredSignals = async (): Promise<ReadonlySet<number>> => {
  try {
    if (process.platform === "linux")
      return ignoredInStatus(readFileSync("/proc/self/status", "utf8"))
    if (process.platform === "darwin") return await ignoredByLibrary("libSystem.B.dylib")
  } catch {
    // A sandbox may lack /proc or forbid loading libraries. No signal is then treated as ignored.
  }
  return new Set()
}

const ignoredInStatus = (status: string): ReadonlySet<number> => {
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`)
  return new Set(numbers.filter((number) => (mask >> BigInt(number - 1)) & 1n))
}

const SIG_IGN = 1n

/**
 * Calls `sigaction(number, NULL, &old)`, because macOS has no /proc. On macOS and in glibc, the handler is the first word of the
 * struct. A test runs this function with glibc.
 */
export const ignoredByLibrary = async (library: string): Promise<ReadonlySet<number>> => {
  const { dlopen, ptr } = await import("bun:ffi")
  const { symbols } = dlopen(library, {
    sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" }
  })
  const old = new BigUint64Array(64)
  return new Set(
    numbers.filter((number) => {
      old.fill(0n)
      return symbols.sigaction(number, null, ptr(old)) === 0 && old[0] === SIG_IGN
    })
  )
}

const numbers = Object.values(constants.signals)

/** The help shows `short`, and the reference shows `meaning`. */
export interface ExitMeaning {
  readonly code: string
  readonly short: string
  readonly meaning: string
}

/** The exit codes of all commands except `check`, which uses the exit codes of Nagios plugins. */
export const exitCodes: ReadonlyArray<ExitMeaning> = [
  {
    code: "0",
    short: "success, even if nothing was due",
    meaning:
      "Success. This includes a tick with nothing due, and a run that a function accepted (202): the function works in the background and reports the outcome itself. `serve` exits with 0 if it is stopped and all runs in flight have been recorded. `demo` exits with 0 even though one of its runs fails on purpose. `doctor` exits with 0 even if it has warnings."
  },
  {
    code: "1",
    short: "a bug, or the output could not be written",
    meaning:
      "A bug, or the output could not be written (for example, because the disk is full). A closed pipe (`| head`) is not an error. For `ready`: not ready."
  },
  {
    code: "2",
    short: "wrong usage, expression or configuration",
    meaning:
      "Wrong usage, an invalid expression or time zone, missing or malformed settings, or a database whose migrations do not match this version. Nothing was done."
  },
  {
    code: "3",
    short: "a run did not complete, audit found holes, or doctor found a problem",
    meaning:
      "The command ran, but not everything succeeded: a run failed, is unknown, or will be retried, or part of the tick failed. `audit` found holes. `doctor` found a problem. `status --exit-status` found something that needs attention. A test alert was not accepted. `init` or `install --write` found an existing file with different text. `serve` stopped with runs still in flight."
  },
  {
    code: "4",
    short: "the key was rejected",
    meaning:
      "The key, or the role of the connection, was rejected. Repeating the command does not help."
  },
  {
    code: "5",
    short: "Supabase cannot be reached",
    meaning:
      "Supabase or the database cannot be reached, returns no usable response, or is read-only. It is safe to repeat the command."
  },
  {
    code: "128+n",
    short: "stopped by signal n: 130 Ctrl-C, 143 SIGTERM",
    meaning:
      "129, 130, 131, 142, 143, 152, 154 or 155: stopped by SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM or SIGPROF. No new runs were started, and runs in progress were recorded first ([signals](#signals))."
  }
]

export const checkCodes: ReadonlyArray<ExitMeaning> = [
  {
    code: "0",
    short: "OK",
    meaning:
      "OK: everything is below its warning threshold. With the default thresholds, this means that `status` shows nothing that needs attention. A single attempt that did not complete is a WARNING until its run completes; `--retrying 2,` tolerates one such attempt per cause."
  },
  { code: "1", short: "WARNING", meaning: "WARNING: something has reached its warning threshold." },
  {
    code: "2",
    short: "CRITICAL",
    meaning: "CRITICAL: something has reached its critical threshold, or no engine has ticked yet."
  },
  {
    code: "3",
    short: "UNKNOWN",
    meaning:
      "UNKNOWN: the database cannot be read, or the flags of `check` are wrong; the line gives the reason."
  }
]

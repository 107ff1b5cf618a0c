/** An exit code: what it means in a few words for help, and in full for the reference. */
export interface ExitMeaning {
  readonly code: string
  readonly short: string
  readonly meaning: string
}

/** How the process ends. `check` alone has codes of its own, those of Nagios. */
export const exitCodes: ReadonlyArray<ExitMeaning> = [
  {
    code: "0",
    short: "fine, also when nothing was due",
    meaning:
      "Fine. Nothing due is fine, and so is a run that a function accepted (202) or that is tried again later. `serve` ends so after it was stopped and everything in flight was recorded; `demo` although one of its runs fails on purpose; `doctor` also with warnings."
  },
  {
    code: "1",
    short: "a bug, or the output could not be written",
    meaning:
      "A bug, or the output could not be written (a full disk). A reader that goes away (`| head`) is neither. `ready`: not ready."
  },
  {
    code: "2",
    short: "usage, a bad expression, or configuration",
    meaning:
      "Usage, an expression or time zone that cannot be computed, settings that are missing or malformed, a database whose migrations do not belong to this version. Nothing was done."
  },
  {
    code: "3",
    short: "something failed: a run, an audit's slot, a finding of doctor",
    meaning:
      "What was asked was done, and something in it failed: a run failed or ended unknown, or part of the tick could not be done; `audit` found holes; `doctor` found something wrong; `status --exit-status` says that somebody should look; a test alert was not taken; a file that `init` or `install --write` would write is there with another text; `serve` had to leave something in flight."
  },
  {
    code: "4",
    short: "the key was refused",
    meaning: "The key, or the role of the connection, was refused. Repeating cannot help."
  },
  {
    code: "5",
    short: "Supabase cannot be reached",
    meaning:
      "Supabase or the database cannot be reached, or gives no usable answer. Repeating is safe: the next tick does."
  },
  {
    code: "130, 143",
    short: "interrupted",
    meaning:
      "Interrupted by SIGINT or SIGTERM: nothing new was begun, and what was in flight was recorded first. A second signal leaves at once; leases then decide what happens to it."
  }
]

/** The codes of `check`. */
export const checkCodes: ReadonlyArray<ExitMeaning> = [
  { code: "0", short: "OK", meaning: "OK: everything is below its warning." },
  { code: "1", short: "WARNING", meaning: "WARNING: something has reached its warning." },
  {
    code: "2",
    short: "CRITICAL",
    meaning: "CRITICAL: something has reached its critical threshold, or nothing has ticked yet."
  },
  {
    code: "3",
    short: "UNKNOWN",
    meaning:
      "UNKNOWN: the database cannot be asked, or `check` itself was started wrongly; the line says why."
  }
]

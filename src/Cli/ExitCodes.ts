/** The meaning of an exit code: in a few words for help, and in full for the reference. */
export interface ExitMeaning {
  readonly code: string
  readonly short: string
  readonly meaning: string
}

/** The exit codes of all commands except `check`, which uses those of Nagios plugins. */
export const exitCodes: ReadonlyArray<ExitMeaning> = [
  {
    code: "0",
    short: "fine, also when nothing was due",
    meaning:
      "Fine. Nothing due is fine, and so is a run that a function accepted (202): it works in the background and reports its outcome itself. `serve` ends so after it was stopped and everything in flight was recorded; `demo` although one of its runs fails on purpose; `doctor` also with warnings."
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
    short: "something did not complete: a run, an audit's slot, a finding of doctor",
    meaning:
      "The command ran, and something in it failed: a run failed, ended unknown, or did not complete and waits for its retry; part of the tick could not be done; `audit` found holes; `doctor` found something wrong; `status --exit-status` found something that needs attention; a test alert was not taken; a file that `init` or `install --write` would write is there with another text; `serve` had to leave something in flight."
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
      "Supabase or the database cannot be reached, gives no usable answer, or is read-only. Repeating is safe."
  },
  {
    code: "128+n",
    short: "stopped by signal n: 130 Ctrl-C, 143 SIGTERM",
    meaning:
      "129, 130, 131, 142, 143, 152, 154 or 155: stopped by SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM or SIGPROF: no new runs were started, and runs in progress were recorded first ([signals](#signals))."
  }
]

/** The exit codes of `check`. */
export const checkCodes: ReadonlyArray<ExitMeaning> = [
  {
    code: "0",
    short: "OK",
    meaning:
      "OK: everything is below its warning. With the default thresholds that is where `status` has nothing that needs attention: an attempt that did not complete is a WARNING from the first one on, until its run completes. `--retrying 2,` tolerates the first refusal of a cause."
  },
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

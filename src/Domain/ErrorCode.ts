/** The meaning of a code: what failed, why, and how to fix it. The parts that depend on the case are left out. */
export interface Meaning {
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** The meaning of a code of a command or a tick. `exit`: the process's exit code; 3 means that part of a tick could not be done. */
export interface CommandMeaning extends Meaning {
  readonly exit: 1 | 2 | 3 | 4 | 5
}

/**
 * Every code in the `errors` of a summary or of a failed command. When a tick has several codes, the first one in this list decides
 * the exit code. The messages contain more detail; `fix` is their hint where it is constant.
 */
export const commandCodes = {
  ENGINE_DEFECT: {
    what: "A bug in Sync Scheduler",
    why: "Something happened that should not be possible. Other runs are not affected; a lease decides what it was about.",
    fix: "Report it, with the message.",
    exit: 1
  },
  KEY_REFUSED: {
    what: "The key, or the role of the connection, was refused",
    why: "It is not a secret key of this project, has expired, or its role lacks the grants on the scheduler's functions; the message says which.",
    fix: "Set SUPABASE_SECRET_KEY to a secret key of this project (sb_secret_..., or the legacy service_role key).",
    exit: 4
  },
  MIGRATIONS_MISSING: {
    what: "This database does not have the scheduler's tables yet, or has another version's",
    why: "The migrations were not applied, or not all of them.",
    fix: 'Apply the migrations: sync-scheduler init, then supabase db push; or sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"',
    exit: 2
  },
  SCHEMA_CACHE_STALE: {
    what: "The Data API has not read the schema since the migrations",
    why: "PostgREST answers from its schema cache, and the notification to read it again was lost. Nothing was claimed.",
    fix: `psql "$SUPABASE_DB_URL" -c "notify pgrst, 'reload schema'"`,
    exit: 2
  },
  SCHEMA_TOO_OLD: {
    what: "The database's schema is too old for this version",
    why: "Ticks of this version call what is not there. Nothing was claimed.",
    fix: 'Apply the missing migrations: sync-scheduler schema print --after <version> | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL", or supabase db push.',
    exit: 2
  },
  ENGINE_TOO_OLD: {
    what: "This version is too old for the database",
    why: "A migration says that engines as old as this one do not work any more. Nothing was claimed.",
    fix: "Install a newer sync-scheduler, at least as new as the one whose migrations were applied.",
    exit: 2
  },
  SUPABASE_UNREACHABLE: {
    what: "Supabase, or the database, does not answer",
    why: "It is down, paused or overloaded, the address is wrong, or the connection broke. Repeating is safe.",
    fix: "Check SUPABASE_URL (or SUPABASE_DB_URL), and that the project is running.",
    exit: 5
  },
  DATABASE_READ_ONLY: {
    what: "The database is read-only",
    why: "It is a replica, or Supabase made it read-only because its disk is full. Nothing was changed, so nothing runs.",
    fix: "Use the primary's address; if the disk is full, enlarge it (Dashboard: Settings, Compute and Disk).",
    exit: 5
  },
  UNEXPECTED_ANSWER: {
    what: "An answer is not what this version expects",
    why: "Another server answers there, or migrations and binary do not belong together. Exit code 2 when nothing was triggered.",
    fix: "Check that SUPABASE_URL is the project's API and that migrations and binary belong together.",
    exit: 3
  },
  DATABASE_REFUSED_CALL: {
    what: "The database refused a call",
    why: "A constraint or trigger of the project's own, or bad data. The message names the cause.",
    fix: "Correct what the message names; other integrations are not affected.",
    exit: 3
  },
  ROW_REJECTED: {
    what: "The database rejects the run of one integration",
    why: "A constraint or a trigger of the project's own raises an error. The message quotes it; other integrations are not affected.",
    fix: "Correct what the message names: the row, the constraint, or the trigger (its function needs its own search_path).",
    exit: 3
  },
  ROW_UNREADABLE: {
    what: "A row of organization_integrations cannot be read",
    why: "A column holds something that no version of the schema allows, or a trigger or constraint of the project's own raises an error.",
    fix: "Correct the row in organization_integrations, or the trigger or constraint that rejects it; the others are not affected.",
    exit: 3
  },
  SCHEDULE_INVALID: {
    what: "A schedule or a time zone cannot be computed",
    why: "The expression does not parse, the zone is none of IANA's, or no date ever matches. As an argument: exit code 2.",
    fix: "Edit it; sync-scheduler schedules validate says what is wrong with it.",
    exit: 3
  },
  OUTCOME_NOT_RECORDED: {
    what: "A run's outcome could not be recorded",
    why: "The database was away when the function had answered. The run is not repeated before its lease ends.",
    fix: "Nothing: the lease decides, and the function may still report by itself.",
    exit: 3
  },
  CONFIGURATION: {
    what: "Settings are missing or malformed",
    why: "The message names each of them.",
    fix: "sync-scheduler env shows every setting and where it comes from.",
    exit: 2
  },
  USAGE: {
    what: "A command line, or a request to serve, that cannot be understood",
    why: "The message says what is wrong with it.",
    fix: "sync-scheduler help <command>.",
    exit: 2
  },
  CANNOT_WRITE: {
    what: "A file could not be written",
    why: "The disk is full, or a permission is missing.",
    fix: "Make room or give the permission, and run it again.",
    exit: 2
  }
} as const satisfies Readonly<Record<string, CommandMeaning>>

/** Codes of a run that do not come from its function's answer; the codes of answers are in AnswerRule and PlatformError. */
export const runCodes = {
  CONNECTION_FAILED: {
    what: "The connection to the function was never made",
    why: "DNS, TLS, or no server listens. Nothing happened, so it is retried automatically.",
    fix: "Check the function's address: sync-scheduler doctor."
  },
  TIMED_OUT: {
    what: "No whole answer in time",
    why: "The function may still be working: the run is unknown, and what happens next is on_unknown's to say.",
    fix: "Let a long sync answer 202 and report later; SYNC_SCHEDULER_INVOKE_TIMEOUT is how long is waited."
  },
  CONNECTION_LOST: {
    what: "The connection broke after the request may have left",
    why: "The function may have done its work: the run is unknown.",
    fix: "Nothing at first. If it persists, look for a proxy that cuts long requests."
  },
  ENGINE_FROZEN: {
    what: "The invocation was not sent",
    why: "Too much time passed after the start: the machine slept, or was overloaded. The run is started again immediately.",
    fix: "Nothing at first. If it persists, give the machine more to work with."
  },
  FUNCTION_NOT_ALLOWED: {
    what: "The integration's function_name is not on the list of functions",
    why: "It is neither the configured function nor in SYNC_SCHEDULER_FUNCTIONS, or it is the scheduler itself. Nothing was sent.",
    fix: "Add it to SYNC_SCHEDULER_FUNCTIONS, or correct function_name; then sync-scheduler runs retry."
  },
  LEASE_ENDED: {
    what: "The run's engine never recorded an outcome",
    why: "It died or lost the database, and the lease ended. The run is unknown.",
    fix: "See whether the function did its work; sync-scheduler runs retry, if it did not."
  }
} as const satisfies Readonly<Record<string, Meaning>>

/** Codes in the answers of `serve`, with their HTTP status. */
export const serveCodes = {
  NOT_FOUND: {
    what: "There is nothing at this address (404)",
    why: "The path, the integration or the run is not known.",
    fix: "The page is at /, the API in /api/openapi.json."
  },
  HOST_NOT_ALLOWED: {
    what: "The host name of the request is not allowed (421)",
    why: "A page of another site could send it in the name of the signed-in user.",
    fix: "Use localhost, or set SYNC_SCHEDULER_ALLOWED_HOSTS."
  },
  TOKEN_REQUIRED: {
    what: "The request needs the admin token (401, 403)",
    why: "The server is open to a network, or the request is an action.",
    fix: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or sign in at /sign-in."
  },
  TOKEN_REFUSED: {
    what: "The token is not the admin token (401, 403)",
    why: "It is another one, or has a character too many.",
    fix: "It is what serve was started with as SYNC_SCHEDULER_ADMIN_TOKEN."
  },
  ACTIONS_OFF: {
    what: "Actions are disabled here (403)",
    why: "This server is read-only.",
    fix: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions, or use the command line."
  },
  NO_SIGN_IN: {
    what: "There is no sign-in (404)",
    why: "There is no admin token.",
    fix: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions."
  },
  OTHER_SITE: {
    what: "The request was not made by a page of this server (403)",
    why: "Another site may have made it.",
    fix: "Open the page here and act there; programs send the token as Authorization: Bearer."
  },
  FORM_EXPIRED: {
    what: "The form does not belong to this sign-in (403)",
    why: "A sign-in or sign-out happened since it was loaded.",
    fix: "Load the page again."
  },
  NOT_POSSIBLE: {
    what: "The action is not possible now (409)",
    why: "What it was about has changed: it was retried, paused or resumed already.",
    fix: "Load the page again."
  },
  BUSY: {
    what: "Too many concurrent requests (503)",
    why: "Ticks come first.",
    fix: "Try again in a moment."
  },
  TOO_SLOW: {
    what: "No answer in time (503)",
    why: "The database is slow or away.",
    fix: "See /readyz?verbose."
  },
  BUG: {
    what: "A bug in Sync Scheduler (500)",
    why: "Something happened that should not be possible.",
    fix: "Report it, with what serve logged."
  }
} as const satisfies Readonly<Record<string, Meaning>>

export type CommandCode = keyof typeof commandCodes

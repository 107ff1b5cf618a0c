/** What a code means: what failed, why, and how to fix it, as far as that is the same every time. */
export interface Meaning {
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** Of a command or a tick. `exit`: how the process ends by it; 3 is part of a tick that could not be done. */
export interface CommandMeaning extends Meaning {
  readonly exit: 1 | 2 | 3 | 4 | 5
}

/**
 * Every code in `errors`, of a summary and of a command that could not do what it was asked. Where a tick has several, the
 * first one here decides the exit code. The messages themselves say more; `fix` is their hint where it is always the same.
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
    why: "It is not a secret key of this project, has expired, or may not call the scheduler's functions.",
    fix: "Set SUPABASE_SECRET_KEY to a secret key of this project (sb_secret_..., or the legacy service_role key).",
    exit: 4
  },
  MIGRATIONS_MISSING: {
    what: "A function or a table is not there",
    why: "The migrations were not applied, or not all of them.",
    fix: 'Apply the migrations: sync-scheduler schema print | psql "$SUPABASE_DB_URL", or supabase db push.',
    exit: 2
  },
  SCHEMA_TOO_OLD: {
    what: "The database's schema is too old for this version",
    why: "Ticks of this version call what is not there. Nothing was claimed.",
    fix: 'Apply the migrations: sync-scheduler schema print | psql "$SUPABASE_DB_URL", or supabase db push.',
    exit: 2
  },
  ENGINE_TOO_OLD: {
    what: "This version is too old for the database",
    why: "A migration says that engines as old as this one do not work any more. Nothing was claimed.",
    fix: "Install a newer sync-scheduler, at least as new as the one whose migrations were applied.",
    exit: 2
  },
  SUPABASE_UNREACHABLE: {
    what: "Supabase, or the database, gave no usable answer",
    why: "It is down, paused or overloaded, the address is wrong, or the connection broke. Repeating is safe.",
    fix: "Check SUPABASE_URL (or SUPABASE_DB_URL) and that the project is running; the next tick tries again.",
    exit: 5
  },
  UNEXPECTED_ANSWER: {
    what: "An answer is not what this version expects",
    why: "Somebody else answers there, or migrations and binary do not belong together. Exit code 2 when nothing was triggered.",
    fix: "Check that SUPABASE_URL is the project's API and that migrations and binary belong together.",
    exit: 3
  },
  DATABASE_REFUSED_CALL: {
    what: "The database refused one call",
    why: "A constraint or trigger of the project's own, or bad data. The message names the cause.",
    fix: "Correct what the message names; other integrations are not affected.",
    exit: 3
  },
  ROW_UNREADABLE: {
    what: "A row of organization_integrations cannot be read",
    why: "A column holds something that no version of the schema allows.",
    fix: "Correct the row in organization_integrations; the others are not affected.",
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

/** Codes of a run that no answer of its function explains; those that one does are in AnswerRule and PlatformError. */
export const runCodes = {
  CONNECTION_FAILED: {
    what: "The connection to the function was never made",
    why: "DNS, TLS, or nobody listens. Nothing happened, so it is tried again by itself.",
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
    fix: "Nothing by itself; if it stays, look for a proxy that cuts long requests."
  },
  ENGINE_FROZEN: {
    what: "The invocation was not sent",
    why: "Too much time passed after the start: the machine slept, or was overloaded. The run is started again at once.",
    fix: "Nothing by itself; if it stays, give the machine more to work with."
  },
  LEASE_ENDED: {
    what: "The run's engine never said what came of it",
    why: "It died or lost the database, and the lease ended. The run is unknown.",
    fix: "See whether the function did its work; sync-scheduler runs retry, if it did not."
  }
} as const satisfies Readonly<Record<string, Meaning>>

/** Codes in the answers of serve, with their HTTP status. */
export const serveCodes = {
  NOT_FOUND: {
    what: "There is nothing at this address (404)",
    why: "The path, the integration or the run is not known.",
    fix: "The page is at /, the API in /api/openapi.json."
  },
  HOST_NOT_ALLOWED: {
    what: "The server is not known by that name (421)",
    why: "A page of another site could ask it in the name of whoever is signed in.",
    fix: "Ask for it as localhost, or set SYNC_SCHEDULER_ALLOWED_HOSTS."
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
    what: "Nobody may act here (403)",
    why: "This scheduler only shows how things are.",
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
    why: "Somebody signed in or out since it was loaded.",
    fix: "Load the page again."
  },
  BUSY: {
    what: "Too many requests at once (503)",
    why: "Ticks come first.",
    fix: "Ask again in a moment."
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

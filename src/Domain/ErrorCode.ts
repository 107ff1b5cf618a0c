export interface Meaning {
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** `exit` is the exit code of the process; 3 means that part of a tick failed. */
export interface CommandMeaning extends Meaning {
  readonly exit: 1 | 2 | 3 | 4 | 5
}

/**
 * The codes of summaries and failed commands. If a tick reports several codes, the first one in this list determines the exit
 * code. If all messages for a code share the same hint, `fix` is that hint.
 */
export const commandCodes = {
  ENGINE_DEFECT: {
    what: "A bug in Sync Scheduler",
    why: "An unexpected error occurred. Other runs are not affected; an affected run is handled when its lease ends.",
    fix: "Report the bug with this message.",
    exit: 1
  },
  KEY_REFUSED: {
    what: "Supabase rejected the key or the connection's role",
    why: "The key is not a secret key of this project, has expired, or has a role without the required grants. The message states the cause.",
    fix: "Set SUPABASE_SECRET_KEY to a secret key of this project (sb_secret_..., or the legacy service_role key).",
    exit: 4
  },
  MIGRATIONS_MISSING: {
    what: "This database lacks the scheduler's tables, or has those of another version",
    why: "Some or all migrations have not been applied.",
    fix: 'Apply the migrations: sync-scheduler init, then supabase db push; or sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"',
    exit: 2
  },
  SCHEMA_CACHE_STALE: {
    what: "The Data API has not reloaded the schema since the migrations",
    why: "PostgREST still uses its old schema cache, because the notification to reload it was lost. Nothing was claimed.",
    fix: `psql "$SUPABASE_DB_URL" -c "notify pgrst, 'reload schema'"`,
    exit: 2
  },
  SCHEMA_TOO_OLD: {
    what: "The database's schema is too old for this version",
    why: "This version calls functions that the database does not have. Nothing was claimed.",
    fix: 'Apply the missing migrations: sync-scheduler schema print --after <version> | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL", or supabase db push.',
    exit: 2
  },
  ENGINE_TOO_OLD: {
    what: "This version is too old for the database",
    why: "A migration declares that engines as old as this one no longer work. Nothing was claimed.",
    fix: "Install a sync-scheduler version at least as new as the applied migrations.",
    exit: 2
  },
  SUPABASE_UNREACHABLE: {
    what: "Supabase or the database does not answer",
    why: "The project is down, paused or overloaded, the address is wrong, or the connection broke. Retrying is safe.",
    fix: "Check SUPABASE_URL (or SUPABASE_DB_URL), and check that the project is running.",
    exit: 5
  },
  DATABASE_READ_ONLY: {
    what: "The database is read-only",
    why: "The database is a replica, or Supabase made it read-only because its disk is full. Nothing was changed, and no sync runs.",
    fix: "Use the primary's address; if the disk is full, enlarge it (Dashboard: Settings, Compute and Disk).",
    exit: 5
  },
  UNEXPECTED_ANSWER: {
    what: "This version cannot read a response from the database",
    why: "Another server is at this address, or the migrations and the binary are from different versions. The exit code is 2 when nothing was triggered.",
    fix: "Check that SUPABASE_URL is the project's API, and that the migrations and the binary are from the same version.",
    exit: 3
  },
  DATABASE_REFUSED_CALL: {
    what: "The database rejected a call",
    why: "One of the project's own constraints or triggers raised an error, or the data is invalid. The message names the cause.",
    fix: "Fix the cause that the message names; other integrations are not affected.",
    exit: 3
  },
  ROW_REJECTED: {
    what: "The database rejects the run of one integration",
    why: "One of the project's own constraints or triggers raises an error. The message quotes the error; other integrations are not affected.",
    fix: "Correct the row, the constraint or the trigger that the message names (a trigger's function needs its own search_path).",
    exit: 3
  },
  ROW_UNREADABLE: {
    what: "A row of organization_integrations cannot be read",
    why: "A column has a value that no version of the schema allows, or one of the project's own constraints or triggers raises an error.",
    fix: "Correct the row in organization_integrations, or the trigger or constraint that rejects it; other integrations are not affected.",
    exit: 3
  },
  SCHEDULE_INVALID: {
    what: "A schedule or a time zone cannot be computed",
    why: "The expression does not parse, the zone is not an IANA time zone, or no date ever matches. For an argument, the exit code is 2.",
    fix: "Find the error with sync-scheduler schedules validate '<cron>', then edit the schedule.",
    exit: 3
  },
  OUTCOME_NOT_RECORDED: {
    what: "A run's outcome could not be recorded",
    why: "The database was unreachable when the function responded. The run is not repeated before its lease ends.",
    fix: "Nothing to do: the run is handled when its lease ends, and the function may still report its result.",
    exit: 3
  },
  CONFIGURATION: {
    what: "Settings are missing or malformed",
    why: "The message names each setting.",
    fix: "Show every setting and its source: sync-scheduler env",
    exit: 2
  },
  USAGE: {
    what: "A command line, or a request to the server, is invalid",
    why: "The message states the error.",
    fix: "sync-scheduler help <command>",
    exit: 2
  },
  CANNOT_WRITE: {
    what: "A file could not be written",
    why: "The disk is full, or a permission is missing.",
    fix: "Free disk space or grant the permission, then run the command again.",
    exit: 2
  }
} as const satisfies Readonly<Record<string, CommandMeaning>>

/** The codes of runs whose outcome does not come from a response. AnswerRule and PlatformError define the other codes. */
export const runCodes = {
  CONNECTION_FAILED: {
    what: "The connection to the function was never made",
    why: "DNS or TLS failed, or no server is listening. Nothing happened, so the run is retried automatically.",
    fix: "Check the function's address: sync-scheduler doctor"
  },
  TIMED_OUT: {
    what: "The function did not finish its response in time",
    why: "The function may still be running, so the outcome is unknown. on_unknown decides what happens next.",
    fix: "Make a long sync respond with 202 and report its result later, or increase SYNC_SCHEDULER_INVOKE_TIMEOUT."
  },
  CONNECTION_LOST: {
    what: "The connection broke, possibly after the request was sent",
    why: "The function may have done its work, so the outcome is unknown.",
    fix: "No action is needed yet. If this persists, look for a proxy that ends long requests."
  },
  ENGINE_FROZEN: {
    what: "The invocation was not sent",
    why: "Too much time passed after the start, because the machine was suspended or overloaded. The run is started again immediately.",
    fix: "No action is needed yet. If this persists, give the machine more CPU or memory."
  },
  FUNCTION_NOT_ALLOWED: {
    what: "The integration's function_name is not an allowed function",
    why: "The function is neither the default function nor in SYNC_SCHEDULER_FUNCTIONS, or it is the scheduler itself. Nothing was sent.",
    fix: "Add the function to SYNC_SCHEDULER_FUNCTIONS, or correct function_name. Then: sync-scheduler runs retry <run>"
  },
  LEASE_ENDED: {
    what: "The run's engine never recorded an outcome",
    why: "The engine died or lost its database connection, and the lease ended. The outcome is unknown.",
    fix: "Check whether the function did its work. If it did not: sync-scheduler runs retry <run>"
  }
} as const satisfies Readonly<Record<string, Meaning>>

/** The error codes in responses from `serve`. Each `what` ends with the HTTP status. */
export const serveCodes = {
  NOT_FOUND: {
    what: "Nothing was found at this address (404)",
    why: "The path, the integration or the run does not exist.",
    fix: "The status page is at /; the API is described in /api/openapi.json."
  },
  HOST_NOT_ALLOWED: {
    what: "The host name of the request is not allowed (421)",
    why: "A page on another site could send such a request on behalf of the signed-in user.",
    fix: "Use localhost, or set SYNC_SCHEDULER_ALLOWED_HOSTS."
  },
  TOKEN_REQUIRED: {
    what: "The request needs the admin token (401, 403)",
    why: "The server is reachable from a network, or the request is an action.",
    fix: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or sign in at /sign-in."
  },
  TOKEN_REFUSED: {
    what: "The token is not the admin token (401, 403)",
    why: "The token is wrong, or contains an extra character.",
    fix: "Use the value of SYNC_SCHEDULER_ADMIN_TOKEN that serve was started with."
  },
  ACTIONS_OFF: {
    what: "Actions are disabled here (403)",
    why: "This server is read-only.",
    fix: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions, or use the command line."
  },
  NO_SIGN_IN: {
    what: "Sign-in is disabled (404)",
    why: "No admin token is set.",
    fix: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions."
  },
  OTHER_SITE: {
    what: "The request did not come from a page of this server (403)",
    why: "Another site may have sent it.",
    fix: "Open this server's page and repeat the action there. A program must send the token in the header Authorization: Bearer."
  },
  FORM_EXPIRED: {
    what: "The form does not belong to this session (403)",
    why: "You signed in or out after the page was loaded.",
    fix: "Reload the page."
  },
  NOT_POSSIBLE: {
    what: "The action is not possible now (409)",
    why: "The run or integration has changed: it was already retried, paused or resumed.",
    fix: "Reload the page."
  },
  BUSY: {
    what: "Too many concurrent requests (503)",
    why: "The server gives priority to ticks.",
    fix: "Try again in a moment."
  },
  TOO_SLOW: {
    what: "The database did not respond in time (503)",
    why: "The database is slow or unreachable.",
    fix: "Check /readyz?verbose."
  },
  BUG: {
    what: "A bug in Sync Scheduler (500)",
    why: "An unexpected error occurred.",
    fix: "Report the bug and include the server's log."
  }
} as const satisfies Readonly<Record<string, Meaning>>

export type CommandCode = keyof typeof commandCodes

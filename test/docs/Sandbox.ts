import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath, LATE_OPTIMIZER } from "../support/binary.ts"
import { startFunctionServer } from "../support/FunctionServer.ts"
import { freePort } from "../support/freePort.ts"
import { createDatabase } from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { CLI_ENVIRONMENT, makeStandIn, realCli } from "../support/SupabaseStandIn.ts"
import { type Block, type Document, root } from "./Document.ts"

/** `at` is the line of the block that failed, if any. */
export interface SandboxResult {
  readonly at: number | null
  readonly output: string
}

/**
 * Runs a page's commands unchanged, with a database, the API, the binary, Bun, psql and the Supabase CLI. For an empty project, a
 * stand-in replaces the Supabase CLI.
 */
export interface Sandbox {
  /** Runs the page's blocks in one shell, up to the first block that fails. */
  readonly run: (document: Document) => Promise<SandboxResult>
  readonly close: () => Promise<void>
}

/** A block that needs something unavailable here names the test that runs it. */
export const isRun = ({ language, notes }: Block): boolean =>
  ["sh", "sql", "ts"].includes(language) && !notes.some((note) => note.startsWith("shown-by="))

/** Returns shell code that runs the block and compares its exit code with the block's notes. */
const shellOf = (block: Block, file: string): string => {
  const exit = block.notes.find((note) => note.startsWith("exit="))?.slice(5) ?? "0"
  const command = block.notes.includes("deno")
    ? `cp "$PAGE/${file}" "$PAGE/functions/page/index.ts" && (cd "$PAGE/functions/page" && deno check index.ts)`
    : block.language === "sql"
      ? `psql -X -q -v ON_ERROR_STOP=1 "$READER_DB_URL" -f "$PAGE/${file}"`
      : block.language === "ts"
        ? `bun "$PAGE/${file}"`
        : `. "$PAGE/${file}"`
  return [
    `echo "@@ ${block.line}"`,
    `set ${exit === "0" ? "-" : "+"}e`,
    command,
    "code=$?",
    "set -e",
    `if [ "$code" != ${exit} ]; then echo "ended with $code"; exit 1; fi`
  ].join("\n")
}

const TYPES = 'echo "@@ 0"\n"$PAGE/node_modules/.bin/tsc" --noEmit -p "$PAGE"'

/** These programs change the machine or use the network. A page that uses one must name the test that runs the page. */
const UNAVAILABLE_PROGRAMS =
  "systemctl docker podman kubectl helm apt-get install npm npx gh curl".split(" ")
/** In runbooks, no-ops replace these programs, because their output depends on the machine. */
const REPLACED_PROGRAMS = [
  ...UNAVAILABLE_PROGRAMS,
  ..."journalctl timedatectl chronyc promtool ls".split(" ")
]

const RUN_ID = "01000000-0000-4000-8000-000000000001"
const ORG_ID = "0a000000-0000-4000-8000-000000000001"
const INTEGRATION_ID = "1a000000-0000-4000-8000-000000000001"

/** An integration with a run from last night. */
const PROJECT = `
  insert into organization_integrations (id, org_id, org_name, integration_type, sync_schedule, timezone, created_at)
  values ('${INTEGRATION_ID}', '${ORG_ID}', 'Acme AS', 'xledger', '0 2 * * *', 'Europe/Oslo', now() - interval '9 days');
  insert into sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, attempt, started_at, finished_at)
  select '${RUN_ID}', '${INTEGRATION_ID}', '${ORG_ID}', 'xledger', slot, '${INTEGRATION_ID}:' || slot, 'failed', 1, slot, slot
    from (select date_trunc('day', now(), 'Europe/Oslo') - interval '22 hours') as last_night (slot)`

/** The TypeScript configuration maps the published package names to the sources. */
const installPrograms = async (directory: string, isRunbook: boolean): Promise<void> => {
  const bin = join(directory, ".bin")
  await mkdir(bin)
  await symlink(await binaryPath(), join(bin, "sync-scheduler"))
  await symlink(process.execPath, join(bin, "bun"))
  const cli = Object.entries(CLI_ENVIRONMENT).map(([name, value]) => `${name}=${value}`)
  const supabase = `#!/bin/sh\n${cli.join(" ")} exec '${realCli}' "$@"\n`
  await writeFile(join(bin, "supabase"), supabase, { mode: 0o755 })
  await symlink(join(root, "node_modules"), join(directory, "node_modules"))
  for (const name of isRunbook ? REPLACED_PROGRAMS : UNAVAILABLE_PROGRAMS) {
    const code = isRunbook ? 0 : 97
    await writeFile(
      join(bin, name),
      `#!/bin/sh\necho "${name} is not for this test" >&2\nexit ${code}\n`,
      { mode: 0o755 }
    )
  }
  const paths = {
    "sync-scheduler": [join(root, "src/job-trigger-engine.ts")],
    "sync-scheduler/layers": [join(root, "src/Library/Layers.ts")],
    "sync-scheduler/fence": [join(root, "supabase/functions/_shared/syncRun.ts")],
    "sync-scheduler/testing": [join(root, "test/support/Testing.ts")]
  }
  // Deno blocks run as a function, because their imports are relative to a folder next to _shared.
  await mkdir(join(directory, "functions/page"), { recursive: true })
  await symlink(join(root, "supabase/functions/_shared"), join(directory, "functions/_shared"))
  await symlink(join(root, "node_modules/.bin/deno"), join(bin, "deno"))
  const files = [join(root, "src/assets.d.ts")]
  const compilerOptions = { paths, noUnusedLocals: false }
  await writeFile(
    join(directory, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions,
      files,
      include: ["*.ts"]
    })
  )
}

/** A page can request an empty project without settings. */
export const openSandbox = async ({ path, text }: Document): Promise<Sandbox> => {
  const isEmpty = text.includes("<!-- test: an empty project")
  const functions = await startFunctionServer()
  // For an empty project, the page itself serves its function on this port.
  const functionsPort = await freePort()
  const isLocal = text.includes("<!-- test: an empty project, with the local stack -->")
  const functionsUrl = isLocal ? `http://127.0.0.1:${functionsPort}` : functions.url
  const database = await createDatabase(isEmpty ? { migrations: false } : { sql: PROJECT })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl })
  const directory = await mkdtemp(join(tmpdir(), "sync-scheduler-docs-"))
  await installPrograms(directory, path.startsWith("docs/runbooks/"))
  const { secretKey, url } = gateway
  const standIn = isLocal
    ? await makeStandIn(directory, { url, secretKey, databaseUrl: database.url, functionsPort })
    : undefined

  const settings = {
    SUPABASE_URL: gateway.url,
    SUPABASE_SECRET_KEY: gateway.secretKey,
    SUPABASE_DB_URL: database.url,
    SYNC_SCHEDULER_PROBES: "false",
    SYNC_SCHEDULER_PING_URL: `${functions.url}/ping`
  }
  const env = {
    PATH: `${standIn === undefined ? "" : `${standIn.directory}:`}${join(directory, ".bin")}:/usr/local/bin:/usr/bin:/bin`,
    HOME: directory,
    PAGE: directory,
    ...LATE_OPTIMIZER,
    NO_COLOR: "1",
    DO_NOT_TRACK: "1",
    DENO_NO_UPDATE_CHECK: "1",
    READER_DB_URL: database.url,
    ...(isEmpty ? {} : settings)
  }
  const values: ReadonlyArray<readonly [written: string, here: string]> = [
    ["https://<project-ref>.supabase.co", gateway.url],
    ["<connection string>", database.url],
    ["http://127.0.0.1:54321", gateway.url],
    ["sb_secret_...", gateway.secretKey],
    ["<org>", ORG_ID],
    ["<integration>", INTEGRATION_ID],
    ["<run>", RUN_ID],
    ["<cron>", "0 2 * * *"],
    ["<zone>", "Europe/Oslo"]
  ]
  const here = (text: string): string =>
    values.reduce((all, [written, value]) => all.replaceAll(written, value), text)

  return {
    run: async ({ blocks }) => {
      const shown = blocks.filter(isRun)
      const steps = await Promise.all(
        shown.map(async (block, index) => {
          const isDeno = block.notes.includes("deno")
          const file = `block-${index}.${isDeno ? "deno" : block.language}`
          await writeFile(join(directory, file), here(block.text))
          return shellOf(block, file)
        })
      )
      if (shown.some(({ language, notes }) => language === "ts" && !notes.includes("deno")))
        steps.push(TYPES)
      const script = ["set -eo pipefail", ...steps, 'echo "@@ done"', ""].join("\n")
      await writeFile(join(directory, "page.sh"), script)
      const child = Bun.spawn(["bash", "page.sh"], {
        cwd: directory,
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe"
      })
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited
      ])
      const reached = [...stdout.matchAll(/^@@ (\d+|done)$/gm)].at(-1)?.[1]
      return { at: reached === "done" ? null : Number(reached), output: `${stdout}\n${stderr}` }
    },
    close: async () => {
      await standIn?.close()
      await gateway.close()
      await functions.close()
      await database.drop()
      await rm(directory, { recursive: true, force: true })
    }
  }
}

import { setReadOnly } from "../support/ReadOnly.ts"
import type { Site } from "./Site.ts"

/** Injects a fault, and resolves when the fault is over. */
export type ServerFault = (site: Site) => Promise<void>

/** Clock jumps in seconds: within a lease, beyond a lease, and across many slots. */
const JUMPS = [-600, -90, -2, 2, 90, 600]
/** Longer than an engine's timeout for a database call, in ms. */
const LONG_STOP_MS = 33_000

const upTo = (ms: number) => Bun.sleep(Math.random() * ms)
const pick = (all: ReadonlyArray<number>): number =>
  all[Math.floor(Math.random() * all.length)] ?? 0

/** Begins a fault while a function is held at one of `gates`. The function is released during the fault. */
const meanwhile = async (
  site: Site,
  gates: ReadonlyArray<string>,
  begin: (answer: () => void) => unknown
): Promise<void> => {
  const { reached, stop } = site.arm({ name: "running", gates, call: "answered" })
  await Promise.race([reached, Bun.sleep(4_000)])
  await begin(stop)
  stop()
}

/** Begins a fault, releases the function after up to 2.5 s, and ends the fault after up to 5 s more. */
const forSeconds = (
  site: Site,
  begin: (site: Site) => unknown,
  end: (site: Site) => unknown
): Promise<void> =>
  meanwhile(site, ["worked"], async (answer) => {
    await begin(site)
    await upTo(2_500)
    answer()
    await upTo(5_000)
    await end(site)
  })

/** Stops PostgreSQL with SIGSTOP. Connections stay open but get no response. */
const stopPostgres = (site: Site, ms: number): Promise<void> =>
  meanwhile(site, ["worked"], async (answer) => {
    const over = site.postgres.freeze(ms)
    answer()
    await over
  })

const never = () => undefined

export const serverFaults: Readonly<Record<string, ServerFault>> = {
  "PostgreSQL killed": async ({ postgres }) => {
    await upTo(500)
    await postgres.kill()
    await upTo(1_500)
    await postgres.restart()
  },
  // Half of these kills hit a run whose effect is in the ledger but has not been reported to the scheduler.
  "functions killed": (site) =>
    meanwhile(site, [Math.random() < 0.5 ? "worked" : "begun"], site.restartFunctions),
  "database read-only": (site) =>
    forSeconds(
      site,
      ({ postgres }) => setReadOnly(postgres, true),
      ({ postgres }) => setReadOnly(postgres, false)
    ),
  "disk full": (site) =>
    forSeconds(
      site,
      ({ disk }) => disk?.fill(),
      ({ disk }) => disk?.free()
    ),
  "PostgreSQL stopped": (site) => stopPostgres(site, Math.random() * 8_000),
  "PostgreSQL stopped for 33 s": (site) => stopPostgres(site, LONG_STOP_MS),
  "clock of PostgreSQL set": (site) =>
    forSeconds(site, ({ clocks }) => clocks?.database.set(pick(JUMPS)), never),
  "clock of an engine set": (site) =>
    forSeconds(
      site,
      ({ clocks }) => (Math.random() < 0.5 ? clocks?.api : clocks?.direct)?.set(pick(JUMPS)),
      never
    )
}

/** The final offset of the database's clock, in seconds, after which no row has a future timestamp. */
export const LAST_JUMP = Math.max(...JUMPS)

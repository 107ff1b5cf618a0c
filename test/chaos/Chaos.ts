import { audit, type Findings } from "./Audit.ts"
import { type Fleet, startFleet } from "./Fleet.ts"
import { freezePoint, type KillPoint, killPoints } from "./KillPoint.ts"
import { countReady, decideHeld, kinds, seed, untilQuiet } from "./Load.ts"
import { type Site, startSite } from "./Site.ts"

/** How much is to die. `engines`: binaries at once, every third over a direct connection. */
export interface ChaosOptions {
  readonly kills: number
  readonly postgresKills: number
  readonly functionKills: number
  readonly freezes: number
  readonly engines: number
  /** Told what goes on, line by line. */
  readonly say?: (line: string) => void
}

export interface ChaosReport extends Findings {
  /** Kills by point; also at random, of PostgreSQL and of the functions, and freezes. */
  readonly kills: Readonly<Record<string, number>>
  readonly ticks: number
  /** How binaries ended that nobody killed, by exit code. */
  readonly exitCodes: Readonly<Record<string, number>>
  /** Runs that an operator had to decide. */
  readonly held: number
  readonly seconds: number
}

export const RANDOM = "at a random moment" as const
export const POSTGRES = "PostgreSQL killed" as const
export const FUNCTIONS = "functions killed" as const
export const FREEZE = "engine frozen" as const

/** So many ambushes at once; more only wait for each other. */
const LANES = 3
/** An ambush that nobody walks into by then is given up, and laid again. */
const AMBUSH_MS = 4_000
/** How long a call or a function may hang after its engine died, and an engine may be frozen: leases last 3 s. */
const LINGER_MS = 6_000
/** Minutes that a new integration is behind: slots that wait. */
const BEHIND = 8

/** Kills and kills, then lets everything come to rest, then compares all that was written down. */
export const runChaos = async (options: ChaosOptions): Promise<ChaosReport> => {
  const startedAt = Date.now()
  const say = options.say ?? (() => undefined)
  const site = await startSite()
  try {
    await seed(site, 2, BEHIND)
    const { api, direct } = site.environments
    const fleet = startFleet(
      Array.from({ length: options.engines }, (_, n) => (n % 3 === 2 ? direct : api)),
      ["run", "-o", "json", "--limit", "12", "--concurrency", "4"]
    )
    const kills = await killAll(site, fleet, options, say)
    say("no more faults: waiting until everything is quiet")
    await untilQuiet(site, 120_000)
    const held = await decideHeld(site)
    say(`an operator decided ${held} runs that were held`)
    await untilQuiet(site, 120_000)
    await fleet.stop()
    const findings = await audit(site, fleet.exits)
    const ended = fleet.exits.filter((exit) => exit.signal === null)
    return {
      ...findings,
      kills,
      held,
      ticks: fleet.exits.length,
      exitCodes: Object.fromEntries(
        [...new Set(ended.map((exit) => exit.code))].map((code) => [
          String(code),
          ended.filter((exit) => exit.code === code).length
        ])
      ),
      seconds: Math.round((Date.now() - startedAt) / 1000)
    }
  } finally {
    await site.close()
  }
}

/** All deaths, in random order, some at once. PostgreSQL and the functions die one after the other. */
const killAll = async (
  site: Site,
  fleet: Fleet,
  options: ChaosOptions,
  say: (line: string) => void
) => {
  const kills: Record<string, number> = {}
  const tasks = shuffle([
    ...Array.from({ length: options.kills }, (_, n) => pointOf(n)),
    ...Array.from({ length: options.postgresKills }, () => POSTGRES),
    ...Array.from({ length: options.functionKills }, () => FUNCTIONS),
    ...Array.from({ length: options.freezes }, () => FREEZE)
  ])
  const lingering: Array<Promise<void>> = []
  const linger = (stop: () => void) => {
    lingering.push(Bun.sleep(Math.random() * LINGER_MS).then(stop))
  }
  let servers = Promise.resolve()
  const inTurn = (action: () => Promise<void>): Promise<void> => {
    servers = servers.then(action)
    return servers
  }
  const lane = async () => {
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      if (task === POSTGRES) await inTurn(() => killPostgres(site))
      else if (task === FUNCTIONS) await inTurn(() => killFunctions(site))
      else if (task === FREEZE) await repeat(() => freeze(site, fleet))
      else if (task === RANDOM) await repeat(() => killAtRandom(fleet))
      else await repeat(() => killAt(task, site, fleet, linger))
      const name = typeof task === "string" ? task : task.name
      kills[name] = (kills[name] ?? 0) + 1
      if (tasks.length % 20 === 0) say(`${tasks.length} deaths to go`)
    }
  }
  const feeding = keepFed(site, () => tasks.length > 0)
  await Promise.all(Array.from({ length: LANES }, lane))
  await feeding
  await Promise.all(lingering)
  return kills
}

/** Three of four at the named points, in turn; the others whenever. */
const pointOf = (n: number): KillPoint | typeof RANDOM =>
  n % 4 === 3 ? RANDOM : (killPoints[(n - Math.floor(n / 4)) % killPoints.length] ?? RANDOM)

const repeat = async (attempt: () => Promise<boolean>): Promise<void> => {
  while (!(await attempt()));
}

/** Kills who comes by. What it had asked for, or asked a function to do, may be done much later. */
const killAt = async (
  point: KillPoint,
  site: Site,
  fleet: Fleet,
  linger: (stop: () => void) => void
): Promise<boolean> => {
  const { reached, stop } = site.arm(point)
  const pid = await Promise.race([reached, Bun.sleep(AMBUSH_MS).then(() => undefined)])
  const isKilled = pid !== undefined && (await fleet.kill(pid))
  if (isKilled && point.call === "goes on") linger(stop)
  else stop()
  return isKilled
}

/** Its answer comes while it cannot hear it; it wakes before or after its lease has ended. */
const freeze = async (site: Site, fleet: Fleet): Promise<boolean> => {
  const { reached, stop } = site.arm(freezePoint)
  const pid = await Promise.race([reached, Bun.sleep(AMBUSH_MS).then(() => undefined)])
  if (pid === undefined) {
    stop()
    return false
  }
  const isFrozen = fleet.freeze(pid, Math.random() * LINGER_MS)
  stop()
  return isFrozen
}

const killAtRandom = async (fleet: Fleet): Promise<boolean> => {
  await Bun.sleep(Math.random() * 1_200)
  const pids = fleet.alive()
  const pid = pids[Math.floor(Math.random() * pids.length)]
  return pid !== undefined && fleet.kill(pid)
}

const killPostgres = async ({ postgres }: Site): Promise<void> => {
  await Bun.sleep(Math.random() * 500)
  await postgres.kill()
  await Bun.sleep(Math.random() * 1_500)
  await postgres.restart()
}

/** Every other time with a run that has booked and not reported: nobody but the books knows of it then. */
const killFunctions = async (site: Site): Promise<void> => {
  const gates = Math.random() < 0.5 ? ["worked"] : ["begun"]
  const { reached, stop } = site.arm({ name: FUNCTIONS, gates, call: "answered" })
  await Promise.race([reached, Bun.sleep(AMBUSH_MS)])
  await site.restartFunctions()
  stop()
}

/** New integrations whenever the engines could run dry: an ambush needs somebody who comes by. */
const keepFed = async (site: Site, isNeeded: () => boolean): Promise<void> => {
  while (isNeeded()) {
    if ((await countReady(site)) < 2 * kinds.length) await seed(site, 2, BEHIND)
    await Bun.sleep(250)
  }
}

const shuffle = <A>(all: ReadonlyArray<A>): Array<A> =>
  all
    .map((one) => ({ one, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one)

import { audit, type Findings } from "./Audit.ts"
import { type Fleet, startFleet } from "./Fleet.ts"
import { freezePoint, type KillPoint, killPoints } from "./KillPoint.ts"
import { countReady, decideHeld, type Kind, kinds, seed, untilQuiet } from "./Load.ts"
import { LAST_JUMP, serverFaults } from "./ServerFaults.ts"
import { type Site, startSite } from "./Site.ts"

export interface ChaosOptions {
  /** The number of engines to kill: three out of four at a named kill point, and the rest at random moments. */
  readonly kills?: number
  /** The number of engines to freeze. Some freezes last longer than a lease. */
  readonly freezes?: number
  /** The number of server faults of each kind, injected one at a time. */
  readonly servers?: Readonly<Record<string, number>>
  /** The number of concurrent binaries. */
  readonly engines: number
  /** How the engines connect to the database. By default, every third engine connects directly, and the rest use the API. */
  readonly over?: "api" | "direct"
  /** Restricts the campaign to integrations with this policy. */
  readonly onUnknown?: Kind["onUnknown"]
  readonly say?: (line: string) => void
}

export interface ChaosReport extends Findings {
  /** The number of injected faults, by the name of the fault or kill point. */
  readonly kills: Readonly<Record<string, number>>
  readonly ticks: number
  /** The number of binaries that exited without being killed, by exit code. */
  readonly exitCodes: Readonly<Record<string, number>>
  /** The number of runs on hold that an operator had to release or retry. */
  readonly held: number
  readonly seconds: number
}

export const RANDOM = "at a random moment" as const
export const FREEZE = "engine frozen" as const

/** The number of concurrent ambushes. More ambushes would only wait for each other. */
const LANES = 3
/** How long an ambush waits for an engine before the ambush is set again, in ms. */
const AMBUSH_MS = 4_000
/** The maximum time that an engine stays frozen, or that a call or function outlives its engine, in ms. Leases last 3 s. */
const LINGER_MS = 6_000
/** New integrations start with this many due slots, one per minute. */
const BEHIND = 8

export const runChaos = async (options: ChaosOptions): Promise<ChaosReport> => {
  const startedAt = Date.now()
  const say = options.say ?? (() => undefined)
  const faults = Object.keys(options.servers ?? {})
  const site = await startSite({
    disk: faults.includes("disk full"),
    clocks: faults.some((name) => name.startsWith("clock"))
  })
  const chosenKinds = kinds.filter(
    ({ onUnknown }) => onUnknown === (options.onUnknown ?? onUnknown)
  )
  const feed = () => seed(site, 2, BEHIND, chosenKinds)
  try {
    await feed()
    const fleet = startFleet(
      Array.from(
        { length: options.engines },
        (_, n) => site.environments[options.over ?? (n % 3 === 2 ? "direct" : "api")]
      ),
      ["run", "-o", "json", "--limit", "12", "--concurrency", "4"]
    )
    const kills = await killAll(site, fleet, options, feed, say)
    endFaults(site)
    // A tick with a limit leaves due integrations reserved for 15 s, so catching up would take minutes.
    fleet.calm(["run", "-o", "json"])
    say("faults over: waiting until all runs have settled")
    await untilQuiet(site, 120_000)
    const held = await decideHeld(site)
    say(`an operator decided about ${held} runs on hold`)
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

/** Injects all faults in random order. At most one server fault is active at a time. */
const killAll = async (
  site: Site,
  fleet: Fleet,
  options: ChaosOptions,
  feed: () => Promise<void>,
  say: (line: string) => void
) => {
  const kills: Record<string, number> = {}
  const tasks = shuffle([
    ...Array.from({ length: options.kills ?? 0 }, (_, n) => pointOf(n)),
    ...Array.from({ length: options.freezes ?? 0 }, () => FREEZE),
    ...Object.entries(options.servers ?? {}).flatMap(([name, count]) =>
      Array.from({ length: count }, () => name)
    )
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
      if (task === FREEZE) await repeat(() => freeze(site, fleet))
      else if (task === RANDOM) await repeat(() => killAtRandom(fleet))
      else if (typeof task === "string") await inTurn(() => play(task, site))
      else await repeat(() => killAt(task, site, fleet, linger))
      const name = typeof task === "string" ? task : task.name
      kills[name] = (kills[name] ?? 0) + 1
      if (tasks.length % 20 === 0) say(`${tasks.length} faults remaining`)
    }
  }
  const feeding = keepSupplied(site, feed, () => tasks.length > 0)
  await Promise.all(Array.from({ length: LANES }, lane))
  await feeding
  await Promise.all(lingering)
  return kills
}

/** Of every four kills, three use the kill points in rotation and the fourth uses a random moment. */
const pointOf = (n: number): KillPoint | typeof RANDOM =>
  n % 4 === 3 ? RANDOM : (killPoints[(n - Math.floor(n / 4)) % killPoints.length] ?? RANDOM)

const repeat = async (attempt: () => Promise<boolean>): Promise<void> => {
  while (!(await attempt()));
}

/** Kills the first engine that reaches the point. */
const killAt = async (
  point: KillPoint,
  site: Site,
  fleet: Fleet,
  linger: (stop: () => void) => void
): Promise<boolean> => {
  const { reached, stop } = site.arm(point)
  const pid = await Promise.race([reached, Bun.sleep(AMBUSH_MS).then(() => undefined)])
  const isKilled = pid !== undefined && (await fleet.kill(pid))
  if (isKilled && point.call === "continues") linger(stop)
  else stop()
  return isKilled
}

/** Freezes an engine when the response to its start request arrives. */
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

const play = async (name: string, site: Site): Promise<void> => {
  const fault = serverFaults[name]
  if (fault === undefined) throw new Error(`unknown fault: ${name}`)
  await fault(site)
}

/** Sets the database's clock late enough that no row has a future timestamp. */
const endFaults = ({ clocks }: Site): void => {
  clocks?.database.set(LAST_JUMP)
  clocks?.api.set(0)
  clocks?.direct.set(0)
}

/** Adds integrations before the engines run out of work, because an idle engine never reaches an ambush. */
const keepSupplied = async (
  site: Site,
  feed: () => Promise<void>,
  isNeeded: () => boolean
): Promise<void> => {
  while (isNeeded()) {
    if ((await countReady(site)) < 2 * kinds.length) await feed()
    await Bun.sleep(250)
  }
}

const shuffle = <A>(all: ReadonlyArray<A>): Array<A> =>
  all
    .map((one) => ({ one, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one)

import { join } from "node:path"
import type { SQL } from "bun"
import { compile } from "./Compile.ts"
import type { Servers, Site } from "./Servers.ts"
import type { Measured, Spec } from "./Spec.ts"

/** The workload of a trial. `idle` is the number of integrations that are not due. */
export interface Load {
  readonly jobs: number
  readonly latencyMs: number
  readonly concurrency: number
  readonly idle?: number
  readonly processes?: number
}

export interface Trial {
  /** The longest time of any process, in ms. */
  readonly wallMs: number
  /** The CPU time of all processes together, in ms. */
  readonly cpuMs: number
  /** The highest peak memory of any process. */
  readonly peakRssMb: number
  /** The largest heap of any process. */
  readonly liveHeapMb: number
  readonly postgresCpuMs: number
  readonly peakInFlight: number
  /** The number of jobs that another engine claimed first. */
  readonly lost: number
}

const engines: ReadonlySet<string> = new Set(["ours-direct", "ours-api", "ours-effect"])
const overApi: ReadonlySet<string> = new Set(["ours-api", "rest-bulk", "script"])

/** Runs one contender once. Fails unless every job was invoked exactly once, within the concurrency limit. */
export const runTrial = async (servers: Servers, contender: string, load: Load): Promise<Trial> => {
  const site = await servers.createSite({ gateway: overApi.has(contender) })
  try {
    if (contender.startsWith("ours")) await seed(site.sql, load)
    const statsUrl = `${new URL(servers.functionsUrl).origin}/stats`
    await fetch(statsUrl)
    const before = servers.postgresCpuMs()
    const processes = load.processes ?? 1
    const measured = await Promise.all(
      Array.from({ length: processes }, () => runWorker(specOf(servers, site, contender, load)))
    )
    const postgresCpuMs = servers.postgresCpuMs() - before
    const stats = await fetch(statsUrl)
    const seen: { readonly calls: number; readonly runs: number; readonly peak: number } =
      await stats.json()
    const completed = measured.reduce((sum, { done }) => sum + done.completed, 0)
    if ([seen.calls, seen.runs, completed].some((count) => count !== load.jobs)) {
      throw new Error(
        `${contender}: ${seen.calls} calls for ${seen.runs} runs, and ${completed} outcomes`
      )
    }
    if (seen.peak > load.concurrency * processes) {
      throw new Error(`${contender}: ${seen.peak} calls in flight`)
    }
    return {
      wallMs: Math.max(...measured.map(({ wallMs }) => wallMs)),
      cpuMs: measured.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      peakRssMb: Math.max(...measured.map(({ peakRssMb }) => peakRssMb)),
      liveHeapMb: Math.max(...measured.map(({ liveHeapMb }) => liveHeapMb)),
      postgresCpuMs,
      peakInFlight: seen.peak,
      lost: measured.reduce((sum, { done }) => sum + done.lost, 0)
    }
  } finally {
    await site.close()
  }
}

export const specOf = (servers: Servers, site: Site, contender: string, load: Load): Spec => ({
  contender,
  databaseUrl: site.databaseUrl,
  gatewayUrl: site.gatewayUrl,
  secretKey: site.secretKey,
  functionUrl: `${servers.functionsUrl}/sleep-${load.latencyMs}`,
  jobs: load.jobs,
  concurrency: load.concurrency,
  isShared: (load.processes ?? 1) > 1
})

/** The contenders in `engines` are compiled programs. All others run in worker.ts on the same version of Bun. */
const programOf = async (contender: string): Promise<Array<string>> =>
  engines.has(contender)
    ? [
        await compile(
          contender,
          `import { contender } from "./contenders/${contender}.ts"\nimport { work } from "./work.ts"\nawait work(contender)`
        )
      ]
    : [process.execPath, join(import.meta.dir, "worker.ts")]

export const runWorker = async (spec: Spec): Promise<Measured> => {
  const child = Bun.spawn(await programOf(spec.contender), {
    env: { ...process.env, BENCH_SPEC: JSON.stringify(spec) },
    stdout: "pipe",
    stderr: "inherit"
  })
  const output = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`${spec.contender} failed`)
  return JSON.parse(output)
}

/** Inserts integrations that are due now and `idle` integrations that are due tomorrow. */
export const seed = async (sql: SQL, { jobs, idle = 0 }: Pick<Load, "jobs" | "idle">) => {
  for (const [count, due] of [
    [jobs, "now()"],
    [idle, "now() + interval '1 day'"]
  ] as const) {
    await sql.unsafe(
      `insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
       select gen_random_uuid(), 'xledger', '0 2 * * *', date_trunc('milliseconds', ${due})
         from generate_series(1, ${count})`
    )
  }
  await sql.unsafe("vacuum analyze organization_integrations")
}

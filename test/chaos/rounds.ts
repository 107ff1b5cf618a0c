/**
 * Runs concurrent engines on the same due integrations and checks that no run is lost, duplicated or left over. The rounds cycle
 * through 200, 1,000 and 3,000 due integrations, over direct connections or the API. Exits with 1 if any round has a defect.
 *
 * Usage: `bun test/chaos/rounds.ts [--rounds 60] [--engines 8]`
 */
import { Schema } from "effect"
import { parseOptions } from "../../scripts/parseOptions.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { startProject } from "../support/Project.ts"

const Skips = Schema.Struct({ skips: Schema.Array(Schema.Struct({ reason: Schema.String })) })

const DUE = [200, 1_000, 3_000] as const

const { values } = parseOptions({
  options: {
    rounds: { type: "string", default: "60" },
    engines: { type: "string", default: "8" }
  }
})

/** Returns the number of claims that one engine lost to another, and the defects. */
const playRound = async (due: number, engines: number, isDirect: boolean) => {
  const project = await startProject()
  try {
    await project.seedDue(due)
    // No function responds until all engines have started. Otherwise, one engine could handle all runs.
    const allBegun = Promise.withResolvers<void>()
    project.functions.behave(() => until(allBegun.promise, ok()))
    const direct = isDirect ? { SUPABASE_DB_URL: project.database.url } : {}
    // No engine adopts a claim merely because another engine starts slowly.
    const settings = { SYNC_SCHEDULER_CONCURRENCY: "20", SYNC_SCHEDULER_ADOPT_AFTER: "60s" }
    const environment = { ...project.environment, ...direct, ...settings }
    const started = await Promise.all(
      Array.from({ length: engines }, () => startEngine(environment))
    )
    const all = Promise.all(started.map(({ exited }) => exited))
    const begun = async () =>
      (await project.sql`select count(*)::int as n from sync_tick`)[0].n === engines
    while (!(await begun())) await Bun.sleep(20)
    allBegun.resolve()
    const exits = await all
    const [row] = await project.sql`
      select count(*)::int as rows, count(*) filter (where status = 'completed' and attempt = 1)::int as completed,
             (select count(*)::int from organization_integrations where next_run_at <= now()) as "left"
        from sync_run_log`
    const found = {
      ...row,
      invocations: project.functions.invocations.length,
      effects: project.functions.effects.size,
      codes: exits.filter(({ code }) => code !== 0).length
    }
    const expected = {
      rows: due,
      completed: due,
      left: 0,
      invocations: due,
      effects: due,
      codes: 0
    }
    const reasons: Record<string, number> = {}
    for (const { summary } of exits) {
      const { skips } = Schema.decodeUnknownSync(Skips)(summary)
      for (const { reason } of skips) reasons[reason] = (reasons[reason] ?? 0) + 1
    }
    return {
      reasons: JSON.stringify(reasons),
      lost: exits.reduce((sum, { summary }) => sum + Number(summary?.skipped), 0),
      wrong: Bun.deepEquals(found, expected) ? null : JSON.stringify(found)
    }
  } finally {
    await project.close()
  }
}

const engines = Number(values.engines)
const sums = { due: 0, lost: 0, wrong: 0 }
for (let round = 0; round < Number(values.rounds); round += 1) {
  const due = DUE[round % DUE.length] ?? DUE[0]
  const isDirect = round % 2 === 0
  const { lost, reasons, wrong } = await playRound(due, engines, isDirect)
  sums.due += due
  sums.lost += lost
  sums.wrong += wrong === null ? 0 : 1
  const how = isDirect ? "direct" : "API"
  console.log(
    `${round + 1}: ${due} due, ${how}, ${lost} claims lost ${reasons}${wrong ? `, WRONG ${wrong}` : ""}`
  )
}
const percent = ((100 * sums.lost) / sums.due).toFixed(2)
console.log(
  `${values.rounds} rounds of ${engines} engines, ${sums.due} due: ${sums.lost} claims lost (${percent} %), ${sums.wrong} rounds wrong`
)
process.exitCode = sums.wrong === 0 ? 0 : 1

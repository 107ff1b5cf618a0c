import type { Site } from "./Site.ts"

export interface Kind {
  readonly name: string
  readonly fenced: boolean
  readonly onUnknown: "hold" | "retry"
  readonly catchUp: "all" | "latest"
  readonly defer?: boolean
}

export const kinds: ReadonlyArray<Kind> = [
  { name: "fenced, hold", fenced: true, onUnknown: "hold", catchUp: "all" },
  { name: "fenced, hold, 202", fenced: true, onUnknown: "hold", catchUp: "all", defer: true },
  { name: "fenced, hold, latest", fenced: true, onUnknown: "hold", catchUp: "latest" },
  { name: "fenced, retry", fenced: true, onUnknown: "retry", catchUp: "all" },
  { name: "unfenced, hold", fenced: false, onUnknown: "hold", catchUp: "all" },
  { name: "unfenced, retry", fenced: false, onUnknown: "retry", catchUp: "all" }
]

/** Creates integrations that are due every minute and are `behindMinutes` late. */
export const seed = async (
  site: Site,
  perKind: number,
  behindMinutes: number,
  chosenKinds = kinds
): Promise<void> => {
  for (const kind of chosenKinds) {
    await site.query(
      `insert into organization_integrations
         (org_id, integration_type, sync_schedule, next_run_at, catch_up, max_attempts, on_unknown, fenced, function_name, config)
       select gen_random_uuid(), $1, '* * * * *', date_trunc('minute', now()) - make_interval(mins => $2::int), $3, 100, $4,
              $5::boolean, $6, jsonb_build_object('defer', $7::boolean, 'first', sync_scheduler.iso(
                date_trunc('minute', now()) - make_interval(mins => $2::int)))
         from generate_series(1, $8::int)`,
      [
        kind.name,
        behindMinutes,
        kind.catchUp,
        kind.onUnknown,
        kind.fenced,
        kind.fenced ? null : "plain-sync",
        kind.defer === true,
        perKind
      ]
    )
  }
}

/** Counts the integrations with a due slot and no live run. */
export const countReady = async (site: Site): Promise<number> => {
  const [row] = await site.query<{ n: number }>(
    `select count(*)::int as n from organization_integrations i
      where i.next_run_at <= now() and not exists (
        select from sync_run_log l where l.integration_id = i.id
           and (l.status in ('pending', 'running') or (l.status = 'unknown' and l.released_at is null)))`
  )
  return row?.n ?? 0
}

/** Waits until no slot is due and no run is live, except runs on hold. Fails if nothing changes for `withinMs`. */
export const untilQuiet = async (site: Site, withinMs: number): Promise<void> => {
  let deadline = Date.now() + withinMs
  let ended = -1
  for (;;) {
    const [row] = await site.query<{ n: number }>(
      "select count(*)::int as n from sync_run_log where finished_at is not null"
    )
    if (row?.n !== ended) deadline = Date.now() + withinMs
    ended = row?.n ?? ended
    const left = await site.query<{ what: string; n: number }>(
      `with held as (
         select l.integration_id from sync_run_log l join organization_integrations i on i.id = l.integration_id
          where l.status = 'unknown' and l.released_at is null and i.on_unknown = 'hold'
            and not (l.fenced and l.began_at is null))
       select l.status as what, count(*)::int as n from sync_run_log l
        where (l.status in ('pending', 'running') or (l.status = 'unknown' and l.released_at is null))
          and l.integration_id not in (select integration_id from held) group by 1
       union all
       select 'due', count(*)::int from organization_integrations
        where next_run_at <= now() and id not in (select integration_id from held) having count(*) > 0`
    )
    if (left.length === 0) return
    if (Date.now() > deadline)
      throw new Error(`runs did not settle in time: ${JSON.stringify(left)}`)
    await Bun.sleep(200)
  }
}

/** Releases each run on hold whose effect is in the ledger, and retries the others. Returns the number of runs on hold. */
export const decideHeld = async (site: Site): Promise<number> => {
  const held = await site.query<{ id: string; idempotency_key: string }>(
    "select id, idempotency_key from sync_run_log where status = 'unknown' and released_at is null"
  )
  const booked = new Set(site.ledger.read().map((effect) => effect.key))
  for (const run of held) {
    const decide = booked.has(run.idempotency_key) ? "release_sync_run" : "retry_sync_run"
    await site.query(`select ${decide}($1, 'operator', 'looked into the books')`, [run.id])
  }
  return held.length
}

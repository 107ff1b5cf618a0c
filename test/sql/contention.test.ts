import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import type { SQL } from "bun"
import { connect } from "../support/Postgres.ts"
import { at, type Ledger, onEachServer, type Row } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

const INTEGRATIONS = 12
const SESSIONS = 6
const STEPS = 120

/** Every execution takes the same steps, but the steps interleave differently. */
const random = (seed: number) => {
  let state = seed
  return (sides: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % sides
  }
}

const ids = Array.from(
  { length: INTEGRATIONS },
  (_, n) => `00000000-0000-4000-8000-${String(n + 1).padStart(12, "0")}`
)

/** Acts at random as an engine, a function, an operator or an application. */
const live = async (ledger: Ledger, session: SQL, seed: number): Promise<ReadonlyArray<string>> => {
  const roll = random(seed)
  const engine = `e${seed}`
  const tokens = new Map<string, string>()
  const call = (name: string, args: Row) => ledger.call(name, args, session)
  const pick = <A>(values: ReadonlyArray<A>): A | undefined => values[roll(values.length || 1)]
  const run = async () =>
    pick(
      (await session.unsafe("select id from public.sync_run_log")).map(
        (row: { id: string }) => row.id
      )
    )
  const who = { p_actor: "Kari", p_reason: "because" }
  const claim = async () => {
    const due = list((await call("read_due_integrations", { p_limit: 5 })).integrations)
    const p_slots = due.map((one) => {
      const expected = one.next_run_at === null ? at(0) : String(one.next_run_at)
      return {
        ...one,
        expected_next_run_at: one.next_run_at,
        scheduled_for: expected,
        next_run_at: new Date(Date.parse(expected) + 1000 * (1 + roll(3))).toISOString(),
        trigger: "schedule"
      }
    })
    const answer = await call("claim_sync_runs", {
      p_engine_id: engine,
      p_claim_token: randomUUID(),
      p_slots
    })
    for (const { run_id } of list(answer.claimed)) tokens.set(String(run_id), randomUUID())
  }
  const start = async () => {
    const adopted = list(
      await call("read_pending_runs", { p_engine_id: engine, p_adopt_after_seconds: 0 })
    )
    for (const { run_id } of adopted) tokens.set(String(run_id), randomUUID())
    const p_starts = [...tokens]
      .slice(-6)
      .map(([run_id, lease_token]) => ({ run_id, lease_token, lease_seconds: 20 }))
    await call("start_sync_runs", { p_engine_id: engine, p_starts, p_adopt_after_seconds: 0 })
  }
  const settle = () => {
    const outcomes = ["completed", "failed", "not_executed", "unknown", "accepted"]
    const p_settlements = [...tokens].slice(-6).map(([run_id, lease_token]) => ({
      run_id,
      lease_token,
      outcome: pick(outcomes),
      error_code: "X"
    }))
    return call("settle_sync_runs", { p_engine_id: engine, p_settlements, p_quiescence_seconds: 5 })
  }
  const token = () => {
    const [p_run_id, p_lease_token] = pick([...tokens]) ?? [randomUUID(), randomUUID()]
    return { p_run_id, p_lease_token }
  }
  const steps: ReadonlyArray<() => Promise<unknown>> = [
    ...[claim, claim, claim, start, start, start, settle, settle],
    () => call("sweep_sync_runs", { p_engine_id: engine, p_quiescence_seconds: 5 }),
    () => call("begin_sync_run", token()),
    () => call("heartbeat_sync_run", token()),
    () => call("complete_sync_run", { ...token(), p_status: pick(["completed", "failed"]) }),
    async () => call("retry_sync_run", { p_run_id: await run(), ...who }),
    async () => call("release_sync_run", { p_run_id: await run(), ...who }),
    () => call("trigger_sync_run", { p_integration_id: pick(ids), ...who }),
    () =>
      call(pick(["pause_integration", "resume_integration"]) ?? "", {
        p_integration_id: pick(ids),
        ...who
      }),
    () => call("resume_integration", { p_integration_id: pick(ids), ...who }),
    () =>
      session`update public.organization_integrations set timezone = ${roll(2) === 0 ? "UTC" : "Europe/Oslo"} where id = ${pick(ids) ?? null}`,
    () => call("open_sync_tick", { p_tick_id: randomUUID(), p_engine_id: engine }),
    () =>
      session.unsafe("update sync_scheduler.test_clock set at = at + interval '700 milliseconds'")
  ]
  const errors: Array<string> = []
  for (let n = 0; n < STEPS; n++) {
    await pick(steps)?.().catch((error: unknown) => {
      errors.push(
        error instanceof Error && "errno" in error
          ? `${error.errno} ${error.message}`
          : String(error)
      )
    })
  }
  return errors
}

onEachServer("concurrent use", (ledger) => {
  test("causes no deadlock, breaks no invariant, and records every change of a run's state", async () => {
    await ledger().reset()
    for (const id of ids) await ledger().integration({ id: `'${id}'` })
    // Records every committed version of every run.
    await ledger().execute(`
      create table public.versions (n bigint generated always as identity, id uuid, old text, new text);
      create function public.keep_version() returns trigger language plpgsql security definer as $$ begin
        insert into public.versions (id, old, new) values (new.id, case when tg_op = 'UPDATE' then old.status end, new.status);
        return null; end $$;
      create trigger keep_version after insert or update of status on public.sync_run_log
        for each row execute function public.keep_version()`)
    const sessions = Array.from({ length: SESSIONS }, () => connect(ledger().url, { max: 1 }))
    const errors = (
      await Promise.all(sessions.map((session, n) => live(ledger(), session, n + 1)))
    ).flat()
    for (const session of sessions) await session.close()

    // A lock timeout is a valid response: nothing has happened, and the caller retries.
    expect(errors.filter((error) => !error.startsWith("55P03"))).toEqual([])
    const count = async (query: string) =>
      (await ledger().rows(`select count(*) as n from (${query}) q`))[0]?.n
    expect(
      await count(`select integration_id from public.sync_run_log where status in ('pending', 'running')
                       or (status = 'unknown' and released_at is null) group by 1 having count(*) > 1`)
    ).toBe(0)
    expect(
      await count(
        "select integration_id, scheduled_for from public.sync_run_log group by 1, 2 having count(*) > 1"
      )
    ).toBe(0)
    const transitions = await ledger().rows(
      "select distinct coalesce(old, 'none') || ' -> ' || new as t from public.versions where old is distinct from new order by 1"
    )
    const allowed = new Set([
      ...["none -> pending", "pending -> running", "running -> completed", "running -> failed"],
      ...["running -> pending", "running -> unknown", "unknown -> running", "unknown -> pending"],
      ...["unknown -> completed", "unknown -> failed", "pending -> completed", "pending -> failed"],
      ...["pending -> skipped", "pending -> unknown", "failed -> pending", "skipped -> pending"]
    ])
    expect(transitions.map(({ t }) => String(t)).filter((t) => !allowed.has(t))).toEqual([])
    expect(transitions.length).toBeGreaterThan(6)
    expect(
      await count("select 1 from public.sync_run_log where status = 'failed' and ambiguous")
    ).toBe(0)
    // Every change has an event. Some events, such as the adoption of a claim, change nothing.
    expect(
      await count(`select v.id, v.old, v.new from public.versions v where v.old is distinct from v.new
        except select e.run_id, e.from_status, e.to_status from public.sync_run_event e`)
    ).toBe(0)
    expect(await count("select 1 from public.sync_run_log where attempt > max_attempts")).toBe(0)
    await ledger().execute(
      "drop table public.versions cascade; drop function public.keep_version() cascade"
    )
  }, 60_000)
})

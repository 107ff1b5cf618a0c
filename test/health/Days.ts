import { randomUUID } from "node:crypto"
import { Effect, Layer, ManagedRuntime, Random, Redacted } from "effect"
import { outcomeName } from "../../src/Database/Rpc.ts"
import { apiOf } from "../../src/Domain/Health/ApiHost.ts"
import { signalOf } from "../../src/Domain/Health/HealthSignal.ts"
import { judge } from "../../src/Domain/Outcome.ts"
import { probeRound } from "../../src/Engine/HealthChecks.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import * as ProberLive from "../../src/Layers/ProberLive.ts"
import { start as BEGIN, type Ledger, type Row } from "../sql/Ledger.ts"
import { list } from "../sql/RunFixture.ts"
import type { Vendor } from "../support/VendorFleet.ts"
import { authority } from "../support/VendorServer.ts"

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

interface Tenant {
  readonly id: string
  readonly vendor: Vendor
  readonly everyMs: number
}

export interface Watched {
  readonly modes: Array<readonly [at: number, mode: string, status: string]>
  /** The maximum number of runs that started together while the API was throttling. `peak` covers all other times. */
  peakAfterThrottle: number
  peak: number
}

/** Uses the real SQL functions, outcome rules and probes. The database's clock advances in one-minute steps, without waiting. */
export class Days {
  now = Date.parse(BEGIN)
  readonly watched = new Map<string, Watched>()
  private readonly tenants = new Map<string, Tenant>()
  private readonly ledger: Ledger
  private readonly vendors: ReadonlyArray<Vendor>
  private readonly random = Random.make("health")
  private readonly probing
  private readonly held = new Map<string, { readonly token: string; readonly until: number }>()

  constructor(ledger: Ledger, vendors: ReadonlyArray<Vendor>) {
    this.ledger = ledger
    this.vendors = vendors
    const prober = ProberLive.layer({
      version: "e2e",
      policy: { allowsAddress: (one) => one === "127.0.0.1", allowsPort: () => true },
      resolve: async () => ["127.0.0.1"],
      authority
    })
    this.probing = ManagedRuntime.make(
      Layer.merge(PostgresLive.layer({ url: Redacted.make(ledger.url) }), prober)
    )
    for (const { host } of this.vendors) {
      this.watched.set(host, { modes: [], peakAfterThrottle: 0, peak: 0 })
    }
  }

  async addTenant(vendor: Vendor, firstAt: number, everyMs: number): Promise<string> {
    const id = await this.ledger.integration({
      integration_type: `'${vendor.type}'`,
      health_url: `'${vendor.url}'`,
      health_method: "'GET'",
      next_run_at: `'${new Date(firstAt).toISOString()}'`,
      max_attempts: "20"
    })
    this.tenants.set(id, { id, vendor, everyMs })
    return id
  }

  hold(tenantId: string, forMs: number): void {
    this.held.set(tenantId, { token: "", until: forMs })
  }

  async close(): Promise<void> {
    await this.probing.dispose()
  }

  async minute(): Promise<void> {
    this.now += MINUTE
    await this.ledger.after(60)
    await this.claimDue()
    await this.finishHeld()
    for (let left = await this.pending(); left.length > 0; ) {
      const batch = left.splice(0, 5)
      await this.runTogether(batch)
    }
    await this.probe()
    await this.watch()
  }

  private async claimDue(): Promise<void> {
    const { integrations } = await this.ledger.call("read_due_integrations", { p_limit: 100 })
    const slots = list(integrations).map((due) => {
      const tenant = this.tenantOf(due)
      const at = Date.parse(String(due.next_run_at))
      return {
        ...due,
        expected_next_run_at: due.next_run_at,
        scheduled_for: due.next_run_at,
        trigger: "schedule",
        next_run_at: new Date(at + tenant.everyMs).toISOString(),
        skipped_range: null,
        schedule_error: null
      }
    })
    if (slots.length === 0) return
    await this.ledger.call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: slots
    })
  }

  private async pending(): Promise<Array<Row>> {
    const rows: unknown = await this.ledger.call("read_pending_runs", {
      p_engine_id: "e1",
      p_limit: 100,
      p_adopt_after_seconds: 0
    })
    return [...list(rows)]
  }

  /** Starts all runs, invokes all of them, and then settles all of them, as an engine does. */
  private async runTogether(runs: ReadonlyArray<Row>): Promise<void> {
    const starts = runs.map((run) => {
      const api = apiOf(this.sourceOf(run))
      return {
        run_id: run.run_id,
        lease_token: randomUUID(),
        lease_seconds: 4 * 3600,
        api_provider: api?.provider,
        api_host: api?.host
      }
    })
    const before = await this.ledger.rows(
      "select host from public.sync_api_hold where throttled_until is not null"
    )
    const throttled = new Set(before.map(({ host }) => String(host)))
    const answer = await this.ledger.call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: starts,
      p_adopt_after_seconds: 0
    })
    const isStarted = new Set(list(answer.started).map(({ run_id }) => run_id))
    const started = runs.filter(({ run_id }) => isStarted.has(run_id))
    for (const host of this.watched.keys()) {
      const count = started.filter((run) => this.tenantOf(run).vendor.host === host).length
      this.notePeak(host, count, throttled.has(host))
    }
    const settlements = await Promise.all(
      started.map(async (run) => {
        const token = starts.find(({ run_id }) => run_id === run.run_id)?.lease_token ?? ""
        return this.settlementOf(run, token)
      })
    )
    await this.settle(settlements.flat())
  }

  private notePeak(host: string, count: number, isThrottled: boolean): void {
    const watched = this.watched.get(host)
    if (watched === undefined) return
    const key = isThrottled ? "peakAfterThrottle" : "peak"
    watched[key] = Math.max(watched[key], count)
  }

  private async settlementOf(run: Row, token: string): Promise<ReadonlyArray<Row>> {
    const tenant = this.tenantOf(run)
    const held = this.held.get(tenant.id)
    if (held !== undefined && held.token === "") {
      this.held.set(tenant.id, { token: `${run.run_id} ${token}`, until: this.now + held.until })
      return []
    }
    const outcome = judge(await this.callFunction(tenant.vendor), this.now)
    const health = signalOf(this.sourceOf(run), outcome, this.now)
    return [
      {
        run_id: run.run_id,
        lease_token: token,
        outcome: outcomeName[outcome._tag],
        http_status: outcome.httpStatus,
        error_code: "code" in outcome ? outcome.code : null,
        error_message: "message" in outcome ? outcome.message : null,
        retry_in_ms: outcome._tag === "NotExecuted" ? (outcome.retryAfterMs ?? 5_000) : null,
        ...(health === null ? {} : { health })
      }
    ]
  }

  /** Like the fence, checks only the status of the vendor's response and forwards the response. */
  private async callFunction(vendor: Vendor) {
    const url = `https://127.0.0.1:${vendor.host.split(":")[1]}/export`
    const response = await fetch(url, { method: "POST", tls: { ca: authority } })
    const text = await response.text()
    const isThrottled = text.includes("LIMIT") || response.status === 429
    const report = {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: text
    }
    const body = text.startsWith("{") ? JSON.parse(text) : text
    const vendorField = { ...report, host: vendor.host, body }
    const [status, said] = isThrottled
      ? [409, { executed: false, reason: "throttled" }]
      : response.ok
        ? [200, { success: true }]
        : [500, { success: false, error: { code: "VENDOR_DOWN", message: "down" } }]
    return {
      status,
      headers: new Headers(),
      body: JSON.stringify({ ...said, vendor: vendorField }),
      truncated: false
    }
  }

  private async finishHeld(): Promise<void> {
    for (const [id, { token, until }] of this.held) {
      if (token === "" || this.now < until) continue
      this.held.delete(id)
      const [run_id, lease_token] = token.split(" ")
      await this.settle([{ run_id, lease_token, outcome: "completed", http_status: 200 }])
    }
  }

  private async settle(settlements: ReadonlyArray<Row>): Promise<void> {
    if (settlements.length === 0) return
    await this.ledger.call("settle_sync_runs", {
      p_engine_id: "e1",
      p_settlements: settlements,
      p_quiescence_seconds: 430
    })
  }

  private async probe(): Promise<void> {
    await this.probing.runPromise(Effect.withRandom(probeRound(), this.random))
  }

  private async watch(): Promise<void> {
    const rows = await this.ledger.rows(
      `select sync_scheduler.host_of(h.host) as host, h.status,
              case when k.throttled_until > sync_scheduler.clock() then 'held' else h.mode end as mode
         from public.integration_health h
         left join public.sync_api_hold k on k.provider = h.provider and k.host = sync_scheduler.host_of(h.host)`
    )
    for (const { host, mode, status } of rows) {
      const watched = this.watched.get(String(host))
      const last = watched?.modes.at(-1)
      if (last?.[1] === mode && last?.[2] === status) continue
      watched?.modes.push([this.now, String(mode), String(status)])
    }
  }

  private tenantOf(row: Row): Tenant {
    const tenant = this.tenants.get(String(row.integration_id))
    if (tenant === undefined) throw new Error("a run without an organisation")
    return tenant
  }

  private sourceOf(run: Row) {
    const { vendor } = this.tenantOf(run)
    return { integration_type: vendor.type, health_url: vendor.url }
  }
}

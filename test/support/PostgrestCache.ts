import { SQL } from "bun"
import { type RoleSettings, readRoleSettings } from "./RoleSettings.ts"
import { type RpcFunction, readFunctions } from "./RpcFunction.ts"

/** The cached schema, which can be older than the database's schema. */
export interface Known {
  readonly functions: ReadonlyMap<string, ReadonlyArray<RpcFunction>>
  readonly roles: RoleSettings
}

/** Bun's `listen` method, which is missing from Bun's types. */
interface Listening {
  listen(channel: string, onNotify: (payload: string) => void): Promise<unknown>
}

const CHANNEL = "pgrst"
const MAX_PAUSE_MS = 32_000

/**
 * Reads the schema at startup, on `notify pgrst`, and after a connection is lost. After a failed read, every call gets PGRST002
 * until a retry succeeds, even if the database has recovered. The pauses between retries double up to 32 s.
 */
export class PostgrestCache {
  private known: Known | undefined
  private session: SQL | undefined
  private reading: Promise<void> = Promise.resolve()
  private isClosed = false
  private wake: () => void = () => undefined
  private readonly barriers = new Map<string, () => void>()
  private readonly options: {
    readonly databaseUrl: string
    /** The pause before the first retry, in ms. PostgREST itself pauses for 1 s. */
    readonly pauseMs: number
    /** Called when the database is available again. Connections opened before the outage are unusable. */
    readonly onRecovered: () => void
  }

  constructor(options: PostgrestCache["options"]) {
    this.options = options
  }

  get current(): Known | undefined {
    return this.known
  }

  /** Resolves after the first attempt, whether or not the database is available. */
  async start(): Promise<void> {
    if (!(await this.attempt())) void this.enqueue(() => this.recover())
  }

  /** Reads the schema again after a call has lost its connection. If the read fails, the cached schema is discarded. */
  suspect(): void {
    if (this.known !== undefined) this.reload()
  }

  /** Resolves when every earlier notification has been processed. PostgREST itself has no equivalent. */
  async caughtUp(): Promise<void> {
    const { session } = this
    if (session === undefined) return
    const id = crypto.randomUUID()
    await new Promise<void>((resolve) => {
      this.barriers.set(id, resolve)
      session`select pg_notify(${CHANNEL}, ${id})`.catch(() => this.passBarriers())
    })
    if (this.known !== undefined) await this.reading
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.wake()
    await this.reading
    await this.dispose()
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    this.reading = this.reading.then(work)
    return this.reading
  }

  private reload(): void {
    void this.enqueue(async () => {
      if (this.isClosed || this.session === undefined) return
      this.known = await read(this.session).catch(() => undefined)
      if (this.known === undefined) void this.enqueue(() => this.recover())
    })
  }

  private lost(session: SQL): void {
    if (this.session !== session || this.isClosed) return
    this.known = undefined
    this.passBarriers()
    void this.enqueue(async () => {
      if (this.session === session) await this.recover()
    })
  }

  private async recover(): Promise<void> {
    // A reload that began before the connection was lost may have set the cache again.
    this.known = undefined
    for (let pauseMs = this.options.pauseMs; !this.isClosed; pauseMs *= 2) {
      await this.dispose()
      if (await this.attempt()) return this.options.onRecovered()
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(pauseMs, MAX_PAUSE_MS))
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  private async attempt(): Promise<boolean> {
    if (this.isClosed) return false
    const session: SQL = new SQL({
      url: this.options.databaseUrl,
      max: 1,
      onclose: () => this.lost(session)
    })
    try {
      await session.connect()
      // Unlike PostgREST, this session ignores the project's timeouts. A timeout below 20 ms would make every read fail.
      await session.unsafe(
        "set statement_timeout = 0; set lock_timeout = 0; set idle_session_timeout = 0"
      )
      if (!canListen(session)) throw new Error("this Bun cannot listen")
      const [{ standby }] = await session`select pg_is_in_recovery() as standby`
      // A standby refuses LISTEN. PostgREST still works on a standby, but without notifications.
      if (!standby) await session.listen(CHANNEL, (payload) => this.notified(payload))
      this.known = await read(session)
      this.session = session
      return true
    } catch {
      await session.close({ timeout: 0 }).catch(() => undefined)
      return false
    }
  }

  private notified(payload: string): void {
    const barrier = this.barriers.get(payload)
    this.barriers.delete(payload)
    barrier?.()
    if (payload === "" || payload === "reload schema" || payload === "reload config") this.reload()
  }

  private passBarriers(): void {
    for (const barrier of this.barriers.values()) barrier()
    this.barriers.clear()
  }

  private async dispose(): Promise<void> {
    const { session } = this
    this.session = undefined
    this.passBarriers()
    await session?.close({ timeout: 0 }).catch(() => undefined)
  }
}

const canListen = (sql: SQL): sql is SQL & Listening => "listen" in sql

const read = async (sql: SQL): Promise<Known> => ({
  functions: await readFunctions(sql),
  roles: await readRoleSettings(sql)
})

import { SQL } from "bun"

/** One of the pool's connections, until it is given back. */
export interface Borrowed {
  readonly sql: SQL
  readonly release: () => void
}

/**
 * Connections as PostgREST's pool holds them: one is opened when all others are in use, up to a bound; who waits for one is
 * served first come first served, and gives up after a time. Bun's own pool opens all of them and queues without end.
 * *Source*: https://docs.postgrest.org/en/v12/references/connection_pool.html
 */
export class ConnectionPool {
  private readonly idle: Array<SQL> = []
  private readonly opened: Array<SQL> = []
  private readonly waiting: Array<(sql: SQL) => void> = []
  private readonly options: {
    readonly databaseUrl: string
    readonly size: number
    readonly timeoutMs: number
  }

  constructor(options: ConnectionPool["options"]) {
    this.options = options
  }

  /** A connection for one transaction, or undefined when none became free in time. */
  async acquire(): Promise<Borrowed | undefined> {
    const sql = this.idle.shift() ?? this.open() ?? (await this.queue())
    if (sql === undefined) return undefined
    return {
      sql,
      release: () => {
        const next = this.waiting.shift()
        if (next === undefined) this.idle.push(sql)
        else next(sql)
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.opened.map((sql) => sql.close({ timeout: 0 })))
  }

  private open(): SQL | undefined {
    if (this.opened.length === this.options.size) return undefined
    const sql = new SQL(this.options.databaseUrl, { max: 1 })
    this.opened.push(sql)
    return sql
  }

  private queue(): Promise<SQL | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(proceed), 1)
        resolve(undefined)
      }, this.options.timeoutMs)
      const proceed = (sql: SQL) => {
        clearTimeout(timer)
        resolve(sql)
      }
      this.waiting.push(proceed)
    })
  }
}

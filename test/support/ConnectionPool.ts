import { SQL } from "bun"

export interface Borrowed {
  readonly sql: SQL
  readonly release: () => void
  /** The error with which the server closed the idle connection. The next call returns this error. */
  readonly ended: unknown
}

/** A lost connection stays closed. By default, Bun would silently reopen it. */
interface Connection {
  readonly sql: SQL
  ended: unknown
}

/**
 * Queues callers beyond the limit until they time out, as PostgREST does. Bun's own pool queues without limit. *Source*:
 * https://docs.postgrest.org/en/v12/references/connection_pool.html
 */
export class ConnectionPool {
  private idle: Array<Connection> = []
  private readonly opened = new Set<Connection>()
  /** Each waiting caller gets a connection, or undefined if the caller can open a new one. */
  private readonly waiting: Array<(connection: Connection | undefined) => void> = []
  private readonly options: {
    readonly databaseUrl: string
    readonly size: number
    readonly timeoutMs: number
    readonly settings?: () => Readonly<Record<string, string>>
  }

  constructor(options: ConnectionPool["options"]) {
    this.options = options
  }

  /** Returns undefined if no connection becomes free within `timeoutMs`. *Rejects* if no connection can be opened. */
  async acquire(): Promise<Borrowed | undefined> {
    const free = this.idle.shift()
    const connection =
      free ?? (this.opened.size < this.options.size ? await this.open() : await this.queue())
    if (connection === undefined) return undefined
    const { ended, sql } = connection
    return { sql, ended, release: () => this.release(connection) }
  }

  /** Closes idle connections, as PostgREST does when it reloads its schema cache after losing the database. */
  flush(): void {
    const flushed = this.idle
    this.idle = []
    for (const connection of flushed) this.discard(connection)
  }

  async close(): Promise<void> {
    await Promise.all([...this.opened].map(({ sql }) => sql.close({ timeout: 0 })))
  }

  private release(connection: Connection): void {
    if (connection.ended !== undefined) this.discard(connection)
    else if (this.waiting.length === 0) this.idle.push(connection)
    else this.waiting.shift()?.(connection)
  }

  private discard(connection: Connection): void {
    if (!this.opened.delete(connection)) return
    void connection.sql.close({ timeout: 0 })
    this.waiting.shift()?.(undefined)
  }

  private async open(): Promise<Connection> {
    const sql = new SQL({
      url: this.options.databaseUrl,
      max: 1,
      connection: { application_name: "PostgREST 14.9" },
      onclose: (error) => {
        connection.ended ??= error ?? new Error("closed")
      }
    })
    const connection: Connection = { sql, ended: undefined }
    this.opened.add(connection)
    try {
      await sql.connect()
      const settings = Object.entries(this.options.settings?.() ?? {})
      for (const [name, value] of settings) await sql`select set_config(${name}, ${value}, false)`
      return connection
    } catch (error) {
      this.discard(connection)
      throw error
    }
  }

  private queue(): Promise<Connection | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(proceed), 1)
        resolve(undefined)
      }, this.options.timeoutMs)
      const proceed = (connection: Connection | undefined) => {
        clearTimeout(timer)
        if (connection === undefined) this.open().then(resolve, reject)
        else resolve(connection)
      }
      this.waiting.push(proceed)
    })
  }
}

import { SQL } from "bun"

/** A connection reserved for the caller until it is released. */
export interface Borrowed {
  readonly sql: SQL
  readonly release: () => void
  /**
   * The server's error if the server closed the connection while it was idle. The next call on the connection returns this
   * error.
   */
  readonly ended: unknown
}

/** A connection that stays closed once it is lost. By default, Bun would silently reopen it and hide the loss. */
interface Connection {
  readonly sql: SQL
  ended: unknown
}

/**
 * A connection pool that behaves like PostgREST's: it opens a connection when all others are in use, up to a limit. Beyond the
 * limit, callers wait in order of arrival until they time out. Bun's own pool opens all connections and queues without limit.
 * *Source*: https://docs.postgrest.org/en/v12/references/connection_pool.html
 */
export class ConnectionPool {
  private idle: Array<Connection> = []
  private readonly opened = new Set<Connection>()
  /** Resolvers for the waiting callers. Each receives a free connection, or undefined if the caller may open a new one. */
  private readonly waiting: Array<(connection: Connection | undefined) => void> = []
  private readonly options: {
    readonly databaseUrl: string
    readonly size: number
    readonly timeoutMs: number
    /** Settings to apply to every new session, such as those of the login role. */
    readonly settings?: () => Readonly<Record<string, string>>
  }

  constructor(options: ConnectionPool["options"]) {
    this.options = options
  }

  /**
   * Returns a connection for one transaction, or undefined if none becomes free in time. *Rejects* if no connection can be
   * opened.
   */
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

  /** Discards a connection and lets a waiting caller open a new one. */
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

import type { SQL } from "bun"
import { Exit } from "effect"
import type { RpcStatement } from "../Database/RpcStatement.ts"

type Rows = ReadonlyArray<unknown>

export interface Sending {
  readonly settled: Promise<Exit.Exit<Rows, unknown>>
  readonly cancel: () => void
  /** Whether the statement itself might have been sent. Earlier statements that prepare the transaction do not count. */
  readonly isSent: () => boolean
}

export interface ConnectionState {
  isOpen: boolean
  opened: number
}

/**
 * Checks the default transaction settings, which a project can change for a database or a role. With a stricter isolation level,
 * transactions of concurrent engines would fail. A shorter time limit would end calls early.
 */
const FITS = `
  select current_setting('default_transaction_isolation') = 'read committed' and not exists (
    select 1 from unnest(array[current_setting('statement_timeout'), current_setting('transaction_timeout', true)]) as one (setting)
     where one.setting::interval > interval '0' and one.setting::interval < interval '30 seconds') as fits`

/**
 * Begins a transaction with suitable settings. Used only if the defaults are unsuitable, because the transaction costs two extra
 * round trips.
 */
const BEGIN = `
  begin isolation level read committed;
  select set_config(name, case name when 'idle_in_transaction_session_timeout' then '30s' else '0' end, true) from pg_settings
   where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`

/**
 * Sends one statement at a time. Each statement runs in its own READ COMMITTED transaction without a time limit on the server.
 * Session settings would not work, because poolers reject them at the start of a connection and transaction poolers share
 * sessions. The default settings are therefore read once per connection.
 */
export const makeSender = (sql: SQL, state: ConnectionState) => {
  let known = { opened: 0, fits: false }

  return ({ parameters, text }: RpcStatement): Sending => {
    let isSent = false
    let isCancelled = false
    let current: SQL.Query<Rows> | null = null

    const ask = (query: SQL.Query<Rows>): SQL.Query<Rows> => {
      current = query
      if (isCancelled) query.cancel()
      return query
    }
    const call = async (): Promise<Rows> => {
      isSent = true
      return await ask(sql.unsafe(text, [...parameters]))
    }
    const callInTransaction = async (): Promise<Rows> => {
      await ask(sql.unsafe(BEGIN).simple())
      try {
        const rows = await call()
        await ask(sql.unsafe("commit"))
        return rows
      } catch (error) {
        if (state.isOpen) await sql.unsafe("rollback").catch(() => undefined)
        throw error
      }
    }
    const work = async (): Promise<Rows> => {
      if (!state.isOpen || known.opened !== state.opened) {
        const [row] = await ask(sql.unsafe(FITS))
        known = { opened: state.opened, fits: isFit(row) }
      }
      return known.fits ? await call() : await callInTransaction()
    }

    return {
      settled: work().then(Exit.succeed, Exit.fail),
      cancel: () => {
        isCancelled = true
        current?.cancel()
      },
      isSent: () => isSent
    }
  }
}

const isFit = (row: unknown): boolean =>
  typeof row === "object" && row !== null && "fits" in row && row.fits === true

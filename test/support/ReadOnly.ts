import { connect, type PostgresServer } from "./PostgresServer.ts"

/** Makes all databases on a server read-only by default, as Supabase does when a disk is full. */
export const setReadOnly = async (
  { adminUrl }: PostgresServer,
  isReadOnly: boolean
): Promise<void> => {
  const sql = connect(adminUrl, { max: 1 })
  await sql`set default_transaction_read_only = off`
  await sql.unsafe(
    isReadOnly
      ? "alter system set default_transaction_read_only = on"
      : "alter system reset default_transaction_read_only"
  )
  await sql`select pg_reload_conf()`
  await sql.close()
}

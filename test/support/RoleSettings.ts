import type { SQL } from "bun"

export type RoleSettings = ReadonlyMap<string, Readonly<Record<string, string>>>

/**
 * The settings of `authenticator` apply to the whole connection. The settings of another role apply only to transactions that
 * switch to that role. On Supabase, `authenticator` has timeouts of 8 s, and `anon` has a statement_timeout of 3 s.
 */
export const readRoleSettings = async (sql: SQL): Promise<RoleSettings> => {
  const rows: ReadonlyArray<{ role: string; setting: string }> = await sql`
    select r.rolname as role, setting
      from pg_roles r
      join pg_db_role_setting s on s.setrole = r.oid, unnest(s.setconfig) as setting
     where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
       and pg_has_role('authenticator', r.oid, 'member')
     order by s.setdatabase`
  const settings = new Map<string, Record<string, string>>()
  for (const { role, setting } of rows) {
    const at = setting.indexOf("=")
    const known = settings.get(role) ?? {}
    known[setting.slice(0, at)] = setting.slice(at + 1)
    settings.set(role, known)
  }
  return settings
}

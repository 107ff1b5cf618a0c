/**
 * What a Supabase project has before the first migration, as far as migrations and RPC rely on it. Roles belong to the whole
 * server, the rest to one database. `owner` is who runs migrations: `postgres`, which is no superuser on Supabase.
 */
export const rolesSql = (owner: string | undefined): string => `
do $roles$
declare
  v_role record;
begin
  for v_role in
    select * from (values
      ('anon',          'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role',  'nologin noinherit bypassrls'),
      ('authenticator', 'login noinherit')) as r(name, attributes)
  loop
    if not exists (select from pg_roles where rolname = v_role.name) then
      execute format('create role %I %s', v_role.name, v_role.attributes);
    end if;
  end loop;
end
$roles$;
grant anon, authenticated, service_role to authenticator;
${owner === undefined ? "" : ownerSql(owner)}`

const ownerSql = (owner: string): string => `
create role ${owner} login createdb createrole replication bypassrls;
grant anon, authenticated, service_role, authenticator to ${owner} with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to ${owner};
alter role ${owner} set search_path = "$user", public, extensions;`

/** `creators`: the roles whose later tables, functions and sequences in `public` are open to the API's roles. */
export const databaseSql = (owner: string, creators: ReadonlyArray<string>): string => `
create schema extensions;
create extension if not exists pgcrypto schema extensions;
do $extension$
begin
  if exists (select from pg_available_extensions where name = 'uuid-ossp') then
    create extension if not exists "uuid-ossp" schema extensions;
  end if;
end
$extension$;
grant usage on schema extensions to ${owner}, anon, authenticated, service_role;
grant all on schema public to ${owner};
grant usage on schema public to anon, authenticated, service_role;
${creators.map((creator) => DEFAULT_PRIVILEGES.replaceAll("<creator>", creator).replaceAll("<owner>", owner)).join("")}`

const DEFAULT_PRIVILEGES = `
alter default privileges for role <creator> in schema public
  grant all on tables to <owner>, anon, authenticated, service_role;
alter default privileges for role <creator> in schema public
  grant all on functions to <owner>, anon, authenticated, service_role;
alter default privileges for role <creator> in schema public
  grant all on sequences to <owner>, anon, authenticated, service_role;`

/** Roles belong to the whole server, not to one database. `owner` runs the migrations and, as on Supabase, is not a superuser. */
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
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role authenticated set statement_timeout = '8s';
alter role anon set statement_timeout = '3s';
${owner === undefined ? "" : ownerSql(owner)}`

const ownerSql = (owner: string): string => `
create role ${owner} login createdb createrole replication bypassrls;
grant anon, authenticated, service_role, authenticator to ${owner} with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to ${owner};
alter role ${owner} set search_path = "$user", public, extensions;`

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
${SCHEMA_WATCH}
grant usage on schema extensions to ${owner}, anon, authenticated, service_role;
grant all on schema public to ${owner};
grant usage on schema public to anon, authenticated, service_role;
${creators.map((creator) => DEFAULT_PRIVILEGES.replaceAll("<creator>", creator).replaceAll("<owner>", owner)).join("")}`

const SCHEMA_WATCH = `
create function extensions.pgrst_watch() returns event_trigger language plpgsql as $watch$
begin
  notify pgrst, 'reload schema';
end
$watch$;
create event trigger pgrst_ddl_watch on ddl_command_end
  when tag in ('CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE SCHEMA', 'CREATE TABLE', 'ALTER TABLE', 'CREATE VIEW')
  execute function extensions.pgrst_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_watch();`

const DEFAULT_PRIVILEGES = `
alter default privileges for role <creator> in schema public
  grant all on tables to <owner>, anon, authenticated, service_role;
alter default privileges for role <creator> in schema public
  grant all on functions to <owner>, anon, authenticated, service_role;
alter default privileges for role <creator> in schema public
  grant all on sequences to <owner>, anon, authenticated, service_role;`

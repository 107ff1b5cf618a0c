export const functionsSql = `
create table t_w (i int);
create table t_u (i int constraint u unique deferrable initially deferred);
create function t_void() returns void language sql as '';
create function t_null() returns text language sql as 'select null::text';
create function t_text() returns text language sql as $$ select 'hé"llo' $$;
create function t_int() returns bigint language sql as 'select 9007199254740993';
create function t_num() returns numeric language sql as 'select 1.10';
create function t_ts() returns timestamptz language sql as $$ select timestamptz '2026-11-29 06:00:00.123456Z' $$;
create function t_jsonb() returns jsonb language sql as $$ select '{"a":1,"b":[1,2,{"c":null}]}'::jsonb $$;
create function t_json() returns json language sql as $$ select '{ "a" : 1,  "a":2 }'::json $$;
create function t_inf() returns float8 language sql as $$ select 'NaN'::float8 $$;
create function t_arr() returns int[] language sql as 'select array[1, 2]';
create function t_bytea() returns bytea language sql as $$ select 'hi'::bytea $$;
create function t_scalars(n int) returns setof int language sql as 'select generate_series(1, n)';
create function t_jsonbs(n int) returns setof jsonb language sql as $$ select jsonb_build_object('i', i) from generate_series(1, n) i $$;
create function t_rows(n int) returns table (i int, s text) language sql as 'select i, i::text from generate_series(1, n) i';
create function t_out(out a int, out b text) language sql as $$ select 1, 'x' $$;
create type t_one as (a int);
create function t_out1() returns t_one language sql as 'select row(1)::t_one';
create function t_setof_table() returns setof t_w language sql as 'select * from t_w where false';
create function t_one_row() returns t_w language sql as 'select 7';
create function t_null_row() returns t_w language sql as 'select null::int';
create function t_guc() returns jsonb language sql volatile as $$
  select jsonb_build_object('lt', current_setting('lock_timeout'), 'ro', current_setting('transaction_read_only'),
    'sp', current_setting('search_path'), 'st', current_setting('statement_timeout'), 'tz', current_setting('timezone'),
    'app', current_setting('application_name'), 'iso', current_setting('transaction_isolation'),
    'path', current_setting('request.path', true), 'role', current_user,
    'claims', current_setting('request.jwt.claims', true)::jsonb, 'method', current_setting('request.method', true),
    'headers', (select jsonb_agg(k order by k) from jsonb_object_keys(current_setting('request.headers', true)::jsonb) k),
    'session', session_user) $$;
create function t_guc_stable() returns jsonb language sql stable as $$
  select jsonb_build_object('ro', current_setting('transaction_read_only'), 'iso', current_setting('transaction_isolation')) $$;
create function t_err(state text, msg text default 'boom', det text default null, hin text default null) returns void
language plpgsql as $$
begin
  if det is null then raise exception '%', msg using errcode = state; end if;
  raise exception '%', msg using errcode = state, detail = det, hint = hin;
end $$;
create function t_raise() returns void language plpgsql as $$ begin raise exception 'plain'; end $$;
create function t_pgrst() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using message = '{"code":"123","message":"Payment Required","details":"d","hint":"h"}',
    detail = '{"status":402,"headers":{"X-Powered-By":"Nerd"}}';
end $$;
create function t_status() returns text language plpgsql as $$
begin
  perform set_config('response.status', '202', true),
    set_config('response.headers', '[{"X-My": "1"}, {"Retry-After": "7"}]', true);
  return 'x';
end $$;
create function t_stable_write() returns int language sql stable as 'insert into t_w values (1) returning i';
create function t_write(i int) returns int language sql as 'insert into t_w values (i) returning i';
create function t_write_own(i int) returns int language sql set statement_timeout = '20s' as 'insert into t_w values (i) returning i';
create function t_uuid(u uuid) returns uuid language sql as 'select u';
create function t_uuids(u uuid[]) returns int language sql as 'select cardinality(u)';
create function t_over(a int) returns int language sql as 'select a';
create function t_over(a text) returns text language sql as 'select a';
create function t_json1(json) returns json language sql as 'select $1';
create function t_opt(a int default 1, b text default 'd') returns text language sql as 'select a || b';
create function t_sleep(s float8) returns text language sql as $$ select 'slept' from pg_sleep(s) $$;
create function t_sleep_own(s float8) returns text language sql set statement_timeout = '20s' as $$ select 'slept' from pg_sleep(s) $$;
create function t_sleep_short(s float8) returns text language sql set statement_timeout = '500ms' as $$ select 'slept' from pg_sleep(s) $$;
create function t_slow_write(s float8, i int) returns int language plpgsql as $$
begin
  insert into t_w values (i);
  perform pg_sleep(s);
  return i;
end $$;
create function t_denied() returns void language sql as '';
revoke all on function t_denied() from public, anon, authenticated, service_role;
create function t_big(n int) returns text language sql as $$ select repeat('x', n) $$;
create function t_deferred() returns void language sql as 'insert into t_u values (1), (1)';
create function t_kill() returns void language sql security definer as 'select pg_terminate_backend(pg_backend_pid())';
create function t_serial() returns void language plpgsql as $$
begin
  raise exception 'could not serialize' using errcode = '40001';
end $$;
create function t_x(a int) returns int language sql as 'select a';
create function t_y(a int) returns int language sql as 'select a';
grant all on t_w, t_u to anon, authenticated, service_role;`

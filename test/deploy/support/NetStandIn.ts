import type { SQL } from "bun"

/**
 * STAND-INS for pg_net and Vault, which neither Debian nor npm offers. They have the real names and types, but include
 * only the objects that deploy/pg_cron.sql uses. `vault` stores secrets in plain text. *Source*: supabase/pg_net, sql/pg_net.sql;
 * https://supabase.com/docs/guides/database/vault.
 */
export const NET_AND_VAULT = `
create schema net;
create unlogged table net.http_request_queue (
  id bigserial, method text not null, url text not null, headers jsonb not null, body bytea, timeout_milliseconds int not null);
create unlogged table net._http_response (
  id bigint, status_code integer, content text, error_msg text, created timestamptz not null default now());
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds int default 5000
) returns bigint language sql as $net$
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('POST', url, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds) returning id
$net$;
grant usage on schema net to postgres;
grant all on all tables in schema net to postgres;
grant all on all sequences in schema net to postgres;

create schema vault;
create table vault.secrets (id uuid primary key default gen_random_uuid(), name text unique, secret text not null);
create view vault.decrypted_secrets as select id, name, secret as decrypted_secret from vault.secrets;
create function vault.create_secret(new_secret text, new_name text default null) returns uuid
  language sql as $vault$ insert into vault.secrets (name, secret) values (new_name, new_secret) returning id $vault$;
grant usage on schema vault to postgres;
grant all on all tables in schema vault to postgres;`

export interface Sent {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly status: number
}

interface Queued {
  readonly id: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeout_milliseconds: number
}

/** Replaces pg_net's background worker. Sends each queued request once, with its timeout. */
export const forwardQueue = (sql: SQL) => {
  const sent: Array<Sent> = []
  let isOver = false
  const send = async ({ body, headers, id, timeout_milliseconds, url }: Queued) => {
    const signal = AbortSignal.timeout(timeout_milliseconds)
    const answer = await fetch(url, { method: "POST", headers, body, signal })
    const content = await answer.text()
    await sql`insert into net._http_response (id, status_code, content) values (${id}, ${answer.status}, ${content})`
    sent.push({ url, headers, body, status: answer.status })
  }
  const loop = async () => {
    while (!isOver) {
      const queued: ReadonlyArray<Queued> = await sql`delete from net.http_request_queue
        returning id::int, url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds`
      await Promise.all(queued.map(send))
      await Bun.sleep(50)
    }
  }
  const running = loop()
  const stop = async () => {
    isOver = true
    await running
  }
  return { sent, stop }
}

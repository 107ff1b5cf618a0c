import type { SQL } from "bun"

/** Replaces `sync_scheduler.clock` with a clock stopped at `ms`. The database bases every decision on this clock. */
export const installClock = async (sql: SQL, ms: number): Promise<void> => {
  await sql
    .unsafe(`
    create table sync_scheduler.test_clock (at timestamptz not null);
    insert into sync_scheduler.test_clock values (to_timestamp(${ms / 1000}));
    create or replace function sync_scheduler.clock() returns timestamptz
      language sql stable return (select c.at from sync_scheduler.test_clock c);`)
    .simple()
}

export const setClock = async (sql: SQL, ms: number): Promise<void> => {
  await sql.unsafe(`update sync_scheduler.test_clock set at = to_timestamp(${ms / 1000})`)
}

import type { SQL } from "bun"

/**
 * Replaces the database's clock (`sync_scheduler.clock`, which all decisions use) with a clock that is set to the instant `ms`.
 */
export const installClock = async (sql: SQL, ms: number): Promise<void> => {
  await sql
    .unsafe(`
    create table sync_scheduler.test_clock (at timestamptz not null);
    insert into sync_scheduler.test_clock values (to_timestamp(${ms / 1000}));
    create or replace function sync_scheduler.clock() returns timestamptz
      language sql stable return (select c.at from sync_scheduler.test_clock c);`)
    .simple()
}

/** Moves an installed clock to another instant. */
export const setClock = async (sql: SQL, ms: number): Promise<void> => {
  await sql.unsafe(`update sync_scheduler.test_clock set at = to_timestamp(${ms / 1000})`)
}

import tables from "../../supabase/migrations/20261129000100_tables.sql" with { type: "text" }
import schedule from "../../supabase/migrations/20261129000200_schedule.sql" with { type: "text" }
import health from "../../supabase/migrations/20261129000300_health.sql" with { type: "text" }
import claim from "../../supabase/migrations/20261129000400_claim.sql" with { type: "text" }
import run from "../../supabase/migrations/20261129000500_run.sql" with { type: "text" }
import sweep from "../../supabase/migrations/20261129000600_sweep.sql" with { type: "text" }
import operator from "../../supabase/migrations/20261129000700_operator.sql" with { type: "text" }
import alerts from "../../supabase/migrations/20261129000800_alerts.sql" with { type: "text" }
import views from "../../supabase/migrations/20261129000900_views.sql" with { type: "text" }
import doctor from "../../supabase/migrations/20261129001000_doctor.sql" with { type: "text" }
import schema from "../../supabase/schema.sql" with { type: "text" }

/** A file `<version>_<name>.sql` in supabase/migrations. `version` is a 14-digit UTC timestamp. */
export interface Migration {
  readonly version: string
  readonly name: string
  readonly sql: string
}

/**
 * All migrations, in order. `Bun.build` inlines them, so no file is read at run time. A test reports files that are missing from
 * this list.
 */
export const migrations: ReadonlyArray<Migration> = [
  { version: "20261129000100", name: "tables", sql: tables },
  { version: "20261129000200", name: "schedule", sql: schedule },
  { version: "20261129000300", name: "health", sql: health },
  { version: "20261129000400", name: "claim", sql: claim },
  { version: "20261129000500", name: "run", sql: run },
  { version: "20261129000600", name: "sweep", sql: sweep },
  { version: "20261129000700", name: "operator", sql: operator },
  { version: "20261129000800", name: "alerts", sql: alerts },
  { version: "20261129000900", name: "views", sql: views },
  { version: "20261129001000", name: "doctor", sql: doctor }
]

/** The definitions of all objects after all migrations. */
export const definitions: string = schema

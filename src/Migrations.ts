import tables from "../supabase/migrations/20261124000100_tables.sql" with { type: "text" }
import schedules from "../supabase/migrations/20261124000200_schedules.sql" with { type: "text" }
import claim from "../supabase/migrations/20261124000300_claim.sql" with { type: "text" }
import run from "../supabase/migrations/20261124000400_run.sql" with { type: "text" }
import sweep from "../supabase/migrations/20261124000500_sweep.sql" with { type: "text" }
import operate from "../supabase/migrations/20261124000600_operate.sql" with { type: "text" }
import grants from "../supabase/migrations/20261124000700_grants.sql" with { type: "text" }
import alerts from "../supabase/migrations/20261124000800_alerts.sql" with { type: "text" }
import auditBackfill from "../supabase/migrations/20261124000900_audit_backfill.sql" with {
  type: "text"
}
import warmUp from "../supabase/migrations/20261124001000_warm_up.sql" with { type: "text" }
import setBased from "../supabase/migrations/20261124001100_set_based.sql" with { type: "text" }
import returnStarts from "../supabase/migrations/20261124001200_return_starts.sql" with {
  type: "text"
}
import operator from "../supabase/migrations/20261125000100_operator.sql" with { type: "text" }
import operatorNames from "../supabase/migrations/20261125000150_operator_names.sql" with {
  type: "text"
}
import health from "../supabase/migrations/20261125000300_health.sql" with { type: "text" }
import probes from "../supabase/migrations/20261125000350_probes.sql" with { type: "text" }
import ticket from "../supabase/migrations/20261125000400_ticket.sql" with { type: "text" }
import schemaCompatibility from "../supabase/migrations/20261125000500_schema_compatibility.sql" with {
  type: "text"
}
import doctor from "../supabase/migrations/20261125000600_doctor.sql" with { type: "text" }
import comments from "../supabase/migrations/20261125000650_comments.sql" with { type: "text" }
import claimByKey from "../supabase/migrations/20261125000700_claim_by_key.sql" with {
  type: "text"
}
import pendingByIndex from "../supabase/migrations/20261125000800_pending_by_index.sql" with {
  type: "text"
}
import versionWithSince from "../supabase/migrations/20261125000900_version_with_since.sql" with {
  type: "text"
}
import retryWaits from "../supabase/migrations/20261125001000_retry_waits.sql" with { type: "text" }
import schema from "../supabase/schema.sql" with { type: "text" }

/** One file of supabase/migrations: `<version>_<name>.sql`. `version` is 14 digits of UTC. */
export interface Migration {
  readonly version: string
  readonly name: string
  readonly sql: string
}

/**
 * All migrations, in the order in which they are applied. The binary carries them; a test fails when a file of
 * supabase/migrations is not here. `Bun.build` inlines their text, so nothing is read at run time.
 */
export const migrations: ReadonlyArray<Migration> = [
  { version: "20261124000100", name: "tables", sql: tables },
  { version: "20261124000200", name: "schedules", sql: schedules },
  { version: "20261124000300", name: "claim", sql: claim },
  { version: "20261124000400", name: "run", sql: run },
  { version: "20261124000500", name: "sweep", sql: sweep },
  { version: "20261124000600", name: "operate", sql: operate },
  { version: "20261124000700", name: "grants", sql: grants },
  { version: "20261124000800", name: "alerts", sql: alerts },
  { version: "20261124000900", name: "audit_backfill", sql: auditBackfill },
  { version: "20261124001000", name: "warm_up", sql: warmUp },
  { version: "20261124001100", name: "set_based", sql: setBased },
  { version: "20261124001200", name: "return_starts", sql: returnStarts },
  { version: "20261125000100", name: "operator", sql: operator },
  { version: "20261125000150", name: "operator_names", sql: operatorNames },
  { version: "20261125000300", name: "health", sql: health },
  { version: "20261125000350", name: "probes", sql: probes },
  { version: "20261125000400", name: "ticket", sql: ticket },
  { version: "20261125000500", name: "schema_compatibility", sql: schemaCompatibility },
  { version: "20261125000600", name: "doctor", sql: doctor },
  { version: "20261125000650", name: "comments", sql: comments },
  { version: "20261125000700", name: "claim_by_key", sql: claimByKey },
  { version: "20261125000800", name: "pending_by_index", sql: pendingByIndex },
  { version: "20261125000900", name: "version_with_since", sql: versionWithSince },
  { version: "20261125001000", name: "retry_waits", sql: retryWaits }
]

/** The whole schema as the migrations leave it, object by object: the definition of anything that is missing is here. */
export const definitions: string = schema

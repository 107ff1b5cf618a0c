import { createClient } from "@supabase/supabase-js"
import { runScheduledJobs } from "sync-scheduler"

const { SUPABASE_URL: url = "", SUPABASE_SECRET_KEY: secretKey = "" } = process.env

const summary = await runScheduledJobs(
  createClient(url, secretKey),
  `${url}/functions/v1/integration-sync`,
  { functionKey: secretKey }
)
if (!summary.ok) {
  throw new Error(summary.errors.map(({ message, hint }) => `${message}. ${hint}`).join("; "))
}
console.log(JSON.stringify(summary))
// {"ok":true,"due":3,"triggered":3,"completed":2,"failed":1,"skipped":0,"runs":[...],"errors":[],...}

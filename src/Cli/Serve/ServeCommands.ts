import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const serveCommand: Command = {
  name: "serve",
  summary: "Tick at intervals, and serve the status page, API and metrics",
  details:
    "Ticks immediately and then once per interval, one tick at a time. Warms up functions 30 s before\n" +
    "their slots. Any number of replicas can run at the same time. On SIGTERM, serve starts no new runs,\n" +
    "records the runs in flight, and exits with 0. The exit code is 3 if SYNC_SCHEDULER_DRAIN was too\n" +
    "short. A second SIGTERM or Ctrl-C ends serve immediately. SIGHUP acts like the first SIGTERM, except\n" +
    "under nohup.",
  positionals: [],
  flags: [
    {
      name: "listen",
      value: "<host:port>",
      summary: "Address to listen on; 127.0.0.1:8787 by default, port 0 for a free port"
    },
    { name: "interval", value: "<span>", summary: "How often to tick; 60s by default" },
    {
      name: "concurrency",
      value: "<n>",
      summary: "Maximum number of concurrent invocations; 5 by default"
    },
    {
      name: "allow-actions",
      summary: "Let holders of SYNC_SCHEDULER_ADMIN_TOKEN perform actions"
    },
    {
      name: "demo",
      value: "<dir>",
      summary: "Serve made-up organisations from this directory; needs no project"
    },
    output("text", "jsonl")
  ],
  examples: [
    "sync-scheduler serve",
    "sync-scheduler serve --listen 127.0.0.1:9000 --interval 30s",
    "sync-scheduler serve --demo ./demo-data"
  ],
  load: () => import("./Serve.ts")
}

export const readyCommand: Command = {
  name: "ready",
  summary: "Check whether serve is ready on this machine; for container health checks",
  details: "Calls /readyz of serve. Exits with 0 if serve is ready, otherwise with 1.",
  positionals: [],
  flags: [
    {
      name: "url",
      value: "<url>",
      summary: "URL of serve; by default the address in SYNC_SCHEDULER_LISTEN"
    },
    { name: "timeout", value: "<seconds>", summary: "How long to wait; 5 by default" }
  ],
  examples: ["sync-scheduler ready", "sync-scheduler ready --url http://127.0.0.1:8787"],
  load: () => import("./Ready.ts")
}

import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const serveCommand: Command = {
  name: "serve",
  summary: "Tick at intervals, and answer HTTP: page, API, metrics",
  details:
    "Ticks immediately, then once per interval, never two at a time; warms up functions 30 s\n" +
    "before their slots. Any number of replicas may run side by side. SIGTERM: nothing new is started,\n" +
    "what is in flight is recorded, exit 0; 3 when SYNC_SCHEDULER_DRAIN was not enough. A second\n" +
    "SIGTERM or Ctrl-C ends it immediately. SIGHUP does what the first SIGTERM does, unless it was\n" +
    "ignored at the start (nohup).",
  positionals: [],
  flags: [
    {
      name: "listen",
      value: "<host:port>",
      summary: "Where to answer HTTP; 127.0.0.1:8787 by default, port 0 for any"
    },
    { name: "interval", value: "<span>", summary: "How often to tick; 60s by default" },
    {
      name: "concurrency",
      value: "<n>",
      summary: "Invoke at most this many concurrently; 5 by default"
    },
    {
      name: "allow-actions",
      summary: "Holders of SYNC_SCHEDULER_ADMIN_TOKEN may run, retry, pause and resume"
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
  summary: "Whether a serve on this machine is ready; for health checks of containers",
  details:
    "Asks /readyz of serve. Exit code 0 when it is ready, 1 when it is not or does not answer.",
  positionals: [],
  flags: [
    {
      name: "url",
      value: "<url>",
      summary: "Where serve answers; by default as SYNC_SCHEDULER_LISTEN says"
    },
    { name: "timeout", value: "<seconds>", summary: "How long to wait; 5 by default" }
  ],
  examples: ["sync-scheduler ready", "sync-scheduler ready --url http://127.0.0.1:8787"],
  load: () => import("./Ready.ts")
}

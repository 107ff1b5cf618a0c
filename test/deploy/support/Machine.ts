import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface ScriptResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A Debian container with systemd as its first process. It shares only the network with this machine. */
export interface Machine {
  /** A path on the host. */
  readonly root: string
  readonly run: (script: string) => Promise<ScriptResult>
  /** Returns stdout. *Throws* if the script fails. */
  readonly must: (script: string) => Promise<string>
  readonly close: () => Promise<void>
}

const PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates"
const base = join(tmpdir(), "sync-scheduler-e2e", "bookworm")

/** Installs Debian once, which takes about a minute. Each machine gets a copy. */
export const debianBase = (): string => {
  for (const tool of ["debootstrap", "systemd-nspawn", "nsenter"]) {
    if (Bun.which(tool) === null) {
      throw new Error(`no ${tool}: apt-get install debootstrap systemd-container util-linux`)
    }
  }
  if (process.getuid?.() !== 0) throw new Error("systemd-nspawn needs root")
  if (existsSync(base)) return base
  const part = `${base}.${process.pid}`
  mkdirSync(part, { recursive: true })
  const options = ["--variant=minbase", `--include=${PACKAGES}`, "bookworm", part]
  const made = spawnSync("debootstrap", options, { encoding: "utf8" })
  if (made.status !== 0) throw new Error(`debootstrap: ${made.stdout}${made.stderr}`)
  renameSync(part, base)
  return base
}

/** `prepare` can first add files to the machine's root directory. */
export const bootMachine = async (prepare: (root: string) => void): Promise<Machine> => {
  const from = debianBase()
  const root = mkdtempSync(join(tmpdir(), "sync-scheduler-machine-"))
  spawnSync("cp", ["-a", `${from}/.`, root])
  prepare(root)
  const nspawn = Bun.spawn(
    ["systemd-nspawn", "--register=no", "--keep-unit", "-b", "-D", root, "--console=pipe"],
    { stdin: "ignore", stdout: "ignore", stderr: "ignore" }
  )
  const leader = await leaderOf(nspawn.pid)
  // Runs asynchronously, because the servers that the machine talks to run in this process.
  const run = async (script: string): Promise<ScriptResult> => {
    const inside = ["-t", leader, "-m", "-u", "-i", "-n", "-p", "--", "/bin/bash", "-c", script]
    const child = Bun.spawn(["nsenter", ...inside], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" }
    })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited
    ])
    return { code, stdout, stderr }
  }
  const must = async (script: string): Promise<string> => {
    const { code, stderr, stdout } = await run(script)
    if (code !== 0) throw new Error(`exit ${code} of: ${script}\n${stdout}${stderr}`)
    return stdout
  }
  const close = async () => {
    // systemd powers the machine off on this signal.
    spawnSync("kill", ["-s", "RTMIN+4", leader])
    await Promise.race([nspawn.exited, Bun.sleep(60_000)])
    nspawn.kill("SIGKILL")
    await nspawn.exited
    rmSync(root, { recursive: true, force: true })
  }
  const isUp = async () => (await run("systemctl is-system-running")).stdout.trim() === "running"
  for (let tries = 0; !(await isUp()); tries++) {
    if (tries === 240) {
      const why = await run("systemctl --failed; systemctl list-jobs")
      await close()
      throw new Error(`the machine is not up: ${why.stdout}${why.stderr}`)
    }
    await Bun.sleep(250)
  }
  return { root, run, must, close }
}

/** Returns the process ID of the machine's init. systemd-nspawn starts other, short-lived children first. */
const leaderOf = async (pid: number): Promise<string> => {
  for (let tries = 0; tries < 600; tries++) {
    for (const child of read(`/proc/${pid}/task/${pid}/children`).split(" ")) {
      if (child !== "" && read(`/proc/${child}/comm`) === "systemd") return child
    }
    await Bun.sleep(100)
  }
  throw new Error("systemd-nspawn did not start")
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch {
    return ""
  }
}

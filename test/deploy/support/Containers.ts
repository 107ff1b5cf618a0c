import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { debianBase, type ScriptResult } from "./Machine.ts"

/** podman with a separate image store. Containers share this machine's network. */
export interface Containers {
  readonly directory: string
  readonly run: (script: string) => Promise<ScriptResult>
  /** Returns stdout. *Throws* if the script fails. */
  readonly must: (script: string) => Promise<string>
  readonly close: () => Promise<void>
}

/** Docker's image format supports health checks. */
const DOCKER = `docker() {
  case "$1" in
    build) shift; podman build --format docker "$@" ;;
    compose) shift; PATH="$HOME/bin:$PATH" podman-compose "$@" ;;
    *) podman "$@" ;;
  esac
}
`

/** STAND-IN for a compose project's bridge network, which this machine cannot create. Services use the host network. */
const HOST_NETWORK = `#!/bin/bash
[ "$1" = network ] && exit 0
args=()
while [ $# -gt 0 ]; do
  case "$1" in
    --net | --network | --network-alias) shift 2 ;;
    *) args+=("$1"); shift ;;
  esac
done
exec "$(PATH=\${PATH#*:} command -v podman)" "\${args[@]}"
`

export const startContainers = async (): Promise<Containers> => {
  for (const tool of ["podman", "podman-compose", "runc", "catatonit"]) {
    if (Bun.which(tool) === null) throw new Error(`no ${tool}: apt-get install ${tool}`)
  }
  const home = mkdtempSync(join(tmpdir(), "sync-scheduler-containers-"))
  const directory = join(home, "work")
  mkdirSync(directory)
  // Disables registries and bridge networks, and sets no limit higher than this machine's own.
  writeFileSync(
    join(home, "containers.conf"),
    `[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
image_default_transport = "containers-storage:"
`
  )
  writeFileSync(
    join(home, "storage.conf"),
    `[storage]\ndriver = "${hasOverlay(home) ? "overlay" : "vfs"}"\ngraphroot = "${home}/root"\nrunroot = "${home}/run"\n`
  )
  writeFileSync(join(home, "registries.conf"), 'short-name-mode = "disabled"\n')
  mkdirSync(join(home, "bin"))
  writeFileSync(join(home, "bin/podman"), HOST_NETWORK, { mode: 0o755 })
  const run = async (script: string): Promise<ScriptResult> => {
    const child = Bun.spawn(["/bin/bash", "-c", DOCKER + script], {
      cwd: directory,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: {
        PATH: process.env.PATH ?? "",
        HOME: home,
        CONTAINERS_CONF: join(home, "containers.conf"),
        CONTAINERS_STORAGE_CONF: join(home, "storage.conf"),
        CONTAINERS_REGISTRIES_CONF: join(home, "registries.conf"),
        BUILDAH_ISOLATION: "chroot"
      }
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
    await run(
      "podman pod rm --all --force --time 0; podman rm --all --force --time 0; podman unmount --all"
    )
    rmSync(home, { recursive: true, force: true })
  }
  try {
    await must(distroless(home))
    await must(bun(home))
    return { directory, run, must, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Without overlay mounts, every layer is a full copy, which takes minutes. */
const hasOverlay = (home: string): boolean => {
  const script = `mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m && umount m`
  const scratch = join(home, "overlay")
  mkdirSync(scratch)
  return Bun.spawnSync(["/bin/sh", "-c", script], { cwd: scratch }).exitCode === 0
}

/** STAND-IN for gcr.io/distroless/base-nossl-debian13:nonroot, from Debian 12 packages. Neither has a shell. */
const distroless = (home: string): string => {
  const context = join(home, "distroless")
  const base = debianBase()
  const libraries = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"]
  const put = (from: string, to: string) => {
    mkdirSync(dirname(join(context, to)), { recursive: true })
    copyFileSync(realpathSync(from), join(context, to))
  }
  const multiarch = `lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`
  for (const name of libraries) put(join(base, multiarch, name), `${multiarch}/${name}`)
  const loader =
    process.arch === "arm64" ? "lib/ld-linux-aarch64.so.1" : "lib64/ld-linux-x86-64.so.2"
  put(join(base, loader), loader)
  put(join(base, "etc/ssl/certs/ca-certificates.crt"), "etc/ssl/certs/ca-certificates.crt")
  writeFileSync(
    join(context, "etc/passwd"),
    "root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n"
  )
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /\nUSER 65532:65532\n")
  return `podman build -q -t gcr.io/distroless/base-nossl-debian13:nonroot ${context}`
}

/** STAND-IN for oven/bun:1.4.5-debian: Debian 12 with this machine's Bun and CA certificates. */
const bun = (home: string): string => {
  const context = join(home, "bun")
  mkdirSync(context)
  copyFileSync(process.execPath, join(context, "bun"))
  chmodSync(join(context, "bun"), 0o755)
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? "/etc/ssl/certs/ca-certificates.crt"
  if (existsSync(authorities)) copyFileSync(authorities, join(context, "authorities.crt"))
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM localhost/debian:12
COPY bun /usr/local/bin/bun
COPY authorities.crt /etc/ssl/authorities.crt
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/authorities.crt
`
  )
  return `set -e; tar -C ${debianBase()} -c . | podman import -q - localhost/debian:12
    podman build -q -t docker.io/oven/bun:1.4.5-debian ${context}`
}

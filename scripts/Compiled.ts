/** Build options for compiled programs. Bytecode speeds up the start. Each command is a separate chunk. */
export const COMPILED = { format: "esm", minify: true, bytecode: true, splitting: true } as const

/** Disables `.env` and `bunfig.toml` in the working directory. Bun executes files that bunfig.toml names. */
export const CLOSED = { autoloadDotenv: false, autoloadBunfig: false } as const

/** Build options for compiled programs. Bytecode speeds up the start. Each command has its own chunk, and loads only that. */
export const COMPILED = { format: "esm", minify: true, bytecode: true, splitting: true } as const

/** A program must not load `.env` or `bunfig.toml` from its working directory. Bun executes files named in bunfig.toml. */
export const CLOSED = { autoloadDotenv: false, autoloadBunfig: false } as const

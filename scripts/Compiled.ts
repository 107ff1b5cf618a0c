/** How programs are compiled: with bytecode, for start-up, and one chunk for each command, so that help need not load what only a tick needs. */
export const COMPILED = { format: "esm", minify: true, bytecode: true, splitting: true } as const

/** Neither `.env` nor `bunfig.toml` of the directory that a program is started in is loaded: the latter would execute whatever it names. */
export const CLOSED = { autoloadDotenv: false, autoloadBunfig: false } as const

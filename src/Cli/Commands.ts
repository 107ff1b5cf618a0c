import {
  runsReleaseCommand,
  runsRetryCommand,
  schedulesPauseCommand,
  schedulesResumeCommand,
  triggerCommand
} from "./Actions/ActionDeclarations.ts"
import { auditCommand } from "./Audit/AuditCommand.ts"
import { backfillCommand } from "./Backfill/BackfillCommand.ts"
import { checkCommand } from "./Check/CheckCommand.ts"
import type { Command } from "./Command.ts"
import { completionsCommand } from "./Completions/CompletionsCommand.ts"
import { demoCommand } from "./Demo/DemoCommand.ts"
import { doctorCommand } from "./Doctor/DoctorCommand.ts"
import { envCommand } from "./Env/EnvCommand.ts"
import { explainCommand } from "./Explain/ExplainCommand.ts"
import { initCommand } from "./Init/InitCommand.ts"
import { installCommand } from "./Install/InstallCommand.ts"
import { invokeCommand } from "./Invoke/InvokeCommand.ts"
import { notifyTestCommand } from "./Notify/NotifyCommand.ts"
import { probeCommand } from "./Probe/ProbeCommand.ts"
import { runCommand } from "./Run/RunCommand.ts"
import { runsListCommand, runsShowCommand, runsTailCommand } from "./Runs/RunsCommands.ts"
import {
  schedulesListCommand,
  schedulesNextCommand,
  schedulesShowCommand,
  schedulesValidateCommand
} from "./Schedules/SchedulesCommands.ts"
import { schemaPrintCommand } from "./Schema/SchemaCommand.ts"
import { readyCommand, serveCommand } from "./Serve/ServeCommands.ts"
import { setupCommand } from "./Setup/SetupCommand.ts"
import { statusCommand } from "./Status/StatusCommand.ts"

/** All commands, in the order in which the help lists them. */
export const commands: ReadonlyArray<Command> = [
  runCommand,
  serveCommand,
  demoCommand,
  statusCommand,
  explainCommand,
  schedulesListCommand,
  schedulesShowCommand,
  runsListCommand,
  runsShowCommand,
  runsTailCommand,
  triggerCommand,
  schedulesPauseCommand,
  schedulesResumeCommand,
  runsRetryCommand,
  runsReleaseCommand,
  schedulesNextCommand,
  schedulesValidateCommand,
  auditCommand,
  backfillCommand,
  checkCommand,
  readyCommand,
  probeCommand,
  doctorCommand,
  notifyTestCommand,
  envCommand,
  setupCommand,
  initCommand,
  invokeCommand,
  installCommand,
  schemaPrintCommand,
  completionsCommand
]

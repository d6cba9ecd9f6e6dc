/**
 * `fluxify-server -tui`: certificates on a full screen. It serves nobody: a server that runs on the
 * same files notices by itself what changes.
 */
import { renderUnicodeCompact } from "uqr";
import type { Frame, Size } from "../../lib/cli/screen/canvas.ts";
import { type Page, type PageInput, ScreenHost } from "../../lib/cli/screen/screen_host.ts";
import { isTooSmall } from "../../lib/cli/screen/too_small.ts";
import { calledAs, inWordsOfCaller } from "../../lib/cli/called_as.ts";
import type { ProgramLog } from "../../lib/cli/run_program.ts";
import { openClientRegistry } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { readSmallFile } from "../../lib/pki/secure_file.ts";
import { readAuthority } from "../certificates/authority_facts.ts";
import { prescribedFor } from "../clients/client_command.ts";
import { withLastSeen } from "../certificates/seen_client.ts";
import {
  type CommandOutcome,
  deleteClient,
  initAuthority,
  newCertificate,
  regenerateAuthority,
  renewCertificate,
  revokeCertificate,
} from "../certificates/certificate_command.ts";
import { SERVER_PROGRAM } from "../options.ts";
import {
  conclude,
  INITIAL_MANAGER,
  type ManagerAction,
  type ManagerFacts,
  type ManagerState,
  type ManagerTarget,
  reactManager,
} from "./manager_state.ts";
import { inKeysOfScreen } from "./keys_of_commands.ts";
import { drawManager, MANAGER_LEAST } from "./manager_view.ts";

/** What others do to the files is seen within so long. */
const READ_EVERY_MS = 2_000;
/** Bytes of the largest QR code there is, of the lowest correction. */
const QR_BYTES_MAX = 2_953;

interface ManagerOptions {
  readonly directory: string;
  readonly folders: readonly string[];
  readonly hosts: readonly string[];
}

/** Until the user quits or `signal` is aborted. @throws UsageError when there is no terminal. */
export async function showManager(
  options: ManagerOptions,
  programLog: ProgramLog,
  signal: AbortSignal,
): Promise<void> {
  const left = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => left.resolve(), { once: true });
  let refresh = () => {};
  const page = new ManagerPage(options, () => left.resolve(), () => refresh());
  await using host = new ScreenHost(
    page,
    "-tui",
    "use 'fluxify-server cert list' and the other cert commands",
  );
  refresh = () => host.refresh();
  host.open(programLog);
  if (!signal.aborted) await left.promise;
  await page.settled();
}

class ManagerPage implements Page<ManagerTarget> {
  readonly #options: ManagerOptions;
  readonly #onQuit: () => void;
  readonly #word = calledAs(SERVER_PROGRAM);
  readonly #onChange: () => void;
  #state: ManagerState = INITIAL_MANAGER;
  #facts: ManagerFacts;
  #readAtMs = -Infinity;
  #doing: Promise<void> = Promise.resolve();
  #isDoing = false;
  #size: Size = MANAGER_LEAST;

  constructor(options: ManagerOptions, onQuit: () => void, onChange: () => void) {
    this.#options = options;
    this.#onQuit = onQuit;
    this.#onChange = onChange;
    this.#facts = {
      directory: options.directory,
      clients: [],
      authority: null,
      problem: null,
      details: null,
      prescribed: null,
      qrCode: null,
    };
  }

  draw(_log: unknown, size: Size): Frame<ManagerTarget> {
    this.#size = size;
    return drawManager(this.#state, this.#facts, size);
  }

  take(input: PageInput<ManagerTarget>): boolean {
    if (input.kind === "log grew") return false;
    const meant = input.kind === "wheel"
      ? { kind: "key" as const, key: input.lines > 0 ? "down" : "up", text: "" }
      : input;
    if (isTooSmall(this.#size, MANAGER_LEAST) && !this.#isLeaving(meant)) return true;
    const { state, action } = reactManager(this.#state, meant, this.#facts);
    this.#state = state;
    if (action?.kind === "quit") this.#onQuit();
    else if (action !== undefined && this.#isDoing) {
      const lines = ["not begun: something else is under way; once more when it is done"];
      this.#state = conclude(state, action, "refused", lines);
    } else if (action !== undefined) {
      this.#isDoing = true;
      this.#doing = this.#do(action).finally(() => {
        this.#isDoing = false;
        this.#readAtMs = -Infinity;
        this.#onChange();
      });
    }
    return true;
  }

  /** Where nothing else is to be seen, nothing else is done. */
  #isLeaving(input: { readonly kind: string; readonly key?: string }): boolean {
    if (this.#state.view.name === "asking to quit" || input.kind === "click") return true;
    const isLeaving = ["q", "escape", "ctrl+c"].includes(input.key ?? "");
    if (isLeaving) this.#state = { ...this.#state, view: { name: "asking to quit" } };
    return false;
  }

  async refresh(nowMs: number): Promise<void> {
    if (nowMs - this.#readAtMs < READ_EVERY_MS) return;
    this.#readAtMs = nowMs;
    const { directory, folders } = this.#options;
    try {
      const registry = await openClientRegistry(directory, folders);
      const seen = await withLastSeen(directory, await registry.list(new Date()));
      const authority = await readAuthority(directory);
      this.#facts = { ...this.#facts, ...seen, authority };
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      this.#facts = { ...this.#facts, clients: [], authority: null, problem: error.message };
    }
  }

  /** Resolves when nothing is being written. */
  settled(): Promise<void> {
    return this.#doing;
  }

  async #do(action: ManagerAction): Promise<void> {
    const { directory, folders, hosts } = this.#options;
    const common = { directory, folders, format: "text", now: new Date() } as const;
    switch (action.kind) {
      case "new": {
        if (this.#facts.authority === null) {
          const made = await initAuthority({ ...common, hosts });
          if (made.exitCode !== 0) return this.#say(action, made);
        }
        return this.#say(action, await newCertificate({ ...common, name: action.client }));
      }
      case "revoke":
        return this.#say(action, await revokeCertificate({ ...common, name: action.client }));
      case "delete":
      case "revoke and delete": {
        const which = action.kind === "delete" ? "not in use" : "any";
        return this.#say(action, await deleteClient({ ...common, name: action.client, which }));
      }
      case "renew":
        return this.#say(action, await renewCertificate({ ...common, name: action.client }));
      case "regenerate":
        return this.#say(action, await regenerateAuthority({ ...common, hosts }));
      case "show":
        return await this.#show(action.client);
      case "refresh":
      case "quit":
        return;
      default:
        return action satisfies never;
    }
  }

  #say(action: ManagerAction, { exitCode, lines, errorLines }: CommandOutcome): void {
    const outcome = exitCode === 0 ? "done" : "refused";
    const said = [...errorLines, ...lines].map((line) =>
      inWordsOfCaller(inKeysOfScreen(line), SERVER_PROGRAM, this.#word)
    );
    this.#state = conclude(this.#state, action, outcome, said);
  }

  async #show(client: string): Promise<void> {
    this.#facts = { ...this.#facts, details: null, prescribed: null, qrCode: null };
    try {
      const registry = await openClientRegistry(this.#options.directory, this.#options.folders);
      const details = await registry.show(client, new Date());
      const prescribed = await prescribedFor({ ...this.#options, now: new Date() }, client);
      const bundle = details.bundlePath === null ? "" : await readSmallFile(details.bundlePath);
      this.#facts = { ...this.#facts, details, prescribed, qrCode: qrCodeOf(bundle) };
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      const message = { kind: "error", lines: [error.message] } as const;
      this.#state = { ...this.#state, view: { name: "list" }, message };
    }
  }
}

function qrCodeOf(text: string): string[] | null {
  const length = new TextEncoder().encode(text).length;
  if (length === 0 || length > QR_BYTES_MAX) return null;
  try {
    return renderUnicodeCompact(text, { ecc: "L", border: 1 }).split("\n");
  } catch {
    return null; // longer than the largest code
  }
}

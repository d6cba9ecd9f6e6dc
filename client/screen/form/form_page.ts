/** The page on which mode, server, certificate and links are chosen; it follows the machine. */
import { messageOf } from "../../../lib/ffi/error_text.ts";
import { basename, join } from "node:path";
import { inPanelOrder } from "./settings_view.ts";
import { type OptionRow, optionTable } from "../../../lib/cli/option_table.ts";
import { expandHome, type InvokingUser } from "../../../lib/cli/user_home.ts";
import type { CommandRunner } from "../../../lib/host/command/runner.ts";
import { watchLinks } from "../../../lib/host/links/link_watch.ts";
import { SerialQueue } from "../../../lib/host/serial_queue.ts";
import { formatDate } from "../../../lib/pki/certificate.ts";
import { loadClientCredentials } from "../../../lib/pki/client_credentials.ts";
import { askExternalAddress } from "../../balance/external_address.ts";
import { TUN_NAME } from "../../config/bond_options.ts";
import { BALANCE_FLAGS } from "../../config/balance_options.ts";
import { BOND_FLAGS } from "../../config/bond_options.ts";
import { describeClientProgram } from "../../config/options.ts";
import { MODE_KEY, type Settings, whyRefused } from "../../config/settings.ts";
import { saveSettings } from "../../config/settings_file.ts";
import type { Frame, Size } from "../../../lib/cli/screen/canvas.ts";
import type { LogLine } from "../../../lib/cli/log_lines.ts";
import { isTooSmall } from "../../../lib/cli/screen/too_small.ts";
import type { Page, PageInput } from "../../../lib/cli/screen/screen_host.ts";
import {
  type CertificateFacts,
  followFacts,
  type FormAction,
  type FormFacts,
  type FormInput,
  type FormMessage,
  type FormState,
  type FormTarget,
  initialForm,
  isBalancing,
  withLinks,
} from "./form_state.ts";
import { reactForm } from "./form_reaction.ts";
import { drawForm, FORM_LEAST } from "./form_view.ts";
import { readMachineLinks } from "./machine_link.ts";

/** What neither the kernel nor the folder of the bundles tells of is seen within so long. */
const READ_EVERY_MS = 10_000;
/** How long an external address is believed. */
const EXTERNAL_MS = 60_000;
/** What is chosen elsewhere on the form, or means nothing on it. */
const NOT_IN_PANEL = [
  "bond",
  "load-balance",
  "server",
  "servers",
  "ifaces",
  "cert",
  "ui",
  "verbose",
  "log-json",
];

export class FormPage implements Page<FormTarget>, AsyncDisposable {
  readonly #user: InvokingUser;
  readonly #runner: CommandRunner;
  readonly #onChange: () => void;
  readonly #program = describeClientProgram();
  readonly #saving = new SerialQueue();
  readonly #reads = new SerialQueue();
  #watch: AsyncDisposable | null = null;
  readonly #askedMs = new Map<string, number>();
  #state: FormState;
  #facts: FormFacts;
  #action = Promise.withResolvers<FormAction>();
  #size: Size = FORM_LEAST;
  #readAtMs = -Infinity;
  #isReadDue = true;
  /** How the bundles were when they were looked at last. */
  #bundles = "";

  /** `onChange`: what it shows has changed by itself. */
  constructor(user: InvokingUser, runner: CommandRunner, settings: Settings, onChange: () => void) {
    this.#user = user;
    this.#runner = runner;
    this.#onChange = onChange;
    this.#state = initialForm(settings);
    this.#facts = {
      links: null,
      linksError: null,
      certificate: { choices: [], state: { kind: "reading" } },
      externalAddresses: new Map(),
      options: this.#panelOptions(),
      whyRefused: (settings) => whyRefused(settings, this.#program),
    };
  }

  /** From now on it follows the machine's links. */
  open(): void {
    this.#watch = watchLinks(() => {
      this.#isReadDue = true;
      void this.#read().then(this.#onChange);
    });
  }

  get settings(): Settings {
    return this.#state.settings;
  }

  /** Resolves when the user wants something done. */
  nextAction(): Promise<FormAction> {
    return this.#action.promise;
  }

  /** Other links were chosen while it runs: they are those of the form, and of the next start. */
  useLinks(names: readonly string[]): void {
    const { settings } = this.#state;
    this.#state = withLinks(this.#state, names);
    this.#settingsChanged(settings);
  }

  /** The form with what has come of the action. */
  say(message: FormMessage): void {
    this.#state = { ...this.#state, message };
    this.resume();
  }

  /** The form as it was. */
  resume(): void {
    this.#action = Promise.withResolvers();
    this.#isReadDue = true;
  }

  draw(log: readonly LogLine[], size: Size): Frame<FormTarget> {
    this.#size = size;
    return drawForm(this.#state, this.#facts, log, size);
  }

  take(input: PageInput<FormTarget>): boolean {
    if (input.kind === "log grew") return false;
    const meant = input.kind === "wheel"
      ? { kind: "key" as const, key: input.lines > 0 ? "down" : "up", text: "" }
      : input;
    const before = this.#state;
    if (isTooSmall(this.#size, FORM_LEAST) && !this.#isLeaving(meant)) return true;
    const { state, action } = reactForm(before, meant, this.#facts);
    this.#state = state;
    if (this.#state.settings !== before.settings) this.#settingsChanged(before.settings);
    if (action !== undefined) this.#action.resolve(action);
    return true;
  }

  /** Where nothing else is to be seen, nothing else is done. */
  #isLeaving(input: FormInput): boolean {
    if (this.#state.view === "asking to quit" || input.kind === "click") return true;
    const isLeaving = ["q", "escape", "ctrl+c"].includes(input.key);
    if (isLeaving) this.#state = { ...this.#state, view: "asking to quit", edited: null };
    return false;
  }

  async refresh(nowMs: number): Promise<void> {
    if (this.#bundles !== this.#lookAtBundles()) this.#isReadDue = true;
    if (this.#isReadDue || nowMs - this.#readAtMs >= READ_EVERY_MS) await this.#read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#reads.idle();
    await this.#saving.idle();
  }

  #settingsChanged(before: Settings): void {
    const { settings } = this.#state;
    const differs = (...keys: string[]) =>
      keys.some((key) => settings.get(key) !== before.get(key));
    if (differs("cert", "pki", MODE_KEY, "external-ip-url")) {
      this.#facts = { ...this.#facts, options: this.#panelOptions() };
      this.#isReadDue = true;
      void this.#read().then(this.#onChange);
    }
    void this.#saving.run(async () => {
      try {
        await saveSettings(this.#user, settings, this.#program);
      } catch (error) {
        const text = messageOf(error);
        this.#state = { ...this.#state, message: { kind: "error", text } };
        this.#onChange();
      }
    });
  }

  #panelOptions(): OptionRow[] {
    const otherMode = isBalancing(this.#state.settings) ? BOND_FLAGS : BALANCE_FLAGS;
    return inPanelOrder(
      optionTable(this.#program).filter(({ name }) =>
        !NOT_IN_PANEL.includes(name) && !otherMode.includes(`-${name}`)
      ),
    );
  }

  #read(): Promise<void> {
    return this.#reads.run(async () => {
      if (!this.#isReadDue && performance.now() - this.#readAtMs < READ_EVERY_MS) return;
      this.#isReadDue = false;
      this.#readAtMs = performance.now();
      this.#bundles = this.#lookAtBundles();
      const before = this.#facts;
      const [links, certificate] = await Promise.all([
        readMachineLinks(this.#runner, TUN_NAME).catch((error) => error as Error),
        this.#readCertificate(),
      ]);
      this.#facts = links instanceof Error
        ? { ...this.#facts, certificate, linksError: `cannot read the links: ${links.message}` }
        : { ...this.#facts, certificate, links, linksError: null };
      this.#state = followFacts(this.#state, before, this.#facts);
      this.#askExternal();
    });
  }

  async #readCertificate(): Promise<CertificateFacts> {
    if (isBalancing(this.#state.settings)) return { choices: [], state: { kind: "reading" } };
    const pki = this.#pkiFolder;
    const path = this.#chosenCertificate;
    const choices = bundlesIn(pki);
    try {
      const credentials = await loadClientCredentials(pki, path, new Date());
      const { commonName, caName, notAfter, source } = credentials;
      const issuer = caName === "" ? "" : ` of ${caName}`;
      const until = formatDate(notAfter);
      const text = `${commonName}${issuer}, until ${until}: ${basename(source)}`;
      return { choices, state: { kind: "good", text } };
    } catch (error) {
      const text = messageOf(error);
      return { choices, state: { kind: "bad", text } };
    }
  }

  get #pkiFolder(): string {
    const folder = String(this.#state.settings.get("pki") ?? "~/.fluxify");
    return expandHome(folder, this.#user.home);
  }

  get #chosenCertificate(): string | undefined {
    const cert = this.#state.settings.get("cert");
    return typeof cert === "string" ? expandHome(cert, this.#user.home) : undefined;
  }

  /** Changes when a certificate comes, goes or is written anew; costs a look at one folder. */
  #lookAtBundles(): string {
    if (isBalancing(this.#state.settings)) return "";
    const chosen = this.#chosenCertificate;
    return [...certificateFilesIn(this.#pkiFolder), ...chosen === undefined ? [] : [chosen]]
      .map((path) => `${path} ${stampOf(path)}`).join("\n");
  }

  /** Only where a page was named to ask, and each link once a minute. */
  #askExternal(): void {
    const url = this.#state.settings.get("external-ip-url");
    if (typeof url !== "string") {
      if (this.#facts.externalAddresses.size > 0) this.#setExternal(new Map());
      return;
    }
    for (const { name, problem, addresses } of this.#facts.links ?? []) {
      const askedMs = this.#askedMs.get(name) ?? -Infinity;
      if (problem !== null || performance.now() - askedMs < EXTERNAL_MS) continue;
      this.#askedMs.set(name, performance.now());
      this.#setExternal(new Map([[name, "..."], ...this.#facts.externalAddresses]));
      const family = addresses.some((address) => address.includes(".")) ? 4 : 6;
      askExternalAddress(this.#runner, name, family, url)
        .then((address) => address ?? "-", () => "err")
        .then((text) => {
          this.#setExternal(new Map([...this.#facts.externalAddresses, [name, text]]));
          this.#onChange();
        });
    }
  }

  #setExternal(externalAddresses: ReadonlyMap<string, string>): void {
    this.#facts = { ...this.#facts, externalAddresses };
  }
}

function bundlesIn(folder: string): string[] {
  return certificateFilesIn(folder).filter((path) => path.endsWith(".bundle"));
}

function certificateFilesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)]
      .filter(({ name }) => /\.(bundle|pem)$/.test(name) && !name.startsWith("."))
      .map(({ name }) => join(folder, name)).sort();
  } catch {
    return []; // what is wrong with the folder, reading the certificate tells
  }
}

function stampOf(path: string): string {
  try {
    const { mtime, size, mode } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size} ${mode}`;
  } catch {
    return "none"; // reading the certificate tells why
  }
}

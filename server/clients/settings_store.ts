/** Where the settings of clients are kept, as those who use and change them see it. */
import type { ClientSettings } from "./client_settings.ts";

export interface SettingsStore {
  /** Of the copy at hand: nothing is waited for. NO_SETTINGS for a client nothing is prescribed for. */
  get(name: string): ClientSettings;
  /** Clients that something is prescribed for, of the copy at hand. */
  list(): Iterable<readonly [name: string, settings: ClientSettings]>;
  /**
   * Replaces the settings of a client by what `change` makes of them, unless others have changed them
   * meanwhile: then `change` is asked again.
   * @throws {PkiError} for what conflicts with the settings of others, what reading and writing throw,
   * and whatever `change` throws
   */
  change(name: string, change: (before: ClientSettings) => ClientSettings): Promise<void>;
  /**
   * Replaces the settings of several clients in one step; NO_SETTINGS: nothing is prescribed any more.
   * Returns those that were left as they were, as they conflict with the settings of others, and why.
   * @throws {PkiError} what reading and writing throw
   */
  replace(settings: ReadonlyMap<string, ClientSettings>): Promise<ReadonlyMap<string, string>>;
  /** `changed` is told of clients whose settings in the copy at hand are other ones. */
  watch(changed: (names: readonly string[]) => void): Disposable;
  /** Why the copy at hand may be old, and what to do; null when it is not. */
  readonly problem: string | null;
}

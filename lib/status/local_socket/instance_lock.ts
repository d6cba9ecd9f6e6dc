/**
 * Who may use the name of an instance: whoever holds the lock on its file. The kernel lets go of it
 * when the process ends, however that happens.
 */

/** Others may remove the file between our opening and our locking it. */
const TRIES_MAX = 8;

export class InstanceLock implements AsyncDisposable {
  private constructor(readonly path: string, private readonly file: Deno.FsFile) {}

  /** Null: a living process holds it. The directory of `path` must be writable for this user alone. */
  static async take(path: string): Promise<InstanceLock | null> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
      if (!await file.tryLock(true)) {
        file.close();
        return null;
      }
      const locked = await file.stat();
      const present = await Deno.lstat(path).catch(() => null);
      if (present?.ino === locked.ino) return new InstanceLock(path, file);
      file.close();
    }
    return null;
  }

  /** The file goes before the lock, so that nobody's new one is removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path).catch(() => {}); // an empty file that is left is no harm
    this.file.close();
  }
}

/** A directory that is gone at the end of the block that holds it with `await using`. */
export class TemporaryDirectory implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async create(): Promise<TemporaryDirectory> {
    return new TemporaryDirectory(await Deno.makeTempDir({ prefix: `fluxify-pki-${Deno.pid}-` }));
  }

  /** The names in the directory (or in one below it), sorted. */
  names(below = ""): string[] {
    return [...Deno.readDirSync(`${this.path}/${below}`)].map((entry) => entry.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

import { join } from "node:path";
import { isAlive, registerCleanup } from "../../tests/netns/namespace.ts";

const NAME_PATTERN = /^fluxify(\d+)-/;

/** A directory that goes with its owner, and at the latest when a later program makes one. */
export class TemporaryDirectory implements Disposable {
  readonly path: string;
  #cleanup: Disposable;

  private constructor(path: string) {
    this.path = path;
    this.#cleanup = registerCleanup(() => remove(path));
  }

  static async create(label: string): Promise<TemporaryDirectory> {
    const path = await Deno.makeTempDir({ prefix: `fluxify${Deno.pid}-${label}-` });
    removeThoseOfTheDead(join(path, ".."));
    return new TemporaryDirectory(path);
  }

  [Symbol.dispose](): void {
    remove(this.path);
    this.#cleanup[Symbol.dispose]();
  }
}

// They hold private keys, if only of a laboratory.
function removeThoseOfTheDead(parent: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(parent)) {
    const pid = NAME_PATTERN.exec(name)?.[1];
    if (isDirectory && pid !== undefined && !isAlive(Number(pid))) remove(join(parent, name));
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Names in flags that no link has at present: a typing error, or a link that is to come. Where the links
 * are named, too, such a name is refused instead (link_rules.ts).
 */

/** By flag, the names that are given to it. */
type NamesOfFlags = Readonly<Record<string, Iterable<string>>>;

export class UnmatchedNames {
  readonly #given: () => NamesOfFlags;
  readonly #told = new Set<string>();

  /** `given` is asked again each time, as rules change while the program runs. */
  constructor(given: () => NamesOfFlags) {
    this.#given = given;
  }

  /** Each once; none as long as there are no links. A link is known by its interface's name as well. */
  of(links: readonly string[]): string[] {
    return [...new Set(this.#unmatched(links).map(({ name }) => name))];
  }

  /** Sentences to show to the user, of names that were not told before. */
  look(links: readonly string[]): string[] {
    return this.#unmatched(links).flatMap(({ flag, name }) => {
      const key = `${flag} ${name}`;
      if (this.#told.has(key)) return [];
      this.#told.add(key);
      return `${flag} names '${name}', which is no link now and has effect once it is one; ` +
        `there are: ${links.join(", ")}`;
    });
  }

  #unmatched(links: readonly string[]): { flag: string; name: string }[] {
    if (links.length === 0) return [];
    const known = new Set(links.flatMap((link) => [link, deviceOf(link)]));
    return Object.entries(this.#given()).flatMap(([flag, names]) =>
      [...names].filter((name) => !known.has(name)).map((name) => ({ flag, name }))
    );
  }
}

/** Links that share an interface are told apart by a source address behind its name. */
export function deviceOf(name: string): string {
  return name.split(" (", 1)[0]!;
}

/** What the cert commands advise, for someone at the certificate manager. */

const KEYS: Readonly<Record<string, string>> = { new: "n", renew: "w", revoke: "r", delete: "d" };

/** `line` with the keys of the screen in place of the commands that do the same. */
export function inKeysOfScreen(line: string): string {
  return line.replaceAll(
    /"fluxify-server cert (\w+)[^"]*"/g,
    (command, name: string) => KEYS[name] ?? command,
  );
}

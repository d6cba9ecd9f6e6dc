import { addRevocation, encodeRevocations, type Revocation } from "./revocation_file.ts";
import { PUBLIC_FILE_MODE, withDirectoryLock, writeFilesAtomically } from "./secure_file.ts";
import { openRevocations, serverTree } from "./server_tree.ts";

/**
 * Adds what other servers of the same authority have revoked to the list in `directory`. `revoked.pem`,
 * which only other programs read, is renewed with the next revocation that is made here: signing a long
 * one takes a running server seconds.
 * @throws {PkiError} "too many revocations" and what reading and writing throw
 */
export async function importRevocations(
  directory: string,
  added: readonly Revocation[],
  now: Date,
): Promise<void> {
  const tree = serverTree(directory);
  await withDirectoryLock(directory, async () => {
    let entries = (await openRevocations(tree)).entries();
    const listed = new Set(entries.map(({ serial }) => serial));
    const news = added.filter(({ serial }) => !listed.has(serial));
    if (news.length === 0) return;
    for (const revocation of news) {
      entries = addRevocation(entries, revocation, tree.revoked, now);
    }
    const text = encodeRevocations(entries);
    await writeFilesAtomically([{ path: tree.revoked, text, mode: PUBLIC_FILE_MODE }]);
  });
}

/**
 * Which paths are held back by their rules. A backup carries while none of the others works, or while
 * all of them are full; one whose volume is used up carries while nothing else works at all.
 */
import type { SessionPath } from "../path/session_path.ts";
import type { PathLoad } from "./path_load.ts";

/** A path that sends so much of what it carries is full; */
const FULL_SHARE = 0.8;
/** all together have room again below this. */
const ROOM_SHARE = 0.7;
/** The others have to be full for so long, and to have room for so long. */
const FULL_MS = 300;
const ROOM_MS = 3000;

export class Reserve {
  #isOpen = false;
  #fullSince = Infinity;
  #roomSince = Infinity;

  /**
   * Sets `isHeldBack` of each path.
   * @param opens whether backups take part while the others are full; else only while none works.
   */
  judge(
    paths: readonly SessionPath[],
    opens: "when full" | "when down",
    loadOf: (path: SessionPath) => PathLoad,
    now: number,
  ): void {
    const working = paths.filter(({ isUsable }) => isUsable);
    const own = working.filter(({ rule }) => rule.use === "always");
    const backups = working.filter(({ rule }) => rule.use === "backup");
    const isFull = (path: SessionPath) => {
      const { capacity } = loadOf(path);
      return path.isFull(now) ||
        capacity !== null && path.quality.sentRate >= FULL_SHARE * capacity;
    };
    if (opens === "when down" || own.length === 0 || backups.length === 0) this.#close();
    else if (this.#isOpen) this.#closeIfRoom(own, backups, isFull, loadOf, now);
    else this.#openIfFull(own.every(isFull), now);
    for (const path of paths) {
      path.isHeldBack = path.rule.use === "backup"
        ? own.length > 0 && !this.#isOpen
        : path.rule.use === "cap reached" && own.length + backups.length > 0;
    }
  }

  #close(): void {
    this.#isOpen = false;
    this.#fullSince = this.#roomSince = Infinity;
  }

  #openIfFull(areFull: boolean, now: number): void {
    if (!areFull) this.#fullSince = Infinity;
    else if (this.#fullSince === Infinity) this.#fullSince = now;
    else if (now - this.#fullSince >= FULL_MS) {
      this.#isOpen = true;
      this.#roomSince = Infinity;
    }
  }

  #closeIfRoom(
    own: readonly SessionPath[],
    backups: readonly SessionPath[],
    isFull: (path: SessionPath) => boolean,
    loadOf: (path: SessionPath) => PathLoad,
    now: number,
  ): void {
    let sent = 0;
    let carried: number | null = 0;
    for (const path of [...own, ...backups]) sent += path.quality.sentRate;
    for (const path of own) {
      const { capacity } = loadOf(path);
      carried = carried === null || capacity === null ? null : carried + capacity;
    }
    const hasRoom = carried === null ? !own.some(isFull) : sent < ROOM_SHARE * carried;
    if (!hasRoom) this.#roomSince = Infinity;
    else if (this.#roomSince === Infinity) this.#roomSince = now;
    else if (now - this.#roomSince >= ROOM_MS) this.#close();
  }
}

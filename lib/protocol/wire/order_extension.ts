/**
 * The order extension (x1, flag `orderExtension`): the last 8 bytes of a packet record's plaintext,
 * where one flow uses several paths.
 *
 *     0            4            6       8
 *     | send order | paths      | flags |
 *     | u32        | u16        | u16   |
 *
 * - send order: one count for all packets of the session and direction. Each path carries it rising,
 *   but for packets that are sent again.
 * - paths: bit `path id mod 16` of each path on which packets numbered before may still come; none
 *   when all came this way.
 */

export const ORDER_EXTENSION_LENGTH = 8;

/** The sender keeps the packet for a while, and sends it again when it is lost. */
export const ORDER_FLAG_RECOVERABLE = 1;
/** The packet was sent before, or was meant for another path: it proves nothing of this one. */
export const ORDER_FLAG_REPEATED = 2;

/** The packet passed by others of its path: it proves nothing of them. */
export const ORDER_FLAG_PRIORITY = 4;

export class OrderExtension {
  order = 0;
  paths = 0;
  flags = 0;
}

/** Hot. */
export function encodeOrderExtension(
  view: DataView,
  offset: number,
  extension: OrderExtension,
): void {
  view.setUint32(offset, extension.order);
  view.setUint16(offset + 4, extension.paths);
  view.setUint16(offset + 6, extension.flags);
}

/** Hot. Returns false when `length` bytes are too few. */
export function decodeOrderExtension(
  view: DataView,
  offset: number,
  length: number,
  extension: OrderExtension,
): boolean {
  if (length < ORDER_EXTENSION_LENGTH) return false;
  extension.order = view.getUint32(offset);
  extension.paths = view.getUint16(offset + 4);
  extension.flags = view.getUint16(offset + 6);
  return true;
}

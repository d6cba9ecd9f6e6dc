/** When packets are compressed. */

/**
 * - `auto`: where it pays: flows that shrink, while the links and not the processor are the limit.
 * - `off`: never.
 * - `always`: every packet that becomes smaller by it.
 */
export const COMPRESSION_MODES = ["auto", "off", "always"] as const;

export type CompressionMode = typeof COMPRESSION_MODES[number];

/** When a flow counts as grown: it has shown that it is a transfer, and not a few messages. */

/** Bytes sent: a TCP flow is still in slow start then, so a move disturbs it little. */
export const GROWN_BYTES = 65_536;
/** Shorter reads are acknowledgements, questions or voice; they do not make a flow grow. */
export const GROWN_READ_BYTES_MIN = 512;
/** A grown flow is under way while it sends in each window of this length. */
export const GROWN_WINDOW_MS = 500;

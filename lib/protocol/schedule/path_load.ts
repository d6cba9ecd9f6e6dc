/** What a scheduler knows of a path besides its quality. */
export interface PathLoad {
  /** Bytes a second that it is believed to carry; null: that is not known. */
  readonly capacity: number | null;
  /** What waits here to leave on it. */
  readonly queuedBytes: number;
  /** How long what comes last would wait, here and in the network, in ms. */
  readonly queuedMs: number;
  /** Packets sent again on it, since they were lost. */
  readonly retransmitted: number;
  /** Packets of paths that fell silent or went, sent again on it. */
  readonly reinjected: number;
}

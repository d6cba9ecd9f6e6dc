/** What both kinds of coalescing keep of the packets that will leave as one. */

const NOTHING = new DataView(new ArrayBuffer(0));

/** The packets that were taken so far: the first one in place, and how much of the others follows. */
export class OpenBatch {
  /** Packets in the batch; 0 when none is open. */
  count = 0;
  /** Where the first packet, whose headers stand for all, starts. */
  offset = 0;
  /** Headers of the batch, in bytes; every later packet gives its bytes behind these. */
  headersLength = 0;
  /** Payload of each packet but the last, in bytes. */
  segmentSize = 0;
  isIpv4 = false;
  /** From the start of the packet to its TCP or UDP header. */
  transportDistance = 0;

  /** The memory of the first packet. */
  protected view: DataView = NOTHING;
  protected payloadLength = 0;
  /** Whether nothing may follow. */
  protected isClosed = false;

  /** Hot. Opens it with the packet at offset `packet` of `view`. */
  protected open(
    view: DataView,
    packet: number,
    isIpv4: boolean,
    transportDistance: number,
    headersLength: number,
    payloadLength: number,
  ): void {
    this.count = 1;
    this.view = view;
    this.offset = packet;
    this.isIpv4 = isIpv4;
    this.transportDistance = transportDistance;
    this.headersLength = headersLength;
    this.segmentSize = payloadLength;
    this.payloadLength = payloadLength;
  }
}

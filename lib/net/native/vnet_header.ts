/** struct virtio_net_hdr (include/uapi/linux/virtio_net.h), in host order: little-endian. */
import {
  type Offload,
  OFFLOAD_CHECKSUM,
  OFFLOAD_NONE,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
  OFFLOAD_UNKNOWN,
} from "../driver/offload.ts";

export const VNET_FLAG_NEEDS_CHECKSUM = 1;
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
/** UDP that is cut into datagrams, not into fragments. */
export const VNET_GSO_UDP = 5;
export const VNET_GSO_TYPE = 1;
export const VNET_HEADERS_LENGTH = 2;
export const VNET_GSO_SIZE = 4;
export const VNET_CHECKSUM_START = 6;
export const VNET_CHECKSUM_OFFSET = 8;

/** Hot. Reads into `offload` what the header at `offset` says. */
export function readOffload(view: DataView, offset: number, offload: Offload): void {
  switch (view.getUint8(offset + VNET_GSO_TYPE)) {
    case VNET_GSO_NONE: {
      const isPartial = (view.getUint8(offset) & VNET_FLAG_NEEDS_CHECKSUM) !== 0;
      offload.kind = isPartial ? OFFLOAD_CHECKSUM : OFFLOAD_NONE;
      offload.checksumStart = view.getUint16(offset + VNET_CHECKSUM_START, true);
      offload.checksumField = offload.checksumStart +
        view.getUint16(offset + VNET_CHECKSUM_OFFSET, true);
      return;
    }
    case VNET_GSO_TCPV4:
    case VNET_GSO_TCPV6:
      offload.kind = OFFLOAD_TCP;
      offload.segmentSize = view.getUint16(offset + VNET_GSO_SIZE, true);
      return;
    case VNET_GSO_UDP:
      offload.kind = OFFLOAD_UDP;
      offload.segmentSize = view.getUint16(offset + VNET_GSO_SIZE, true);
      return;
    default:
      offload.kind = OFFLOAD_UNKNOWN;
  }
}

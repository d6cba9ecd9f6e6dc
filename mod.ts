/**
 * What other programs may import of Fluxify: the wire format, the session core that speaks it, and
 * the engines that carry it. The two programs are `server/main.ts` and `client/main.ts`.
 */
export { DROP_REASONS, DropCounters, type DropReason } from "./lib/protocol/wire/drop_reason.ts";
export {
  ReorderBuffer,
  type ReorderCounters,
  type ReorderOptions,
} from "./lib/protocol/receive/reorder_buffer.ts";
export { REPLAY_WINDOW_LENGTH, ReplayWindow } from "./lib/protocol/crypto/replay_window.ts";
export { TcpCoalescer } from "./lib/protocol/packet/coalesce.ts";
export { FlowKey, readFlowKey } from "./lib/protocol/packet/flow_key.ts";
export { Segmenter } from "./lib/protocol/packet/segment.ts";
export {
  type ControlGrant,
  type ControlRefusal,
  type ControlRequest,
  type ControlResponse,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "./lib/protocol/wire/control_message.ts";
export {
  CounterNonce,
  decodeHeader,
  decodeNonce,
  encodeHeader,
  encodeNonce,
  RECORD_OVERHEAD,
  RecordHeader,
} from "./lib/protocol/wire/header.ts";
export { directionKeys, nextKey } from "./lib/protocol/crypto/key_schedule.ts";
export {
  Session,
  type SessionEvent,
  type SessionOptions,
  type Transmit,
} from "./lib/protocol/session/session.ts";
export { x1Wire } from "./lib/protocol/session/x1_wire.ts";
export { v1Wire } from "./lib/protocol/v1/v1_wire.ts";
export type {
  Engine,
  EngineEvent,
  EngineOptions,
  EnginePath,
  EngineSession,
  PathReport,
  SessionReport,
} from "./lib/net/engine.ts";
export { startEngine } from "./lib/net/start_engine.ts";
export { VERSION } from "./lib/cli/version.ts";

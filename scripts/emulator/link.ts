import { FRAME_LENGTH_MAX, FrameMemory } from "./frame_memory.ts";
import { type Libc, openTap } from "./libc.ts";
import { DEFAULT_SETTINGS, type DirectionSettings, LinkDirection } from "./link_model.ts";
import { type Configuration, type DirectionStatistics, tapNames } from "./control.ts";

/** Frames in the queue and in flight, per direction: 100 ms of full frames at 900 Mbit/s. */
const SLOTS_PER_DIRECTION = 8192;
/** Frames read from one device before the others have their turn. */
const FRAMES_PER_TURN = 64;
const ETHERNET_HEADER_LENGTH = 14;

const FRAME_LENGTH_ARGUMENT = BigInt(FRAME_LENGTH_MAX);
const LENGTH_ARGUMENTS = Array.from({ length: FRAME_LENGTH_MAX + 1 }, (_, n) => BigInt(n));

/** One direction of a link between two TAP descriptors. */
class Conveyor {
  readonly model: LinkDirection;
  /** Frames the receiving device did not take, because it was down. */
  refusedFrames = 0;
  #libc: Libc;
  #from: number;
  #to: number;
  #memory = new FrameMemory(SLOTS_PER_DIRECTION);
  #frameLengths = new Int32Array(SLOTS_PER_DIRECTION);

  constructor(libc: Libc, from: number, to: number, settings: DirectionSettings, seed: number) {
    this.#libc = libc;
    this.#from = from;
    this.#to = to;
    this.model = new LinkDirection(settings, SLOTS_PER_DIRECTION, seed);
  }

  receive(nowMs: number): void {
    const { addresses } = this.#memory;
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const slot = this.model.nextSlot;
      const length = this.#libc.read(this.#from, addresses[slot]!, FRAME_LENGTH_ARGUMENT);
      if (length < ETHERNET_HEADER_LENGTH) return; // EAGAIN, or the device is down or gone
      this.#frameLengths[slot] = length;
      this.model.accept(length - ETHERNET_HEADER_LENGTH, nowMs);
    }
  }

  deliver(nowMs: number): void {
    const { addresses } = this.#memory;
    for (let slot = this.model.pollDue(nowMs); slot >= 0; slot = this.model.pollDue(nowMs)) {
      const length = LENGTH_ARGUMENTS[this.#frameLengths[slot]!]!;
      if (this.#libc.write(this.#to, addresses[slot]!, length) < 0) this.refusedFrames++;
    }
  }

  statistics(): DirectionStatistics {
    const { counters, queuedBytes, settings } = this.model;
    return { ...counters, queuedBytes, refusedFrames: this.refusedFrames, settings };
  }
}

/** A cable between two TAP devices, `up` from "a" to "b" and `down` back. */
export class Link {
  readonly name: string;
  readonly a: number;
  readonly b: number;
  readonly up: Conveyor;
  readonly down: Conveyor;

  constructor(libc: Libc, { name, up, down }: Configuration["links"][number], seed: number) {
    const taps = tapNames(name);
    this.name = name;
    this.a = openTap(libc, taps.a);
    this.b = openTap(libc, taps.b);
    this.up = new Conveyor(libc, this.a, this.b, { ...DEFAULT_SETTINGS, ...up }, seed);
    this.down = new Conveyor(libc, this.b, this.a, { ...DEFAULT_SETTINGS, ...down }, seed + 1);
  }
}

export type { Conveyor };

/** What the set of links is made of, and what it is told and keeps. */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import type { LinkTables } from "../../lib/host/routes/link_tables.ts";
import type { Engine } from "../../lib/net/engine.ts";
import type { RuleOf } from "./link_paths.ts";
import type { LinkSelection } from "./link_selection.ts";
import type { LinkRoute } from "./link_state.ts";
import type { LinkStreams } from "./link_streams.ts";
import type { ServerEndpoint, ServerEndpoints } from "./server_endpoints.ts";

export interface LinkSetParts {
  readonly runner: CommandRunner;
  readonly engine: Pick<Engine, "addPath" | "removePath" | "setPathRule">;
  readonly selection: LinkSelection;
  readonly endpoints: Pick<ServerEndpoints, "all" | "data" | "both"> & {
    /** Whether links keep their routes to addresses that are not in use; not unless told. */
    readonly keepsRoutes?: boolean;
  };
  /** Null: links have no routing tables of their own. */
  readonly tables: LinkTables | null;
  /** Called before an interface is used that has not been there before. */
  readonly prepare?: (name: string) => Promise<void>;
  readonly ruleOf?: RuleOf;
  /** Whether what is too large for a path is lost rather than fragmented. */
  readonly forbidsFragments?: boolean;
  /** The data plane inside TLS; null: nothing goes there. */
  readonly streams?: LinkStreams | null;
}

export interface BegunSession {
  readonly session: number;
  /** The server's data port. */
  readonly port: number;
  readonly isV1: boolean;
  /** Who granted it. */
  readonly granter: ServerEndpoint;
  /**
   * "anew": nothing of the one before works any more, so links leave addresses of the server that are
   * in use for the granter's.
   */
  readonly how: "anew" | "renewed";
}

/** A link that leads to the server, and how. */
export interface LinkUse {
  readonly interface: NetworkInterface;
  /** The one in use, and all there are. */
  readonly route: LinkRoute;
  readonly routes: readonly LinkRoute[];
  readonly endpoint: ServerEndpoint;
}

/** Over which links, and at which addresses, servers can be asked for a session. */
import type { LinkRoute } from "./link_state.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import type { ControlRoute } from "./session_request.ts";

/**
 * Over each link at the address it uses, then at the others; at last those on this machine.
 *
 * @param reach where each link leads, in the user's order.
 * @param areKept whether routes stay that no link uses.
 * @param inUse the address that the link of that name uses.
 */
export function controlRoutes(
  reach: readonly { readonly link: string; readonly routes: readonly LinkRoute[] }[],
  endpoints: readonly ServerEndpoint[],
  areKept: boolean,
  inUse: (link: string) => string | undefined,
): ControlRoute[] {
  const all = reach.flatMap(({ link, routes }) =>
    routes.flatMap(({ server, nextHop }): ControlRoute[] =>
      endpoints.filter(({ address }) => address === server.address)
        // The link may change to this address while it is asked.
        .map((endpoint) => ({
          ...{ link, nextHop, endpoint, isKept: areKept },
          get isInUse() {
            return endpoint.address === inUse(link);
          },
        }))
    )
  );
  const local = endpoints.filter(({ routes }) => routes === null)
    .map((endpoint): ControlRoute => {
      const nextHop = { device: "lo", gateway: undefined };
      return { link: "lo", nextHop, endpoint, isInUse: true, isKept: true };
    });
  const remote = all.filter(({ endpoint }) => endpoint.routes !== null);
  const [used, others] = [true, false].map((isInUse) =>
    remote.filter((route) => route.isInUse === isInUse)
  );
  return [...used!, ...others!, ...local];
}

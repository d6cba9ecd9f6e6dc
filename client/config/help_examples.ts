/** Behind the options, in the help of the client. */
export const EXAMPLES = `
Examples:
  A screen to choose and start on:
    sudo fluxify-client
  Bond all links that work, or those that are named, with a live screen:
    sudo fluxify-client -b -server vpn.example.com
    sudo fluxify-client -b -server HOST -ifaces eth0,wlan0 -ui
  Balance connections, without a server:
    sudo fluxify-client -l -ifaces wan1,wan2

One dash is enough: -server host is --server host.`;

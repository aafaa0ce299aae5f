// An HTTP client with Node's http: `node http_node.js WHAT SETTINGS`; WHAT is `twice` or `page`.
"use strict";
const http = require("node:http");

const [what, settings] = process.argv.slice(2);
const mended = settings === "mended";
const agent = new http.Agent({ keepAlive: true });
const SIZES = { small: 100, page: 200000 };

function once(path) {
  return new Promise((resolve, reject) => {
    const options = { host: process.env.BUSTEDWALL_SITE_HOST, port: process.env.BUSTEDWALL_SITE_PORT, path: `/${path}`, agent };
    const request = http.get(options, (answer) => {
      let size = 0;
      answer.on("data", (piece) => { size += piece.length; });
      answer.on("error", reject);
      answer.on("end", () => resolve(size));
    });
    // A request that got no byte of an answer on a used connection may be repeated.
    request.on("error", (error) => reject(Object.assign(error, { reused: request.reusedSocket })));
    if (mended) {
      const clock = setTimeout(() => request.destroy(new Error("the whole took more than 4 s")), 4000);
      request.on("close", () => clearTimeout(clock));
    }
  });
}

async function get(path) {
  try {
    return await once(path);
  } catch (error) {
    if (mended && error.reused && error.code === "ECONNRESET") return once(path);
    throw error;
  }
}

(async () => {
  for (const path of what === "twice" ? ["small", "small"] : ["page"]) {
    const size = await get(path);
    if (size !== SIZES[path]) throw new Error(`a short body was taken for a whole one: ${size} bytes`);
    // The next request goes to the same connection only once this one is the agent's again.
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log("all came");
  process.exit(0);
})().catch((error) => {
  console.error(error.message.startsWith("a short body") ? error.message : `told: ${error.code || "Error"}: ${error.message}`);
  process.exit(1);
});

// Node's http: download each URL after the other on kept connections; tell how it ended, and the digests.
// Arguments: a limit in milliseconds, a URL, a limit, a URL …
const http = require("http");
const asked = process.argv.slice(2);
// Node's own keepalives, after a second, would keep a connection that has to be idle here.
const agent = new http.Agent({ keepAlive: true, keepAliveMsecs: 60_000, maxSockets: 1 });

function failed(error) {
  console.log(`${error.code}\n${error.message}`);
  process.exit(0);
}

function next() {
  if (asked.length === 0) {
    console.log("returns\n");
    process.exit(0);
  }
  const [limit, url] = asked.splice(0, 2);
  const request = http.get(url, { agent, timeout: Number(limit) }, (response) => {
    const digest = require("crypto").createHash("sha256");
    response.on("data", (bytes) => digest.update(bytes));
    response.on("error", failed);
    response.on("end", () => {
      process.stderr.write(digest.digest("hex") + "\n");
      setImmediate(next);
    });
  });
  // Node only tells that the time is over; what follows is up to the program.
  request.on("timeout", () => request.destroy());
  request.on("error", failed);
}

next();

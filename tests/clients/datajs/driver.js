"use strict";

// Runs datajs, which was made for browsers, on the steps of a JSON document that is its input: {url, token, steps:
// [{name, path, method, data or the parts of a batch, handler, typed}]}. `handler` is one of datajs, `typed` the step
// that read the schema, by its name. Prints {name: {status, data} or {status, error}}. Its argument is the folder of
// the packages.

const modules = require("node:module").createRequire(`${process.argv[2]}/`);

globalThis.DOMParser = modules("@xmldom/xmldom").DOMParser;
modules("datajs"); // makes the global OData

const { OData } = globalThis;
const { url, token, steps } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

OData.defaultHttpClient.request = (request, success, error) => {
  const { method, headers, body, requestUri } = request;
  fetch(requestUri, { method, body, headers: { ...headers, Authorization: `Bearer ${token}` } })
    .then(async (answer) => ({
      requestUri,
      statusCode: answer.status,
      statusText: answer.statusText,
      headers: Object.fromEntries(answer.headers),
      body: await answer.text(),
    }))
    .then((response) =>
      response.statusCode < 300 ? success(response) : error({ message: "HTTP request failed", request, response }),
    )
    .catch((failure) => error({ message: String(failure.stack) }));
  return { abort() {} };
};

function asked({ path, method = "GET", data, parts }) {
  const payload = parts === undefined ? data : { __batchRequests: parts };
  return {
    requestUri: `${url}${path}`,
    method,
    headers: {},
    data: payload,
    recognizeDates: true,
  };
}

async function main() {
  const found = {};
  for (const step of steps) {
    found[step.name] = await new Promise((resolve) => {
      OData.request(
        asked(step),
        (data, response) => resolve({ status: response.statusCode, data }),
        ({ message, response }) => resolve({ status: response?.statusCode, error: response?.body ?? message }),
        step.handler === undefined ? undefined : OData[step.handler],
        undefined,
        step.typed === undefined ? undefined : found[step.typed].data,
      );
    });
  }
  process.stdout.write(JSON.stringify(found));
}

main();

// What every service script finds around it: request, require, console, JSGIResponse and _p.
//
// One expression: a function that the worker calls stage by stage. It keeps the way to the server to itself, which
// protects nobody: the server trusts no call. All operations are synchronous. A part of _p that this unit does not
// serve is there all the same and throws, so that a script can tell.
(function () {
  "use strict";

  const callHost = globalThis.__call;
  const keepModule = globalThis.__keep;
  delete globalThis.__call;
  delete globalThis.__keep;
  const { parse, stringify } = JSON;
  const evaluateGlobally = eval;

  let job;
  let outcome;

  // ---- calls -------------------------------------------------------------------------------------------------

  const streams = new WeakMap();

  class InputStream {
    constructor(number) {
      streams.set(this, number);
    }
  }

  function PersoniumException(message, code) {
    this.name = "_p.PersoniumException";
    this.message = message;
    this.code = code;
    this.stack = new Error().stack;
  }
  PersoniumException.prototype = Object.create(Error.prototype, {
    constructor: { value: PersoniumException, writable: true, configurable: true },
  });

  // One line of JSON, then one line for the data: frames never hold large values inside a structure.
  function piece(data) {
    return streams.has(data) ? String(streams.get(data)) : stringify(String(data));
  }

  // Joined, not added: what crosses to the worker must not be a rope, which its binding cannot read.
  function lines(head, pieces) {
    return [stringify(head), ...pieces].join("\n");
  }

  function call(op, args, data) {
    const reply = parse(callHost(lines({ op, args }, data === undefined ? [] : [piece(data)])));
    if (reply.ok) return reply.value;
    if (reply.error !== undefined) throw new Error(reply.error);
    throw new PersoniumException(reply.message, reply.code);
  }

  function unavailable(what) {
    return new Error(what + " is not available on this unit.");
  }

  function lacksMethods(target, prefix, names) {
    for (const name of names) {
      target[name] = function () {
        throw unavailable(prefix + "." + name);
      };
    }
  }

  function lacksProperties(target, prefix, names) {
    for (const name of names) {
      Object.defineProperty(target, name, {
        get() {
          throw unavailable(prefix + "." + name);
        },
      });
    }
  }

  // ---- request and response ----------------------------------------------------------------------------------

  class Input {
    #encoding;

    #options(encoding) {
      this.#encoding ??= encoding === undefined ? "utf-8" : String(encoding);
      return { encoding: this.#encoding };
    }

    readAll(encoding) {
      return call("input.readAll", this.#options(encoding));
    }

    readLine(encoding) {
      return call("input.readLine", this.#options(encoding));
    }

    stream() {
      return inputStream;
    }
  }

  const inputStream = new InputStream(0);
  const input = new Input();
  streams.set(input, 0);

  function requestObject() {
    const request = job.request;
    request.env = { requestUri: job.requestUri };
    request.jsgi = {
      version: [0, 3], errors: "", multithread: "", multiprocess: "", run_once: "", cgi: "", ext: "",
    };
    request.input = input;
    return request;
  }

  function answerText(answer) {
    if (answer === null || typeof answer !== "object") throw new TypeError("The script returned no response object.");
    const { status, headers = {}, body } = answer;
    if (!Number.isInteger(status) || status < 200 || status > 999) {
      throw new TypeError("The status is not a number from 200 to 999.");
    }
    if (headers === null || typeof headers !== "object") throw new TypeError("The headers are not an object.");
    const sent = {};
    for (const name of Object.keys(headers)) {
      if (typeof headers[name] !== "string") throw new TypeError("The header [" + name + "] is not a string.");
      sent[name] = headers[name];
    }
    if (body === null || typeof body !== "object" || typeof body.forEach !== "function") {
      throw new TypeError("The body has no forEach.");
    }
    const pieces = [];
    let text = "";
    const endText = () => {
      if (text !== "") pieces.push(piece(text));
      text = "";
    };
    body.forEach(function (element) {
      if (typeof element === "string") {
        text += element;
      } else if (streams.has(element)) {
        endText();
        pieces.push(piece(element));
      } else {
        throw new TypeError("The body holds something else than strings and streams.");
      }
    });
    endText();
    return lines({ status, headers: sent }, pieces);
  }

  class JSGIResponse {
    status = 200;
    headers = { "Content-Type": "application/json" };
    body = [];

    setResponseData(data) {
      const json = this.headers["Content-Type"] === "application/json";
      this.body = data === null || data === undefined ? [] : [json ? stringify(data) : data];
    }
  }

  // ---- require -----------------------------------------------------------------------------------------------

  const prepared = new Map();
  const instances = new Map();

  function compile(name, text) {
    try {
      return evaluateGlobally("(function (exports) {" + text + "\n})");
    } catch (error) {
      throw new SyntaxError("syntax error (" + name + "): " + error.message);
    }
  }

  function require(name) {
    name = String(name);
    if (instances.has(name)) return instances.get(name);
    const known = prepared.get(name);
    const found = call("module", { name, have: known ? known.key : null });
    const body = found.text === null ? known.body : compile(name, found.text);
    const text = found.text === null ? known.text : found.text;
    keepModule(stringify({ name, key: found.key, text }));
    const exports = function () {};
    instances.set(name, exports);
    body.call(globalThis, exports);
    return exports;
  }

  // ---- console -----------------------------------------------------------------------------------------------

  function shown(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) return String(value);
    try {
      const text = stringify(value);
      return text === undefined ? String(value) : text;
    } catch (error) {
      return String(value);
    }
  }

  const console = {};
  for (const [name, level] of [["debug", "debug"], ["log", "info"], ["info", "info"], ["warn", "warn"], ["error", "error"]]) {
    console[name] = function (...values) {
      call("log", { level }, values.map(shown).join(" "));
    };
  }

  // ---- _p ----------------------------------------------------------------------------------------------------

  const _p = {};

  class Dav {
    #box;
    #path;

    constructor(box, path) {
      this.#box = box;
      this.#path = path;
    }

    #args(path, more) {
      const below = path === undefined || path === null || path === "" ? [] : [String(path)];
      return { box: this.#box.name, path: this.#path.concat(below).join("/"), ...more };
    }

    col(path) {
      return new Dav(this.#box, this.#path.concat(String(path)));
    }

    getPath() {
      return this.#box.url + this.#path.join("/");
    }

    makeUrlString() {
      return this.getPath();
    }

    getString(path, charset = "utf-8") {
      return call("dav.get", this.#args(path, { charset: String(charset) }));
    }

    getStream(path) {
      return new InputStream(call("dav.stream", this.#args(path)));
    }

    put(path, contentType, data, etag) {
      const form = path !== null && typeof path === "object" ? path : { path, contentType, data, etag };
      if (form.data === undefined || form.data === null) throw new Error("put needs data.");
      const options = {
        contentType: String(form.contentType ?? "application/octet-stream"),
        charset: String(form.charset ?? "utf-8"),
        etag: String(form.etag ?? "*"),
      };
      call("dav.put", this.#args(form.path, options), form.data);
    }

    del(path, etag = "*") {
      call("dav.delete", this.#args(path, { etag: String(etag) }));
    }

    mkCol(name) {
      call("dav.mkcol", this.#args(name));
    }

    getFileList() {
      return call("dav.list", this.#args()).files;
    }

    getColList() {
      return call("dav.list", this.#args()).collections;
    }

    setProp() {}

    getProp() {
      return "";
    }
  }
  lacksMethods(Dav.prototype, "Dav", ["mkOData", "mkService", "odata", "service"]);
  lacksProperties(Dav.prototype, "Dav", ["acl"]);

  class Box extends Dav {
    constructor(name, schema) {
      super({ name, url: job.cellUrl + name + "/" }, []);
      this.name = name;
      this.schema = schema;
    }
  }
  lacksMethods(Box.prototype, "Box", ["getMetaData"]);
  lacksProperties(Box.prototype, "Box", ["ctl"]);

  class Cell {
    name = job.cellName;

    getUrl() {
      return job.cellUrl;
    }

    box(name) {
      if (name === undefined || name === null || name === job.boxName || name === job.boxSchema) {
        return new Box(job.boxName, job.boxSchema);
      }
      if (String(name).includes("/")) throw unavailable("Cell.box of another app");
      return new Box(String(name), null);
    }
  }
  lacksMethods(Cell.prototype, "Cell", [
    "getToken", "installBox", "installBoxFromURL", "setOwnerRepresentativeAccounts",
  ]);
  lacksProperties(Cell.prototype, "Cell", ["acl", "event", "currentLog", "archiveLog", "ctl"]);

  class Accessor {
    cell(cell) {
      const own = cell === undefined || cell === null || cell === job.cellName
        || String(cell).replace(/\/?$/, "/") === job.cellUrl;
      if (!own) throw unavailable("Accessor.cell of another cell");
      return new Cell();
    }
  }
  lacksMethods(Accessor.prototype, "Accessor", ["unit", "asCellOwner", "changePassword"]);

  _p.as = function (subject) {
    if (subject === "client") return new Accessor();
    if (subject === "serviceSubject" || (subject !== null && typeof subject === "object")) {
      throw unavailable("_p.as of anybody but the client");
    }
    throw new Error("Parameter Invalid");
  };
  _p.localbox = function () {
    return _p.as("client").cell().box();
  };
  _p.PersoniumException = PersoniumException;
  _p.getServerVersion = function () {
    return job.serverVersion;
  };
  lacksMethods(_p, "_p", ["setPersoniumVersion", "setThreadable"]);
  _p.extension = {};
  lacksMethods(_p.extension, "_p.extension", [
    "HttpClient", "MailSender", "Slack", "Ews", "AWSSecurityTokenService",
  ]);

  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

  _p.util = {
    queryParse(query, charset) {
      const parsed = {};
      for (const pair of String(query).split("&")) {
        const at = pair.indexOf("=");
        if (at < 0) continue;
        const key = _p.util.decodeURI(pair.slice(0, at), charset);
        const value = _p.util.decodeURI(pair.slice(at + 1), charset);
        parsed[key] = Object.hasOwn(parsed, key) ? [].concat(parsed[key], value) : value;
      }
      return parsed;
    },
    decodeURI(text, charset = "utf-8") {
      text = String(text).replace(/\+/g, " ");
      if (!text.includes("%")) return text;
      if (/^utf-?8$/i.test(charset)) {
        try {
          return decodeURIComponent(text);
        } catch (error) {
          // not UTF-8 throughout: the server replaces what is not
        }
      }
      return call("text.decode", { charset: String(charset) }, text);
    },
    escape4xss(value) {
      return typeof value === "string" ? value.replace(/[&<>"']/g, (each) => ENTITIES[each]) : value;
    },
    obj2javaJson(value) {
      return value;
    },
  };
  lacksMethods(_p.util, "_p.util", ["require"]);

  Object.assign(globalThis, { _p, dc: _p, require, console, JSGIResponse });

  // ---- stages ------------------------------------------------------------------------------------------------

  const stages = {
    prepare(text) {
      const module = parse(text);
      prepared.set(module.name, { ...module, body: compile(module.name, module.text) });
    },
    begin(text) {
      job = parse(text);
    },
    call() {
      const main = globalThis.fn_jsgi;
      if (typeof main !== "function") throw new TypeError("The script does not begin with a function.");
      outcome = { answer: main(requestObject()) };
      if (outcome.answer !== null && typeof outcome.answer === "object" && typeof outcome.answer.then === "function") {
        const promised = outcome.answer;
        outcome = {};
        promised.then(
          (answer) => { outcome.answer = answer; },
          (error) => { outcome.error = error; },
        );
      }
    },
    finish() {
      if ("error" in outcome) throw outcome.error;
      if (!("answer" in outcome)) throw new Error("The script's promise is never settled.");
      return answerText(outcome.answer);
    },
  };

  return function stage(name, text) {
    return stages[name](text);
  };
})()

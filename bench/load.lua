-- The load of one line: a method on one path, or in turn on many, and a line of figures at the end.
-- Arguments: method, path (with %d where the number of the turn goes), number of paths, bytes of the body, and
-- the value of the Authorization header, if any.

function init(args)
  local method, path, count, body = args[1], args[2], tonumber(args[3]), string.rep("x", tonumber(args[4]))
  wrk.method = method
  wrk.path = string.format(path, 0)
  wrk.headers["Authorization"] = args[5]
  if #body > 0 then wrk.body = body end
  if count == 1 then return end -- wrk sends one request over and over without asking a script for it

  local requests, turn = {}, 0
  for number = 0, count - 1 do
    requests[number] = wrk.format(nil, string.format(path, number))
  end
  function request()
    turn = (turn + 1) % count
    return requests[turn]
  end
end

function done(summary, latency)
  local failed = summary.errors
  print(string.format(
    'figures {"requests": %d, "duration_us": %d, "p99_us": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(99), failed.status,
    failed.connect + failed.read + failed.write + failed.timeout
  ))
end

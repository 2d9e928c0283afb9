-- The load of one line: a method on one path, or in turn on many, and a line of figures at the end.
-- Arguments: method, path and body (with %d where a number goes), how many numbers, how far apart they are, and
-- headers as they are sent.

local STRIDE = 7919 -- a prime: turns leap to and fro among the numbers, and each gets its turn

function init(args)
  local method, path, body, count, step = args[1], args[2], args[3], tonumber(args[4]), tonumber(args[5])
  for index = 6, #args do
    local name, value = args[index]:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end

  local function filled(text, number)
    return (text:format(number * step, number * step))
  end

  wrk.method, wrk.path = method, filled(path, 0)
  if #body > 0 then wrk.body = filled(body, 0) end
  if count == 1 then return end -- wrk sends one request over and over without asking a script for it

  local requests, turn = {}, 0
  for number = 0, count - 1 do
    requests[number] = wrk.format(nil, filled(path, number), nil, #body > 0 and filled(body, number) or nil)
  end
  function request()
    turn = (turn + STRIDE) % count
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

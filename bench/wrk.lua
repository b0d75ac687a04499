-- Requests for wrk from a file (its name is the only argument) and the outcome as one line of JSON.
-- A line of the file is a path, a tab, and the value of the Cookie field; all other fields come
-- from wrk's own -H options.

local heads = {}

function init(args)
  for line in io.lines(args[1]) do
    local path, cookie = line:match("^(%S+)\t(.*)$")
    wrk.path, wrk.headers["Cookie"] = path, cookie
    heads[#heads + 1] = wrk.format()
  end
  -- With a single request wrk repeats what was set above without calling back, which costs least.
  if #heads > 1 then
    local next = 0
    request = function()
      next = next % #heads + 1
      return heads[next]
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "bytes": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end

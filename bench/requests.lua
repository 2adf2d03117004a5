-- What wrk sends: arguments are the file with the template (method, path and body, each one line), the name of this
-- run, and, where each request has a path of its own, the file that lists them.
-- NUMBER in the template is another number for each request, CARD one of a hundred cards.
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

function init(args)
  local file = assert(io.open(args[1]))
  method, path, body = file:read('l'), file:read('l'), file:read('l')
  file:close()
  headers = {['Content-Type'] = 'application/json', ['X-PROVIDER-API-AppKey'] = 'key', ['X-PROVIDER-API-AppToken'] = args[3] or 'token'}
  run, sent, paths = args[2], 0, nil
  if args[4] then
    paths = {}
    local line_number = 0
    for line in io.lines(args[4]) do
      if line_number % 2 == number % 2 then paths[#paths + 1] = line end
      line_number = line_number + 1
    end
  end
end

function request()
  sent = sent + 1
  local name = run .. '-' .. number .. '-' .. sent
  local card = 'card-' .. sent % 100
  local target = path:gsub('CARD', card)
  if paths then
    -- What is beyond the list is asked of nobody, and counts as an error: the run was too long.
    target = paths[sent] or '/exhausted'
  end
  return wrk.format(method, target, headers, body ~= '' and body:gsub('NUMBER', name):gsub('CARD', card) or nil)
end

function done(summary, latency)
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end

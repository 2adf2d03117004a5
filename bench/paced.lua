-- The requests of requests.lua, from clients that do as they are told when they are refused: Retry-After says a second.
dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'requests.lua')

function delay()
  return 1000
end

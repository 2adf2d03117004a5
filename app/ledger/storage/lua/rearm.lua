-- Puts a transaction into the due queue as it stands, after Redis's clock was ahead when it was last put there.
--
-- Arguments: longest (the policy gives back no later what is left; without it that time stays).
-- Answers: nothing (is there) | armed.
if get('state') == '' then return answer('nothing') end
if arg.longest and number('expires_at') < never then bring_back('expires_at', arg.longest, now + arg.longest) end
arm()
return answer('armed')

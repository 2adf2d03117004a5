-- Writes a transaction that format 2 wrote last in this format.
--
-- Answers: nothing (is left to do) | migrated.
if type(stored) ~= 'table' then return answer('nothing') end
head = nil
return answer('migrated')

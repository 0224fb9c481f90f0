-- Whether the shop declared a legal basis of its own for learning from a shopper: it did by bringing them in its files.

ALTER TABLE shopper ADD COLUMN declared INTEGER NOT NULL DEFAULT 0;

UPDATE shopper SET declared = 1 WHERE user_id NOT LIKE 'anon-%' AND EXISTS (
    SELECT 1 FROM interaction a, state s WHERE a.user_num = shopper.user_num
    AND s.name = 'seeded' AND substr(a.event_id, 1, length(s.value) + 1) = s.value || '/');

-- Shoppers are counted and no longer events: the index says whose an event is.
DROP INDEX interaction_count;
CREATE INDEX interaction_count ON interaction (event, timestamp, item_num, user_num);

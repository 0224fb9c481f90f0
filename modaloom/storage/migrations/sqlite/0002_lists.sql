-- A list that was shown is one row: the numbers of its items as a JSON list, best first, and the places of the explored
-- ones. Ranks are kept where they are not 0, 1, 2 ...

ALTER TABLE showing ADD COLUMN items TEXT NOT NULL DEFAULT '[]';
ALTER TABLE showing ADD COLUMN explored TEXT;
ALTER TABLE showing ADD COLUMN ranks TEXT;

UPDATE showing SET
    items = (SELECT json_group_array(item_num) FROM (
        SELECT e.item_num FROM exposure e WHERE e.showing_num = showing.showing_num ORDER BY e.position)),
    explored = (SELECT json_group_array(place) FROM (
        SELECT (SELECT COUNT(*) FROM exposure b WHERE b.showing_num = e.showing_num AND b.position < e.position) AS place
        FROM exposure e WHERE e.showing_num = showing.showing_num AND e.explored = 1 ORDER BY e.position)),
    ranks = (SELECT json_group_array(rank) FROM (
        SELECT e.rank FROM exposure e WHERE e.showing_num = showing.showing_num ORDER BY e.position));

UPDATE showing SET explored = NULL WHERE explored = '[]';
UPDATE showing SET ranks = NULL WHERE NOT EXISTS (
    SELECT 1 FROM json_each(showing.ranks) one WHERE one.value <> one.key);

DROP TABLE exposure;

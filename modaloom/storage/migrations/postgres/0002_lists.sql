-- A list that was shown is one row: the numbers of its items as a JSON list, best first, and the places of the explored
-- ones. Ranks are kept where they are not 0, 1, 2 ...

ALTER TABLE showing ADD COLUMN items TEXT NOT NULL DEFAULT '[]';
ALTER TABLE showing ADD COLUMN explored TEXT;
ALTER TABLE showing ADD COLUMN ranks TEXT;

UPDATE showing SET items = made.items, explored = made.explored, ranks = made.ranks FROM (
    SELECT showing_num,
        json_agg(item_num ORDER BY place)::text AS items,
        (json_agg(place ORDER BY place) FILTER (WHERE explored = 1))::text AS explored,
        CASE WHEN bool_or(rank <> place) THEN json_agg(rank ORDER BY place)::text END AS ranks
    FROM (
        SELECT *, row_number() OVER (PARTITION BY showing_num ORDER BY position) - 1 AS place FROM exposure
    ) placed GROUP BY showing_num
) made WHERE made.showing_num = showing.showing_num;

DROP TABLE exposure;

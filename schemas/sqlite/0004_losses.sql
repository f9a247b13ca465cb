-- Totals of the loss reports, by day, door, sort of message and field: what hospital IT may want to map next. Counted in the
-- commit of the message; what came in before this migration is counted from its reports.
CREATE TABLE loss_total (
    day     TEXT NOT NULL,
    channel TEXT NOT NULL,
    kind    TEXT NOT NULL,
    field   TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason  TEXT NOT NULL,
    seen    INTEGER NOT NULL,
    PRIMARY KEY (day, channel, kind, field, outcome, reason)
) WITHOUT ROWID;

INSERT INTO loss_total (day, channel, kind, field, outcome, reason, seen)
SELECT day, channel, kind,
       CASE WHEN instr(source, '[') > 0
            THEN substr(source, 1, instr(source, '[') - 1) || substr(source, instr(source, ']') + 1)
            ELSE source END AS field,
       outcome, reason, COUNT(*)
FROM (
    SELECT substr(message.received_at, 1, 10) AS day, message.channel, message.kind,
           json_extract(entry.value, '$.source') AS source,
           json_extract(entry.value, '$.outcome') AS outcome,
           ifnull(json_extract(entry.value, '$.reason'), '') AS reason
    FROM message, json_each(message.losses, '$.entries') AS entry
    WHERE message.status = 'translated' AND message.losses IS NOT NULL
)
GROUP BY 1, 2, 3, 4, 5, 6;

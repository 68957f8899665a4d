-- name: insert_edges
-- Only clips of this organisation are joined; what else is named stays a fact of the submission.
insert into moderation.lineage (org_id, child, parent, how, found_at)
select org_id, %(child)s, clip_id, %(how)s, %(now)s
from moderation.clips where clip_id = any(%(parents)s) and clip_id <> %(child)s
on conflict do nothing;

-- name: parents
select parent, how from moderation.lineage where child = %(clip)s order by parent, how;

-- name: clip_of_manifest
select org_id, clip_id from moderation.renditions
where kind = 'marked' and report ->> 'manifest_id' = %(manifest)s limit 1;

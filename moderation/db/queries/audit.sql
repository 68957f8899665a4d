-- name: head_locked
-- The end of one chain; writers of the same shard wait here for each other, and for nobody else.
insert into moderation.audit_heads (org_id, shard, seq, hash) values (%(org)s, %(shard)s, 0, %(genesis)s)
on conflict (org_id, shard) do update set seq = moderation.audit_heads.seq
returning seq, hash;

-- name: insert_entry
insert into moderation.audit_entries (org_id, shard, seq, previous, hash, body, at)
values (%(org)s, %(shard)s, %(seq)s, %(previous)s, %(hash)s, %(body)s, %(now)s);

-- name: move_head
update moderation.audit_heads set seq = %(seq)s, hash = %(hash)s where org_id = %(org)s and shard = %(shard)s;

-- name: heads
select org_id, shard, seq, hash from moderation.audit_heads order by org_id, shard;

-- name: entries
select org_id, shard, seq, previous, hash, body from moderation.audit_entries order by org_id, shard, seq;

-- name: insert_root
insert into moderation.audit_roots (org_id, body, signature, at) values (%(org)s, %(body)s, %(signature)s, %(now)s);

-- name: roots
select org_id, root_id, body, signature from moderation.audit_roots order by root_id;

-- name: insert_reference
insert into moderation.audit_references (org_id, handle, value, created_at)
values (%(org)s, %(handle)s, %(value)s, %(now)s);
